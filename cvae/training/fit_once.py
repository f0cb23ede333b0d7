"""What is fitted beside the models, classifiers that judge pictures and priors: under a bar, and once."""

import contextlib
import pathlib
from collections.abc import Callable
from typing import Any

from cvae.keras_files import load_weights
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_keras


def load_or_train(judge: Any, path: pathlib.Path, train: Callable[[], Any]) -> None:
    """Loads a classifier's weights, or trains it and keeps them.

    Args:
        judge: a Keras model.
        path: where its weights are kept; a damaged file is made again.
        train: called without arguments where there is no such file.
    """
    if path.is_file():
        with contextlib.suppress(UserError):
            load_weights(judge, path, "")
            return
    train()
    with atomic_path(path) as partial:
        judge.save_weights(partial)


def fit_under_bar(what: str, model: Any, *data: Any, steps: int, **options: Any) -> None:
    """`model.fit(*data, **options)` under a bar of `steps` steps, "training" `what`."""
    with progress_bar(total=steps, desc=f"training {what}", unit="step") as bar:
        step = import_keras().callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())
        model.fit(*data, **options, verbose=0, callbacks=[step])
