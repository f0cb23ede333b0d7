"""The options of trainings that several systems have, as data for their `__init__.py`."""

from typing import Any

from cvae.registry import Option

# Of every flow's variant, see `cvae.registry.Variant`.
FLOW_DEFAULTS: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "decay": True,
    "least_steps": 3000,
}

AUTOENCODER = Option(
    "autoencoder",
    "of a flow, whose latents it learns: `shipped` (default), `train` for one of its own, which is trained first, or "
    "the run folder of one",
    metavar="WHICH",
)
INIT = Option(
    "init",
    "of a flow, the run whose weights it begins with where they fit, such as photographs-64, whatever it is "
    "conditioned on (default: none); of a "
    "sharp-autoencoder, the autoencoder whose decoder it trains on (default: the one that comes along)",
    metavar="RUN",
)
