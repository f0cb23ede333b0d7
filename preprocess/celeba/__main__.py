"""From CelebA's zip and attributes to shards of portraits with sentences: `python -m preprocess.celeba --zip ...`.

Run the same command again after an interruption and it goes on where it stopped.
"""

import argparse
import os

from preprocess.celeba.build import preprocess_celeba
from preprocess.utils.command import place_name, run_command
from preprocess.utils.errors import counted, summary
from preprocess.utils.options import add_shard_options, note_few, shard_options


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.celeba",
        description=summary(__doc__),
        epilog="Run the same command again after an interruption and it goes on where it stopped.",
    )
    parser.add_argument("--zip", type=place_name, required=True, help="img_align_celeba.zip; it is not unpacked")
    parser.add_argument("--attributes", type=place_name, required=True, help="list_attr_celeba.txt, or the same as CSV")
    add_shard_options(parser, "data/faces/shards", [64], 2048)
    arguments = parser.parse_args()
    # TensorFlow only writes records here; it would take the GPU's memory for that.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    manifest, statistics = preprocess_celeba(
        arguments.zip, arguments.attributes, arguments.out, **shard_options(arguments)
    )
    images, rows = statistics["images_without_a_row"], statistics["rows_without_an_image"]
    found = [(images, "image", "without a row"), (rows, "row", "without an image")]
    if skipped := [f"{counted(count, noun)} {why}" for count, noun, why in found if count]:
        print(f"note: skipped {' and '.join(skipped)}; rejected.csv names them.")
    counts = manifest["counts"]
    note_few(counts, "portrait")
    print(
        f"Kept {counts['train']} training and {counts['val']} validation portraits, rejected {counts['rejected']}: "
        f"{counted(len(manifest['shards']), 'shard')} in {arguments.out}."
    )


if __name__ == "__main__":
    run_command(main)
