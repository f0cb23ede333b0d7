"""Encoders in a process of their own, and what data sets and runs keep of them."""

import contextlib
import dataclasses
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from preprocess.embedding.encoders import absolute_spec, describe_encoder, load_encoder
from preprocess.embedding.patches import reduce_patches
from preprocess.embedding.trust import check_known, remember
from preprocess.utils.command import INTERRUPTED, describe_exit
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import STANDARD_ERROR


class EncoderProcess:
    """An encoder in a process of its own; a context manager.

    PyTorch there and TensorFlow here then share neither the GPU nor an address space, in which their copies of LLVM
    can clash. A plain child process and not `multiprocessing`, which would run the caller's script a second time.

    Args:
        spec: see `load_encoder`.

    Attributes:
        spec: as given, from any working folder.
        name, embedding_dim, image_size, precision: the encoder's.
        weights_sha256: the hash of the weights file, or of the class's source file.
        patches: whether it can say something of an image's parts too.

    Raises:
        UserError: see `load_encoder`; or the process ended, perhaps because memory ran out.
    """

    def __init__(self, spec: str, precision: str | None = None) -> None:
        self.spec = absolute_spec(spec)
        # Where this script, or the working folder, comes first here it comes last there: a preprocess.py or clip.py in
        # it would stand in for this project's, or for OpenAI's.
        root, (first, *others) = str(pathlib.Path(__file__).resolve().parents[2]), sys.path
        places = os.pathsep.join([root, *filter(None, others), first or os.getcwd()])
        # JAX would take three quarters of a GPU's memory for it alone.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | os.environ | {"PYTHONPATH": places}
        self.name, self.embedding_dim, self.image_size, self.precision, self.weights_sha256 = "", 0, 0, "", ""
        self.patches = False
        # An answer belongs to its request, whichever thread asks.
        self._lock = threading.Lock()
        self._process: Any = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "preprocess.embedding.process",
                self.spec,
                *([precision] if precision else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Not this process's own, which may be turned off while TensorFlow is imported.
            stderr=STANDARD_ERROR,
            env=environment,
        )
        try:
            vars(self).update(self._receive())
        except BaseException as error:
            self.__exit__(type(error))
            raise
        remember(self.spec)

    def _receive(self):
        try:
            answer = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            # It may wait for a request: what came was not its answer.
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            code = self._process.wait()
            if code in (INTERRUPTED, -signal.SIGINT):
                # Ctrl-C goes to both, and here a library may have swallowed it.
                raise KeyboardInterrupt from None
            end = describe_exit(code)
            raise UserError(f"the process of the encoder {self.spec} {end}; what it said stands above.") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _call(self, method, *arguments):
        with self._lock:
            with contextlib.suppress(BrokenPipeError):  # `_receive` says what ended the process
                pickle.dump((method, arguments), self._process.stdin)
                self._process.stdin.flush()
            return self._receive()

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def set_precision(self, precision: str) -> None:
        self.precision = precision
        self._call("set_precision", precision)

    def encode_images(self, images: Sequence[Any]) -> np.ndarray:
        return self._checked(self._call("encode_images", images), len(images))

    def encode_images_and_patches(self, images: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Images' embeddings, and what an encoder with `patches` says of their squares, float16 (n, 8, 8, 64).

        See `reduce_patches`.
        """
        embeddings, found = self._call("encode_images_and_patches", images)
        embeddings, found = self._checked(embeddings, len(images)), np.asarray(found)
        if found.ndim != 4 or len(found) != len(images) or not np.isfinite(found).all():
            raise UserError(
                f"{self.spec} gave patches of shape {found.shape} for {len(images)} images; encode_patches gives "
                "finite numbers of shape (n, h, w, d)."
            )
        return embeddings, reduce_patches(found)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._checked(self._call("encode_texts", texts), len(texts))

    def _checked(self, embeddings, count):
        """What an encoder gives as float32 (count, embedding_dim) of unit length; a UserError if it is not."""
        if embeddings.shape != (count, self.embedding_dim) or not np.isfinite(embeddings).all():
            raise UserError(
                f"{self.spec} gave an array of shape {embeddings.shape} for {count} inputs; "
                f"an encoder gives finite numbers of shape ({count}, {self.embedding_dim})."
            )
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        if not lengths.all():
            raise UserError(
                f"{self.spec} gave only zeros for input {int(np.argmin(lengths)) + 1} of {count}, which has no "
                "direction; have it return at least one other number."
            )
        return embeddings / lengths

    def __enter__(self):
        return self

    def __exit__(self, kind: Any = None, *exception: Any) -> None:
        if kind:
            # It may be loading, or busy with images, for a minute: nobody waits for its answers.
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@dataclasses.dataclass(frozen=True)
class EncoderRecord:
    """What a data set's manifest, or a run, keeps of the encoder that made its embeddings.

    Attributes:
        clip: {"name", "embedding_dim", "image_size", "normalization", "weights_sha256"}.
        spec: what loads the encoder, see `load_encoder`.
        precision: of its arithmetic when it embedded the data.
    """

    clip: dict
    spec: str
    precision: str

    @contextlib.contextmanager
    def open(self, spec: str | None = None) -> Iterator["EncoderProcess"]:
        """Starts that encoder in a process of its own; a context manager.

        Args:
            spec: what loads it, if it has moved since.

        Yields:
            An `EncoderProcess`.

        Raises:
            UserError: the encoder is not there, is another one, or is a program that the user never named: what was
                made by somebody else may name any.
        """
        if not spec:
            check_known(self.spec)
        spec, name = spec or self.spec, self.clip["name"]
        path = pathlib.Path(str(spec).split(":")[0])
        if path.is_absolute() and not path.exists():
            raise UserError(f"{path} is not there; give --clip the {name} that embedded the model's data.")
        with EncoderProcess(spec, self.precision) as encoder:
            if encoder.embedding_dim != self.clip["embedding_dim"]:
                raise UserError(
                    f"{spec} gives embeddings of {encoder.embedding_dim} numbers, the model's data have "
                    f"{self.clip['embedding_dim']}; give --clip the {name} that embedded its data."
                )
            if encoder.weights_sha256 != self.clip["weights_sha256"]:
                raise UserError(
                    f"{spec} is not the {name} that embedded the model's data: the hash of its weights, or of its "
                    "class's file, is another; give --clip the one that did."
                )
            encoder.set_precision(self.precision)
            yield encoder


def _handed_on(error, spec):
    """An exception as the other process takes it: from an encoder's own code, a sentence that says where."""
    if type(error) is UserError:
        return error
    if ":" not in spec:  # OpenAI's CLIP, by this project's code
        return error if type(error) is ValueError else RuntimeError("".join(traceback.format_exception(error)))
    frames = traceback.extract_tb(error.__traceback__)
    libraries = sys.prefix, sys.base_prefix
    place = [frame for frame in frames if frame.filename != __file__ and not frame.filename.startswith(libraries)]
    where = (place or frames)[-1]
    reason = f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
    line = f"{pathlib.Path(where.filename).name}, line {where.lineno}"
    return UserError(f"the encoder {spec} failed with {reason} ({line}); fix it, or give another --clip.")


def _serve(spec, precision=None):
    """Answers an `EncoderProcess`: requests come by standard input and answers go by standard output, pickled."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the encoder prints must not come between
    warnings.showwarning = lambda message, *place, **more: print(f"note: {message}", file=sys.stderr)

    def answer(function, *arguments):
        try:
            result = function(*arguments)
        except Exception as error:
            result = _handed_on(error, spec)
        pickle.dump(result, answers)
        answers.flush()
        return result

    encoder: Any = None

    def start():
        nonlocal encoder
        encoder = load_encoder(spec, precision)
        return describe_encoder(encoder)

    def call(method, arguments):
        if method == "set_precision":
            if hasattr(encoder, "precision"):
                encoder.precision = arguments[0]
            return None
        if method == "encode_images_and_patches" and not hasattr(encoder, method):
            return np.asarray(encoder.encode_images(*arguments), np.float32), encoder.encode_patches(*arguments)
        found = getattr(encoder, method)(*arguments)
        return found if isinstance(found, tuple) else np.asarray(found, np.float32)

    answer(start)
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer(call, *request)


if __name__ == "__main__":
    ended = 0
    try:
        with contextlib.suppress(BrokenPipeError):
            _serve(*sys.argv[1:])
    except KeyboardInterrupt:
        ended = INTERRUPTED
    # Without tearing PyTorch down, which takes a third of a second.
    os._exit(ended)
