"""What happens around an epoch of training: seeds, checkpoints, grids and a bar."""

import pathlib

import keras
import numpy as np

from cvae.averaging import averaged_weights
from cvae.plots import save_curves, save_grid
from cvae.runs import BEST, LAST, best_epoch, save_without_optimizer, write_log
from preprocess.errors import UserError
from preprocess.files import atomic_path


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

    def on_epoch_begin(self, epoch, logs=None):
        self._set((epoch + 1) << 16)

    def on_test_begin(self, logs=None):
        self._set(0)


class RunWriter(keras.callbacks.Callback):
    """After each epoch writes log.csv, loss.png, best.keras if it is the best, and last.keras last of all.

    Args:
        run: the run folder.
        history: the rows of the epochs done before, to which new ones are added.
    """

    def __init__(self, run, history):
        super().__init__()
        self.run, self.history, self.plain = pathlib.Path(run), history, None

    def on_epoch_end(self, epoch, logs=None):
        names = sorted(logs, key=lambda name: (name.startswith("val_"), "loss" not in name, name))
        row = {"epoch": epoch + 1} | {name: float(logs[name]) for name in names}
        if broken := [name for name, value in row.items() if not np.isfinite(value)]:
            raise UserError(f"{broken[0]} is {row[broken[0]]} in epoch {epoch + 1}; try a lower --learning-rate.")
        self.history.append(row)
        write_log(self.run, self.history)
        save_curves(self.run / "loss.png", self.history)
        if best_epoch(self.history) is row:
            with atomic_path(self.run / BEST) as partial, averaged_weights(self.model):
                self.plain = save_without_optimizer(self.model, partial, self.plain)
        with atomic_path(self.run / LAST) as partial:
            self.model.save(partial)


class GridPainter(keras.callbacks.Callback):
    """After each epoch draws the same pictures with the same noise: samples/epoch-0001.png and so on.

    Args:
        run: the run folder.
        draw: gives (rows of pictures, labels), as `cvae.plots.save_grid` takes them, for a model.
    """

    def __init__(self, run, draw):
        super().__init__()
        self.folder, self.draw = pathlib.Path(run) / "samples", draw

    def on_epoch_end(self, epoch, logs=None):
        title = f"epoch {epoch + 1}" + (f", validation loss {logs['val_loss']:.4g}" if "val_loss" in logs else "")
        with averaged_weights(self.model):
            save_grid(self.folder / f"epoch-{epoch + 1:04d}.png", *self.draw(self.model), title)


class ProgressBar(keras.callbacks.Callback):
    """Moves a `tqdm` bar of the whole training on, with the losses of the last epoch."""

    def __init__(self, bar, epochs, steps):
        super().__init__()
        self.bar, self.epochs, self.steps = bar, epochs, steps

    def on_epoch_begin(self, epoch, logs=None):
        self.start = epoch * self.steps
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        # `batch` counts from 0, and by more than 1 where a model runs many steps at once.
        self.bar.update(self.start + batch + 1 - self.bar.n)

    def on_epoch_end(self, epoch, logs=None):
        self.bar.set_postfix({name: f"{logs[name]:.4g}" for name in ("loss", "val_loss") if name in logs})


class CriticInSecondHalf(keras.callbacks.Callback):
    """Has a `cvae.spatial_vae.SpatialVAE` convince its critic in the second half of so many epochs."""

    def __init__(self, epochs):
        super().__init__()
        self.first = epochs // 2

    def on_epoch_begin(self, epoch, logs=None):
        # Once it has begun it stays, however many epochs a resumed training is to have.
        self.model.adversarial = self.model.adversarial or epoch >= self.first
