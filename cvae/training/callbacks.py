"""What happens around an epoch of training: seeds, checkpoints, grids and a bar."""

import contextlib
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from cvae.keras_files import BEST, LAST, save_without_optimizer, write_epochs
from cvae.log import CURVES, GAUGES, best_epoch, write_log
from cvae.nn.ema import averaged_weights
from cvae.nn.optimizers import own_optimizer
from cvae.utils.plots import save_curves, save_grid
from preprocess.utils.command import ENDING_SIGNALS
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path
from preprocess.utils.progress import is_terminal


class SeedByEpoch(keras.callbacks.Callback):
    """Sets the model's random numbers from the seed and the epoch.

    A resumed training then draws what an undisturbed one would have drawn, and every validation draws the same noise,
    so that its epochs can be compared. The model names its generators, in a fixed order, as `seed_generators`.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def _set(self, counter):
        for index, generator in enumerate(self.model.seed_generators):
            generator.state.assign(np.array([(self.seed * 1009 + index) % 2**32, counter], generator.state.dtype))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._set((epoch + 1) << 16)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._set(0)


class Gauges(keras.callbacks.Callback):
    """Adds to an epoch's figures how training went.

    gradient_norm, the mean over its steps, and parameter_norm, at its end, of what the optimiser trains;
    images_per_second of training; seconds, validation included; and peak_memory_mb of the GPU, or else of the process.

    Args:
        images: images an epoch.
    """

    def __init__(self, images):
        super().__init__()
        self.images = images

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.begun, self.trained = time.perf_counter(), 0.0
        # Another optimiser than `cvae.nn.optimizers.Adam` does not measure it.
        if hasattr(optimizer := own_optimizer(self.model), "reset_gradient_norm"):
            optimizer.reset_gradient_norm()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        now, optimizer = time.perf_counter(), own_optimizer(self.model)
        weights = [np.asarray(weight, np.float32) for weight in optimizer._trainable_variables]
        if hasattr(optimizer, "mean_gradient_norm"):
            logs["gradient_norm"] = optimizer.mean_gradient_norm()
        logs["parameter_norm"] = float(np.sqrt(sum(np.vdot(weight, weight) for weight in weights)))
        logs["seconds"] = now - self.begun
        logs["images_per_second"] = self.images / ((self.trained or now) - self.begun)
        if memory := peak_memory():
            logs["peak_memory_mb"] = memory


def peak_memory() -> float | None:
    """The peak memory in MB of the first GPU, or else of this process; None where it cannot be read."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform != "cpu":
            return (device.memory_stats() or {}).get("peak_bytes_in_use", 0) / 1e6
    else:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    # In kB, on macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


class RunWriter(keras.callbacks.Callback):
    """After each epoch writes loss.png, log.csv, best.keras if it is the best, and last.keras last of all.

    Args:
        run: the run folder.
        history: the rows of the epochs done before, to which new ones are added.
    """

    def __init__(self, run, history):
        super().__init__()
        self.run, self.history, self.plain = pathlib.Path(run), history, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        names = sorted(logs, key=lambda name: (name.startswith("val_"), "loss" not in name, name))
        row = {"epoch": epoch + 1} | {name: float(logs[name]) for name in names}
        if broken := [name for name, value in row.items() if not np.isfinite(value)]:
            raise UserError(f"{broken[0]} is {row[broken[0]]} in epoch {epoch + 1}; try a lower --learning-rate.")
        self.history.append(row)
        losses = [{name: row[name] for name in row if name not in GAUGES} for row in self.history]
        save_curves(self.run / CURVES, losses)
        # Written first and named last, so that a kill hardly ever comes between the files.
        with atomic_path(self.run / LAST) as last:
            self.model.save(last)
            write_epochs(last, len(self.history))
            write_log(self.run, self.history)
            if best_epoch(self.history) is row:
                with atomic_path(self.run / BEST) as best, averaged_weights(self.model):
                    self.plain = save_without_optimizer(self.model, best, self.plain)


class Interrupt(keras.callbacks.Callback):
    """Ends a training at a signal that Keras swallows: on JAX a training waits in a bare `except` for each step."""

    def __init__(self):
        super().__init__()
        self.caught: KeyboardInterrupt | None = None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Notes what a signal's handler raises meanwhile; in the main thread, which alone can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [getattr(signal, name) for name in ("SIGINT", *ENDING_SIGNALS) if hasattr(signal, name)]
        handlers = {number: signal.getsignal(number) for number in numbers}
        before = {number: handler for number, handler in handlers.items() if callable(handler)}

        def note(number, frame):
            try:
                before[number](number, frame)
            except KeyboardInterrupt as interruption:
                self.caught = interruption
                raise

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.caught:
            raise self.caught

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_train_batch_end(batch)


class GridPainter(keras.callbacks.Callback):
    """After each epoch draws the same pictures with the same noise: samples/epoch-0001.png and so on.

    Args:
        run: the run folder.
        draw: gives (rows of pictures, labels), as `cvae.utils.plots.save_grid` takes them, for a model.
    """

    def __init__(self, run, draw):
        super().__init__()
        self.folder, self.draw = pathlib.Path(run) / "samples", draw

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        title = f"epoch {epoch + 1}" + (f", validation loss {logs['val_loss']:.4g}" if "val_loss" in logs else "")
        with averaged_weights(self.model):
            rows, labels = self.draw(self.model)
            save_grid(self.folder / f"epoch-{epoch + 1:04d}.png", rows, labels, title)


class ProgressBar(keras.callbacks.Callback):
    """Moves a `tqdm` bar of the whole training on, with the losses of the last epoch."""

    def __init__(self, bar, epochs, steps):
        super().__init__()
        self.bar, self.epochs, self.steps = bar, epochs, steps

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.start = epoch * self.steps
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=is_terminal())

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # `batch` counts from 0, and by more than 1 where a model runs many steps at once.
        self.bar.update(self.start + batch + 1 - self.bar.n)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.bar.set_postfix({name: f"{logs[name]:.4g}" for name in ("loss", "val_loss") if name in logs}, refresh=True)
