"""What a training is about: the interface between `cvae.training` and the systems that it trains."""

import abc

from cvae.runs import LAST
from cvae.variants import find_variant


class Task(abc.ABC):
    """A variant, its data and settings.

    Attributes:
        variant_name, variant: the key and the entry of `cvae.variants.VARIANTS`.
        settings: a `cvae.training.Settings`.
        config: a dict for run.json, with "data" and whatever else tells the data from others.
        count: training examples.
        validates: whether there is a loss on validation images that chooses the best epoch.
    """

    validates = True

    def __init__(self, variant_name, settings):
        self.variant_name, self.variant = variant_name, find_variant(variant_name)
        self.settings = settings

    @property
    def steps(self):
        """Steps an epoch."""
        return self.count // self.settings.batch_size

    def check_fits(self, run, config):  # noqa: B027
        """Raises a UserError that says more than "other data" where a run of `config` cannot go on with these."""

    @abc.abstractmethod
    def has_data_of(self, config):
        """Whether the run of a run.json was trained on the same data."""

    @abc.abstractmethod
    def check_data(self):
        """Raises a UserError for faults in the data, before anything is written or removed; prints notes."""

    def has_begun(self, run):
        """Whether a run folder holds finished epochs, of any variant's and any stage's."""
        return any(run.rglob(LAST))

    def train_earlier_stages(self, run):  # noqa: B027
        """Does the work of stages before this training, each under a bar of its own; what is done stays."""

    def prepare(self, run):  # noqa: B027
        """Does what must be done before the model is there."""

    @abc.abstractmethod
    def build(self):
        """Builds and compiles the model."""

    @abc.abstractmethod
    def dataset(self, split, first_epoch=0):
        """A `tf.data.Dataset` for `fit`: of "train", endless, from an epoch on; of "val", once."""

    def finish(self, run):  # noqa: B027
        """Does what is left when all epochs are done; a second time, nothing."""

    def callbacks(self, run):
        """Further callbacks, such as those that draw pictures into the run folder after each epoch."""
        return []
