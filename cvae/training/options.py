"""The options of trainings that several systems have, as data for their `__init__.py`."""

from cvae.registry import Option

AUTOENCODER = Option(
    "autoencoder",
    "of a flow, whose latents it learns: `shipped` (default), `train` for one of its own, which is trained first, or "
    "the run folder of one",
    metavar="WHICH",
)
INIT = Option(
    "init",
    "of a flow, the run whose weights it begins with where they fit, such as photographs-64 (default: none)",
    metavar="RUN",
)
