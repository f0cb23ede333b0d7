"""What a training is about: the interface between `cvae.training.loop` and the systems that it trains."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from cvae.registry import check_train_options, find_variant, split_options
from cvae.runs import Run
from cvae.training.settings import settings_for


class Task(abc.ABC):
    """A variant, its data and settings.

    Args:
        variant_name: a variant. data: what it is trained on, None for the variant's own folder. given: {name: value} of
            `cvae.training.settings.Settings`, in place of the variant's own, and of its `train_options`.

    Attributes:
        variant_name, variant: as given, and its entry in the registry.
        settings: a `cvae.training.settings.Settings`.
        config: a dict for run.json, with "data" and whatever else identifies the data.
        count: training examples.
        given: the names of the settings that were given, and are not the variant's own.
        options: {name: value} of the variant's `train_options` that were given.
        devices: how many of the machine's devices share each batch, or "all".
        share: (k, n) for the k-th of n hosts that share each batch, from 0.
        shares_batches: whether the loss is a mean over examples and what layers keep is of whole batches, so that
            TensorFlow's replicas can have a part of each batch; see `cvae.nn.replicas`.
        validates: whether there is a loss on validation images that chooses the best epoch.

    Raises:
        UserError: no such variant, unusable data, or a setting that cannot be.
    """

    validates: Any = True
    shares_batches: Any = False
    devices = "all"
    share = (0, 1)
    # Of the grid after each epoch, for models that draw from prompts.
    prompts: Sequence[str] | None = None

    def __init__(self, variant_name: str, data: str | pathlib.Path | None, given: Mapping[str, Any]) -> None:
        self.variant_name = variant_name
        # Of the system's own class, which knows more than all variants do.
        self.variant: Any = find_variant(variant_name)
        given, self.options = split_options(given)
        check_train_options(variant_name, self.options)
        self.given = sorted(name for name, value in given.items() if value is not None)
        self.count, self.config = self.open_data(data)
        self.settings = settings_for(self.variant, given, self.count)

    @abc.abstractmethod
    def open_data(self, data: str | pathlib.Path | None) -> tuple[int, dict[str, Any]]:
        """Opens the data: (training examples, what run.json keeps of them)."""

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return self.count // self.settings.batch_size

    @property
    def run_config(self) -> dict[str, Any]:
        """What run.json holds of a training that begins."""
        asked = {"settings": dataclasses.asdict(self.settings), "given": self.given, "options": self.options}
        return {"variant": self.variant_name, **asked, **self.config}

    def check_options(self) -> None:  # noqa: B027
        """Raises a UserError for options that a training cannot begin with."""

    def check_fits(self, run: Run) -> None:  # noqa: B027
        """Raises a UserError that says more than "other data" where a run cannot go on with these."""

    @abc.abstractmethod
    def has_data_of(self, run: Run) -> bool:
        """Whether a run was trained on the same data."""

    @abc.abstractmethod
    def check_data(self) -> None:
        """Raises a UserError for faults in the data, before anything is written or removed; prints notes."""

    def train_earlier_stages(self, run: Run) -> None:  # noqa: B027
        """Does the work of stages before this training, each under a bar of its own; what is done stays."""

    def prepare(self, run: Run) -> None:  # noqa: B027
        """Does what must be done before the model is there."""

    @abc.abstractmethod
    def build(self) -> Any:
        """Builds and compiles the model, a `keras.Model`.

        It has `seed_generators`, a list of its `keras.random.SeedGenerator`s in a fixed order. Compiled with
        `cvae.nn.optimizers.Adam` it logs the norm of its gradients; with another optimiser it trains without that.
        """

    @abc.abstractmethod
    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        """An `untuned` `tf.data.Dataset` for `fit`: of "train", endless, from an epoch on; of "val", once.

        Of several hosts' batches of training it may give the whole ones or this host's `share`.
        """

    def finish(self, run: Run) -> None:  # noqa: B027
        """Does what is left when all epochs are done; a second time, nothing."""

    def callbacks(self, run: Run) -> list[Any]:
        """Further callbacks, such as those that draw pictures into the run folder after each epoch."""
        return []
