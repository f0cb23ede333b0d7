"""What preprocessing costs beside decoding alone, on one core and on two, and its peak memory.

    python benchmarks/offline.py --zip ../shared/data/photos/full_size/train2017.zip

The zip's images are repeated until there are enough. Rates of one run are compared with each other only.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.shards.decode import decode
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

SIZES = (64, 128, 224)
ROUNDS = 3


def repeat_archive(source, folder, count):
    """Writes a zip of `count` images, the source's over and over, all with a bucolic caption."""
    with zipfile.ZipFile(source) as archive:
        data = [archive.read(info) for info in archive.infolist() if info.filename.endswith(".jpg")]
    path = pathlib.Path(folder) / "train2017.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(count):
            archive.writestr(f"train2017/{index:012d}.jpg", data[index % len(data)])
    write_captions(path, count, lambda index: "A cow in the grass.")
    return path, data


def write_captions(path, count, caption):
    images = [{"id": index, "file_name": f"{index:012d}.jpg"} for index in range(count)]
    annotations = [
        {"id": 5 * index + number, "image_id": index, "caption": caption(index)}
        for index in range(count)
        for number in range(5)
    ]
    captions = json.dumps({"images": images, "annotations": annotations})
    path.with_name("captions_train2017.json").write_text(captions)


def coco_sized_archive(folder, count=118_287):
    """Writes a zip with as many members as COCO's, small ones, of which one in forty is bucolic."""
    buffer = io.BytesIO()
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 40).convert("RGB").save(buffer, "JPEG")
    path = pathlib.Path(folder) / "train2017.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(count):
            archive.writestr(f"train2017/{index:012d}.jpg", buffer.getvalue())
    write_captions(
        path, count, lambda index: "A cow in the grass." if index % 40 == 0 else "A red bus in a busy street."
    )
    return path


def _by_pillow(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def _to_largest(data):
    return decode(data, max(SIZES))


def _decode(decoder, data, count):
    start = time.perf_counter()
    for index in range(count):
        decoder(data[index % len(data)])
    return count / (time.perf_counter() - start)


def decode_alone(data, cores, decoder=_by_pillow, count=600):
    """Images a second for decoding to RGB and nothing else, by a process a core: what the machine itself can do."""
    with on_cores(cores), multiprocessing.get_context("spawn").Pool(cores) as pool:
        pool.starmap(_decode, [(decoder, data, 20)] * cores, chunksize=1)
        return sum(pool.starmap(_decode, [(decoder, data, count)] * cores, chunksize=1))


@contextlib.contextmanager
def on_cores(cores):
    """Pins this process and those it starts to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _preprocess(zip_path, out, workers, answer):
    from preprocess.coco.build import preprocess_coco
    from preprocess.utils.quiet import import_tensorflow

    import_tensorflow()
    start = time.perf_counter()
    preprocess_coco(zip_path, out, sizes=SIZES, workers=workers)
    answer.put(time.perf_counter() - start)


def _memory(pid):
    """Bytes of a process and its descendants; pages that they share are counted once."""
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += sum(_memory(int(child)) for child in (task / "children").read_text().split())
    return total


def seconds(zip_path, out, workers, cores):
    """Seconds that preprocessing takes, by itself: TensorFlow's import and the watching of memory would weigh on it."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    with on_cores(cores):
        process = context.Process(target=_preprocess, args=(zip_path, out, workers, answer))
        process.start()
    result = answer.get(timeout=3600)
    process.join()
    return result


def peak_memory(zip_path, out, *options):
    """The most bytes that the command and its workers take, looked at 20 times a second."""
    script = pathlib.Path(__file__).parent.parent / "offline_preprocess.py"
    arguments = [sys.executable, str(script), "--zip", str(zip_path), "--out", str(out), "--workers", "2", *options]
    process, peak = subprocess.Popen(arguments, stdout=subprocess.DEVNULL), 0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(0.05)
    return peak


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--zip", default="../shared/data/photos/full_size/train2017.zip", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=4000, help="images to process (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        zip_path, data = repeat_archive(arguments.zip, folder, arguments.count)
        # In turns, since a shared machine's speed drifts; the median of the rounds' ratios is what counts.
        rounds = []
        for turn in range(ROUNDS):
            ceiling = decode_alone(data, 1)
            one = arguments.count / seconds(zip_path, folder / f"one-{turn}", workers=1, cores=1)
            two = arguments.count / seconds(zip_path, folder / f"two-{turn}", workers=2, cores=2)
            strict, smaller = decode_alone(data, 1, decode), decode_alone(data, 1, _to_largest)
            rounds.append((ceiling, strict, smaller, one, decode_alone(data, 2), two, decode_alone(data, 1)))
        memory = peak_memory(zip_path, folder / "memory", "--limit", "1500")
    with tempfile.TemporaryDirectory() as folder:
        large_memory = peak_memory(coco_sized_archive(folder), pathlib.Path(folder) / "out")
    before, strict, smaller, one, ceiling_two, two, after = np.array(rounds).T
    ceiling = (before + after) / 2
    print(f"{'':<44} {'images/s':>9} {'ratio':>7}")
    for name, rates, beside in (
        ("decoding alone by Pillow, one core", ceiling, ceiling),
        ("by preprocess.shards.decode, strictly", strict, ceiling),
        ("the same, to 224 px or more", smaller, ceiling),
        ("64, 128 and 224 px written, one core", one, ceiling),
        ("decoding alone on two cores, beside one", ceiling_two, ceiling),
        ("all of it on two cores, beside one", two, one),
    ):
        print(f"{name:<44} {np.median(rates):>9.0f} {np.median(rates / beside):>7.2f}")
    print(
        f"peak memory: {memory / 1e6:.0f} MB; with a directory and captions of COCO's size {large_memory / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    run_command(main, again="run it again")
