import itertools
import os
import signal

import pytest

from preprocess.utils.errors import UserError
from preprocess.utils.parallel import ordered_map
from tests.helpers import command


def square(number):
    return number * number


def die(number):
    os._exit(1)


def kill(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)


def fail(number):
    raise ValueError(number)


def held_back(number):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_workers_are_born_without_ctrl_c():
    assert all(ordered_map(held_back, range(4), workers=2, chunk=1)) and not held_back(0)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order_of_the_items(workers):
    assert list(ordered_map(square, range(100), workers, chunk=3)) == [number**2 for number in range(100)]


def test_an_endless_iterable_takes_no_more_memory():
    drawn = itertools.count()
    results = ordered_map(square, drawn, workers=2, chunk=2)
    assert list(itertools.islice(results, 20)) == [number**2 for number in range(20)]
    assert next(drawn) < 60
    results.close()


def test_a_worker_that_ends_is_an_error_not_a_hang_and_says_how_it_ended():
    with pytest.raises(UserError, match="worker process ended with exit code 1; run this again"):
        list(ordered_map(die, range(4), workers=1))
    with pytest.raises(UserError, match="was ended by SIGKILL, as by a system whose memory is full"):
        list(ordered_map(kill, range(9), workers=2, chunk=1))


@pytest.mark.parametrize("how", ["a script", "standard input"])
def test_a_script_needs_no_main_guard(tmp_path, how):
    code = (
        "from preprocess.utils.parallel import ordered_map\n"
        "from tests.preprocess.utils.test_parallel import square\n"
        "print(list(ordered_map(square, range(5), workers=2)))\n"
    )
    (tmp_path / "script.py").write_text(code)
    if how == "a script":
        process = command(tmp_path / "script.py", cwd=tmp_path)
    else:
        process = command("-", cwd=tmp_path, input=code)
    assert process.stdout == "[0, 1, 4, 9, 16]\n", process.stderr


def test_a_workers_exception_reaches_the_caller():
    with pytest.raises(ValueError, match="0"):
        list(ordered_map(fail, range(4), workers=1))
