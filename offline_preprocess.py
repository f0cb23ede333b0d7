"""Turns COCO's train2017.zip into shards of bucolic photographs: keeps captions of the theme, crops, resizes.

Run the same command again after an interruption and it goes on where it stopped.
"""

import argparse
import json
import os
import pathlib

from preprocess.captions import THEMES
from preprocess.errors import run_command
from preprocess.options import add_shard_options, shard_options
from preprocess.wording import counted


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--zip", required=True, nargs="+", help="archives of images, such as train2017.zip; they are not unpacked"
    )
    parser.add_argument(
        "--captions",
        nargs="+",
        metavar="JSON",
        help="captions_train2017.json, or a zip that holds it (default: captions_train2017.json or "
        "annotations_trainval2017.zip beside each zip)",
    )
    parser.add_argument(
        "--theme",
        choices=THEMES,
        default="small",
        help="small: cow, sheep; large: 11 more; all: every image with a caption (default: small)",
    )
    parser.add_argument("--words", nargs="+", default=[], metavar="WORD", help="more words to keep images for")
    add_shard_options(parser, "data/bucolic/shards", [64, 128, 224], 512)
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
        **shard_options(arguments),
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
