"""Turns COCO's train2017.zip, or images of one's own, into shards: keeps captions of the theme, crops, resizes.

Run the same command again after an interruption and it goes on where it stopped.
"""

import argparse
import os
from collections.abc import Iterator
from typing import Any

from preprocess.coco.themes import THEMES
from preprocess.utils.command import place_name, run_command
from preprocess.utils.errors import UserError, counted, without_controls
from preprocess.utils.options import add_cluster_option, add_shard_options, note_few, shard_options


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = parser.add_mutually_exclusive_group(required=True)
    sources.add_argument(
        "--zip",
        type=place_name,
        nargs="+",
        help="archives of images with captions as COCO's, such as train2017.zip; they are not unpacked",
    )
    sources.add_argument(
        "--images",
        type=place_name,
        nargs="+",
        metavar="PLACE",
        help="images of one's own: folders with metadata.jsonl, or with a.txt beside a.jpg; or tars of webdataset's "
        "or Parquet files, or folders of those; here, or at an address such as hf://datasets/NAME/data",
    )
    parser.add_argument(
        "--captions",
        type=place_name,
        nargs="+",
        metavar="JSON",
        help="captions_train2017.json, or a zip that holds it (default: captions_train2017.json or "
        "annotations_trainval2017.zip beside each zip)",
    )
    parser.add_argument(
        "--theme",
        choices=THEMES,
        help=f"keeps images with a caption that holds one of these words: small: {', '.join(THEMES['small'])}; large: "
        f"{', '.join(THEMES['large'])}; all: keeps every image with a caption (default: small for --zip, "
        "for --images all, or --words alone)",
    )
    parser.add_argument("--words", nargs="+", default=[], metavar="WORD", help="more words to keep images for")
    parser.add_argument(
        "--caption-field", metavar="NAME",
        help="what holds the captions in metadata, JSON or tables of --images (default: caption, text and the like)",
    )  # fmt: skip
    add_shard_options(parser, "data/bucolic/shards", [64, 128, 224], 512)
    add_cluster_option(parser)
    arguments = parser.parse_args()
    if arguments.zip and not arguments.theme:
        arguments.theme = "small"
    if arguments.images and arguments.captions:
        raise UserError("--captions are of --zip; those of --images lie with them, as metadata.jsonl or beside each.")
    if arguments.zip and arguments.caption_field:
        raise UserError("--caption-field is of --images; COCO's captions have no other; leave it out.")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    # TensorFlow only writes records here; it would take the GPU's memory for that.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    options = {
        "theme": arguments.theme,
        "words": arguments.words,
        "cluster": arguments.cluster,
        **shard_options(arguments),
    }
    if arguments.zip:
        from preprocess.coco.build import preprocess_coco

        manifest = preprocess_coco(arguments.zip, arguments.out, captions=arguments.captions, **options)
    else:
        from preprocess.sources.build import preprocess_images

        options["caption_field"] = arguments.caption_field
        manifest = preprocess_images(arguments.images, arguments.out, **options)
    if unmatched := [word for word in arguments.words if word.lower() in manifest["found"]["unmatched"]]:
        print(f"note: no image is described by: {', '.join(unmatched)}.")
    print(without_controls("\n".join(describe(manifest, manifest["settings"]["theme"]))))
    note_few(manifest["counts"], "image")
    counts = manifest["counts"]
    print(
        f"Kept {counts['train']:,} training and {counts['val']:,} validation images, rejected {counts['rejected']:,}"
        f"{left_out(manifest['found'])}: {counted(len(manifest['shards']), 'shard')} in {arguments.out}."
    )


def left_out(found: dict[str, Any]) -> str:
    """What of the captions is not used, for the last line; nothing where all is."""
    parts = [
        (found["captions_left_out"], "caption", "left out {}"),
        (found["missing"], "captioned image", "did not find {}"),
    ]
    said = [sentence.format(counted(count, noun)) for count, noun, sentence in parts if count]
    return "".join(f", {part}" for part in said)


def describe(manifest: dict[str, Any], theme: str) -> Iterator[str]:
    """What was found and what became of it, a line each."""
    found = manifest["found"]
    bare = found["images"] - found["captioned"]
    listed = manifest["counts"]["rejected"] + found["captions_left_out"] + found["missing"] + bare
    yield f"Found {counted(found['images'], 'image')}" + (f", {bare:,} of them without a caption." if bare else ".")
    if found["dropped"]:
        chosen_by = "--words" if theme == "words" else f"the theme {theme}"
        yield f"Dropped {counted(found['dropped'], 'image')} by {chosen_by}, such as:"
        yield from (f'  "{caption}"' for caption in found["examples"])
        kept = found["captioned"] - found["dropped"]
        more = {name: number for name, number in found["would_keep"].items() if number > kept}
        yield "  " + ", ".join(f"--theme {name} would keep {number:,}" for name, number in more.items()) + "."
    if found["beyond_limit"]:
        yield f"Left out {counted(found['beyond_limit'], 'image')} beyond --limit."
    if listed:
        yield "What is rejected, left out or not found stands in rejected.csv, with reasons."


def command() -> None:
    """`main` as a command: a user's error ends it with a sentence and exit code 2."""
    run_command(main)


if __name__ == "__main__":
    command()
