"""The page under load: how long people wait for their pictures when several ask at once.

    cvae app --preset photographs-64 --quiet &
    python benchmarks/app.py --address http://127.0.0.1:7860 --people 1 20

Each asks once for four pictures by Gradio's client, all at the same moment; the page draws for one after another.
"""

import argparse
import pathlib
import sys
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

PROMPTS = ("a brown cow in a meadow", "white sheep in the snow", "a horse on a beach", "mountains under a blue sky")


def ask(address, number, begin, waits):
    from gradio_client import Client

    client = Client(address, verbose=False)
    begin.wait()
    started = time.perf_counter()
    prompt = PROMPTS[number % len(PROMPTS)]
    shown, *_ = client.predict("photographs-64", prompt, 4, 6.0, 8, 0, number, api_name="/draw_all")
    waits[number] = time.perf_counter() - started
    if len(shown) != 4:
        raise SystemExit(f"error: {number} got {len(shown)} pictures.")


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--address", default="http://127.0.0.1:7860", help="of the page (default: %(default)s)")
    parser.add_argument("--people", type=int, nargs="+", default=[1, 20], help="at once (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"{'at once':>8}{'got theirs':>12}{'first, s':>10}{'half, s':>10}{'last, s':>10}{'a picture, s':>14}")
    for people in arguments.people:
        begin, waits = threading.Event(), {}
        threads = [threading.Thread(target=ask, args=(arguments.address, n, begin, waits)) for n in range(people)]
        for thread in threads:
            thread.start()
        # Clients read what the page offers first.
        time.sleep(2 + 0.5 * people)
        begin.set()
        for thread in threads:
            thread.join()
        times = np.sort([*waits.values()])
        cells = (times[0], np.median(times), times[-1], times[-1] / (4 * people))
        print(
            f"{people:>8}{len(times):>12}"
            + "".join(f"{cell:>{width}.2f}" for cell, width in zip(cells, (10, 10, 10, 14)))
        )


if __name__ == "__main__":
    run_command(main, again="run it again")
