"""What preprocessing costs beside decoding alone, on one core and on two, and its peak memory.

    python benchmarks/offline.py --zip ../shared/data/photos/full_size/train2017.zip

The zip's images are repeated until there are enough. Rates of one run are compared with each other only.
"""

import argparse
import contextlib
import functools
import io
import json
import multiprocessing
import os
import pathlib
import sys
import tempfile
import threading
import time
import zipfile

from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

SIZES = (64, 128, 224)


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


def decode_alone(data, count):
    """Seconds an image for decoding to RGB and nothing else."""
    start = time.perf_counter()
    for index in range(count):
        Image.open(io.BytesIO(data[index % len(data)])).convert("RGB")
    return (time.perf_counter() - start) / count


@contextlib.contextmanager
def on_cores(cores):
    """Pins this process and those it starts to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _preprocess(zip_path, out, workers, seconds):
    from preprocess.coco import preprocess_coco
    from preprocess.quiet import import_tensorflow

    import_tensorflow()
    start = time.perf_counter()
    preprocess_coco(zip_path, out, sizes=SIZES, workers=workers)
    seconds.put(time.perf_counter() - start)


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


def measure(zip_path, out, workers, cores):
    """Preprocesses in a process of its own. Returns (seconds, peak bytes of it and its workers)."""
    context = multiprocessing.get_context("spawn")
    seconds = context.Queue()
    with on_cores(cores):
        process = context.Process(target=_preprocess, args=(zip_path, out, workers, seconds))
        process.start()
    peak, stop = [0], threading.Event()

    def watch():
        while not stop.wait(0.05):
            peak[0] = max(peak[0], _memory(process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    result = seconds.get(timeout=3600)
    process.join()
    stop.set()
    thread.join()
    return result, peak[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--zip", default="../shared/data/photos/full_size/train2017.zip", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=2000, help="images to process (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        zip_path, data = repeat_archive(arguments.zip, folder, arguments.count)
        run = functools.partial(measure, zip_path)
        with on_cores(1):
            ceiling = 1 / decode_alone(data, 400)
        one_seconds, one_memory = run(pathlib.Path(folder) / "one", workers=1, cores=1)
        two_seconds, two_memory = run(pathlib.Path(folder) / "two", workers=2, cores=2)
        one, two = arguments.count / one_seconds, arguments.count / two_seconds
        print(f"{'':<44} {'images/s':>9} {'ratio':>7} {'peak memory':>12}")
        print(f"{'decoding alone, one core':<44} {ceiling:>9.0f} {1:>7.2f}")
        print(
            f"{'64, 128, 224 px written, one core':<44} {one:>9.0f} {one / ceiling:>7.2f} {one_memory / 1e6:>9.0f} MB"
        )
        print(f"{'the same on two cores, beside one':<44} {two:>9.0f} {two / one:>7.2f} {two_memory / 1e6:>9.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        zip_path = coco_sized_archive(folder)
        _, memory = measure(zip_path, pathlib.Path(folder) / "out", workers=2, cores=2)
        print(f"{'118,287 members and 591,435 captions, two cores':<61} {memory / 1e6:>9.0f} MB")


if __name__ == "__main__":
    main()
