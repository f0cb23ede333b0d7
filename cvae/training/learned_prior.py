"""What the learned latent prior of a CVAE and the embedding prior of a flow share: a small flow, learned once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from cvae.keras_files import load_keras, save_without_optimizer
from cvae.runs import Run
from cvae.training.fit_once import fit_under_bar
from preprocess.shards.info import DataInfo
from preprocess.utils.datasets import streamed
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path
from preprocess.utils.quiet import import_keras

STEPS, BATCH_SIZE, LEARNING_RATE = 3000, 128, 1e-3

# Rows chosen by their numbers: (vectors, conditions).
DrawRows = Callable[[np.random.Generator, np.ndarray], tuple[np.ndarray, np.ndarray]]


def prior_data(run: Run) -> DataInfo:
    """The data that a run's prior is learned from.

    Raises:
        UserError: they are gone, or were embedded by another encoder since.
    """
    info = run.data_info("its prior is learned from them: put them back, or leave --prior out")
    if info.encoder.clip != run.encoder.clip:
        raise UserError(f"{info.folder} was embedded by another encoder since {run} was trained; train it again.")
    return info


def load_or_learn(run: Run, of: str, learn: Callable[[], Any]) -> Any:
    """A run's `cvae.nn.rectified_flow.RectifiedFlow` of latents or embeddings, learned once and kept.

    Args:
        run: the run, whose folder keeps it as prior-OF.keras. of: what it is of, such as a hash of the model.
        learn: called without arguments where there is none yet.
    """
    path = run.output / f"prior-{of}.keras"
    try:
        return load_keras(path)
    except UserError:  # not there, or damaged
        flow = learn()
    with atomic_path(path) as partial:
        save_without_optimizer(flow, partial)
    for outdated in set(run.output.glob("prior-*.keras")) - {path}:
        outdated.unlink()
    return load_keras(path)


def learn_flow(draw: DrawRows, count: int, network: Mapping[str, Any]) -> Any:
    """A flow of what `draw(rng, rows)` gives for rows below `count`: (vectors, conditions).

    Args:
        draw: gives float32 (m, size) and (m, c) for m rows. count: rows. network: of `RectifiedFlow`.
    """
    keras = import_keras()
    from cvae.nn.optimizers import Adam
    from cvae.nn.precision import wants_xla
    from cvae.nn.rectified_flow import RectifiedFlow

    keras.utils.set_random_seed(0)
    vectors, conditions = draw(np.random.default_rng(0), np.arange(count))
    flow = RectifiedFlow(vectors.shape[1:], conditions.shape[1], **network)
    flow.adapt(vectors)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)
    flow.compile(Adam(schedule, use_ema=True, ema_momentum=0.99), jit_compile=wants_xla())

    def batches() -> Iterator[Any]:
        rng = np.random.default_rng(1)
        for _ in range(STEPS):
            vectors, conditions = draw(rng, rng.integers(0, count, BATCH_SIZE))
            yield ((np.asarray(vectors, np.float32), conditions),)

    # `fit` leaves the averages in the place of the weights.
    fit_under_bar("the prior", flow, streamed(batches), steps=STEPS, steps_per_epoch=STEPS, shuffle=False)
    return flow
