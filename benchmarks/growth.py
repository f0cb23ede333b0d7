"""Memory and time as data grow: preparation from a tar, and embedding.

    python benchmarks/growth.py --captions 10000 100000 1000000

Whether a thousand images take as long in the end as in the beginning is told within a run, by the times of its shards,
since a shared machine's own speed varies from one run to the next. Drawn scenes are repeated, at a quarter of their
size, five captions each; the encoder is one matrix, since CLIP's own memory does not grow. Each step is a process of
its own, and its peak is that of itself or of one of its own processes, whichever is the larger.
"""

import argparse
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.pasture.archive import draw
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

DRAWN, PER_IMAGE, SIDE = 200, 5, (80, 60)
ENCODER = """
import numpy as np

class Matrix:
    name, weights_sha256, precision, embedding_dim, image_size = "matrix", "0", "float32", 64, 224

    def encode_images(self, images):
        means = np.stack([np.asarray(image).reshape(64, -1).mean(1) for image in images])
        return means.astype(np.float32) + 1

    def encode_texts(self, texts):
        letters = (np.frombuffer(text.encode()[:200], np.uint8) % 64 for text in texts)
        return np.stack([np.bincount(found, minlength=64) for found in letters])
"""
MEASURE = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print("PEAK", max(peaks) // 1024)
"""


def scenes():
    """[(JPEG, captions)] of drawn scenes, small ones."""
    from PIL import Image

    found = []
    for number in range(DRAWN):
        jpeg, captions, _ = draw(number)
        buffer = io.BytesIO()
        Image.open(io.BytesIO(jpeg)).resize(SIDE).save(buffer, "JPEG")
        found.append((buffer.getvalue(), (captions * PER_IMAGE)[:PER_IMAGE]))
    return found


def write_tar(path, drawn, count):
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            jpeg, captions = drawn[number % len(drawn)]
            for ending, data in (("jpg", jpeg), ("json", json.dumps({"caption": captions}).encode())):
                info = tarfile.TarInfo(f"{number:09d}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def measure(*arguments):
    """Runs a script of the project's. Returns (seconds, peak memory in MB)."""
    begun = time.perf_counter()
    given = [sys.executable, "-c", MEASURE, *map(str, arguments)]
    process = subprocess.run(given, check=True, capture_output=True, text=True, cwd=pathlib.Path(__file__).parents[1])
    [peak] = [int(line.split()[1]) for line in process.stdout.splitlines() if line.startswith("PEAK ")]
    return time.perf_counter() - begun, peak


def quarters(folder, images):
    """Seconds a thousand images, in words, of the first and the last quarter of a folder's shards, by their times."""
    times = sorted(path.stat().st_mtime for path in folder.glob("*.tfrecord"))
    quarter = (len(times) - 1) // 4
    if quarter < 2:  # too few to tell
        return "", ""
    thousands = quarter * images / len(times) / 1000
    spans = times[quarter] - times[0], times[-1] - times[-1 - quarter]
    return tuple(f"{span / thousands:.2f}" for span in spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--captions", type=int, nargs="+", default=[10_000, 100_000], help="default: %(default)s")
    arguments = parser.parse_args()
    drawn = scenes()
    print("| captions | step | seconds | s a thousand images, first quarter | last quarter | peak MB |")
    print("|---|---|---|---|---|---|")
    for captions in arguments.captions:
        images = captions // PER_IMAGE
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "matrix.py").write_text(ENCODER)
            tar = write_tar(folder / "0.tar", drawn, images)
            shards, embedded = folder / "shards", folder / "embedded"
            steps = {
                "prepare": ("offline_preprocess.py", "--images", tar, "--out", shards, "--sizes", 64, 224),
                "embed": ("clip_wrapper.py", shards, "--clip", f"{folder / 'matrix.py'}:Matrix", "--out", embedded),
            }
            for step, command in steps.items():
                seconds, peak = measure(*command)
                first, last = quarters(shards if step == "prepare" else embedded, images)
                print(f"| {captions:,} | {step} | {seconds:.0f} | {first} | {last} | {peak:,} |", flush=True)


if __name__ == "__main__":
    run_command(main)
