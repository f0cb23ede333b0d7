import signal
import threading

import pytest

from cvae.training.callbacks import Interrupt
from preprocess.utils.command import Ended


def test_an_interruption_that_was_swallowed_ends_the_training_at_the_next_batch():
    interrupt, before = Interrupt(), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupt.watched():
            interrupt.on_train_batch_end(0)
            # As Keras does on JAX.
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                interrupt.on_train_batch_end(1)
            with pytest.raises(KeyboardInterrupt):
                interrupt.on_test_batch_end(0)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_schedulers_signal_that_was_swallowed_counts_too():
    def end(number, frame):
        raise Ended("SIGTERM")

    interrupt, before = Interrupt(), signal.signal(signal.SIGTERM, end)
    try:
        with interrupt.watched():
            with pytest.raises(Ended):
                signal.raise_signal(signal.SIGTERM)
            with pytest.raises(Ended, match="SIGTERM"):
                interrupt.on_train_batch_end(1)
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_thread_that_cannot_have_signals_trains_without():
    failed = []

    def watch():
        try:
            with Interrupt().watched():
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert not failed
