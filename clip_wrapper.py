"""CLIP for images and captions, and the step that embeds shards: `python clip_wrapper.py data/bucolic/shards`.

Run the same command again after an interruption and it goes on where it stopped. This is a process of its own, so
that PyTorch and TensorFlow never share the GPU.
"""

import argparse
import os
import pathlib

from preprocess.embedding.clip import DEFAULT_CLIP, ClipWrapper
from preprocess.pasture import PASTURE
from preprocess.utils.command import place_name, run_command
from preprocess.utils.errors import counted, summary
from preprocess.utils.options import add_cluster_option

__all__ = ["ClipWrapper", "main"]


def main() -> None:
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("shards", type=place_name, help="folder of offline_preprocess.py, such as data/bucolic/shards")
    parser.add_argument(
        "--clip",
        default=DEFAULT_CLIP,
        help="a CLIP's name, a checkpoint, `photographs` or `pasture`, which come along, path/to/file.py:Class or "
        "package.module:Class (default: %(default)s)",
    )
    parser.add_argument("--out", type=place_name, help="output folder (default: embedded, beside the shards)")
    parser.add_argument("--overwrite", action="store_true", help="empty the output folder if made with other settings")
    add_cluster_option(parser)
    arguments = parser.parse_args()

    from preprocess.embedding.embed import embed_folder, read_shards_manifest
    from preprocess.embedding.process import EncoderProcess
    from preprocess.shards.records import SPLITS
    from preprocess.utils.files import check_inputs_outside

    read_shards_manifest(arguments.shards)
    out = arguments.out or pathlib.Path(os.path.normpath(f"{arguments.shards}/../embedded"))
    check_inputs_outside(out, [arguments.shards])
    print(f"Loading {arguments.clip} ...", flush=True)
    with EncoderProcess(arguments.clip) as encoder:
        # The GPU is the encoder's; TensorFlow only reads and writes records here, and would take its memory for that.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        manifest = embed_folder(arguments.shards, out, encoder, arguments.overwrite, arguments.cluster)
    images, captions = sum(manifest["counts"][split] for split in SPLITS), sum(manifest["caption_counts"].values())
    clip = manifest["settings"]["clip"]
    # The file of the one is named clip.pt.
    name = PASTURE if encoder.spec == PASTURE else clip["name"]
    print(
        f"Embedded {counted(images, 'image')} and {counted(captions, 'caption')} with {name} "
        f"(dimension {clip['embedding_dim']}, {manifest['precision']}) into {out}."
    )


def command() -> None:
    """`main` as a command: a user's error ends it with a sentence and exit code 2."""
    run_command(main)


if __name__ == "__main__":
    command()
