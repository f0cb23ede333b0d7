import itertools
import os

import pytest

from preprocess.utils.errors import UserError
from preprocess.utils.parallel import ordered_map


def square(number):
    return number * number


def die(number):
    os._exit(1)


def fail(number):
    raise ValueError(number)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order_of_the_items(workers):
    assert list(ordered_map(square, range(100), workers, chunk=3)) == [number**2 for number in range(100)]


def test_an_endless_iterable_takes_no_more_memory():
    drawn = itertools.count()
    results = ordered_map(square, drawn, workers=2, chunk=2)
    assert list(itertools.islice(results, 20)) == [number**2 for number in range(20)]
    assert next(drawn) < 60
    results.close()


def test_a_worker_that_is_killed_is_an_error_not_a_hang():
    with pytest.raises(UserError, match="worker process was killed"):
        list(ordered_map(die, range(4), workers=1))


def test_a_workers_exception_reaches_the_caller():
    with pytest.raises(ValueError, match="0"):
        list(ordered_map(fail, range(4), workers=1))
