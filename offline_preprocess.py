"""Turns COCO's train2017.zip into shards of bucolic photographs: keeps captions of the theme, crops, resizes.

Run the same command again after an interruption and it goes on where it stopped.
"""

import argparse
import json
import os
import pathlib

from preprocess.captions import THEMES
from preprocess.errors import run_command
from preprocess.parallel import available_cores
from preprocess.wording import counted


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", required=True, help="the archive of images, such as train2017.zip; it is not unpacked")
    parser.add_argument(
        "--captions",
        help="captions_train2017.json, or a zip that holds it (default: captions_train2017.json or "
        "annotations_trainval2017.zip beside the zip)",
    )
    parser.add_argument(
        "--theme", choices=THEMES, default="small", help="small: cow, sheep; large: 11 more (default: small)"
    )
    parser.add_argument("--words", nargs="+", default=[], metavar="WORD", help="more words to keep images for")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[64, 128, 224], metavar="PX", help="default: 64 128 224"
    )
    parser.add_argument("--out", default="data/bucolic/shards", help="output folder (default: %(default)s)")
    parser.add_argument(
        "--shard-size", type=int, default=512, metavar="N", help="images a shard (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=min(available_cores(), 8), metavar="N", help="default: one a core"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="keep at most N images, to try things out")
    parser.add_argument("--overwrite", action="store_true", help="empty the output folder if made with other settings")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    # TensorFlow only writes records here; it would take the GPU's memory for that.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from preprocess.coco import preprocess_coco

    manifest = preprocess_coco(
        arguments.zip,
        arguments.out,
        captions=arguments.captions,
        theme=arguments.theme,
        words=arguments.words,
        sizes=sorted(set(arguments.sizes)),
        shard_size=arguments.shard_size,
        workers=arguments.workers,
        limit=arguments.limit,
        overwrite=arguments.overwrite,
    )
    counts = manifest["counts"]
    mentions = json.loads((pathlib.Path(arguments.out) / "captions.json").read_text())["images_that_mention"]
    if unmatched := [word for word in arguments.words if not mentions[word.lower()]]:
        print(f"note: no image is described by: {', '.join(unmatched)}.")
    print(
        f"Kept {counts['train']} training and {counts['val']} validation images, rejected {counts['rejected']}: "
        f"{counted(len(manifest['shards']), 'shard')} in {arguments.out}."
    )


if __name__ == "__main__":
    run_command(main)
