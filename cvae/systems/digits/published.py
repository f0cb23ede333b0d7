"""Reads the published PyTorch weights of the CLIP-VAE, in a process of its own.

PyTorch and TensorFlow do not run together in one process, so `read_state_dict` starts this file as a program that
writes the tensors as NumPy arrays.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from preprocess.embedding.clip_model import import_torch
from preprocess.utils.errors import UserError
from preprocess.utils.load_arrays import read_arrays
from preprocess.utils.types import PathLike

# The networks of a state dict, and their layers in the order in which `cvae.systems.digits.model` makes them.
NETWORKS = {
    "image_encoder": ("stem", "blocks", "to_mu", "to_log_var"),
    "label_encoder": ("net.0", "net.1", "net.2", "to_mu", "to_log_var"),
    "image_decoder": ("stem", "blocks", "out"),
    "label_decoder": ("stem", "net.0", "net.1", "out"),
}


def read_state_dict(path: PathLike) -> dict[str, np.ndarray]:
    """Reads a PyTorch file of tensors by name, without unpickling anything else.

    Returns:
        {name: float32 array}.

    Raises:
        UserError: the file is not there or is none.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path} not found; name the file of the published weights.")
    with tempfile.TemporaryDirectory() as folder:
        arrays = pathlib.Path(folder) / "arrays.npz"
        root = pathlib.Path(__file__).parents[3]
        command = [sys.executable, "-m", "cvae.systems.digits.published", str(path.resolve()), str(arrays)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:150]
            raise UserError(f"{path} is no PyTorch file of weights ({reason}).")
        return read_arrays(arrays, {}, f"name another file than {path}")


def architecture_of(state: dict[str, np.ndarray], path: PathLike) -> dict[str, Any]:
    """The arguments of `cvae.systems.digits.model.ClipVAE` that a state dict fits.

    Raises:
        UserError: it lacks tensors, or they are shaped otherwise than a CLIP-VAE's on 28 px images and ten labels.
    """
    try:
        width, pixels = state["image_encoder.stem.weight"].shape
        latent_dim = state["image_encoder.to_mu.weight"].shape[0]
        labels = state["label_encoder.net.0.weight"].shape[0]
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path} holds other weights than a CLIP-VAE's ({error}).") from None
    if (pixels, labels) != (784, 10):
        raise UserError(f"{path} is for {pixels} pixels and {labels} labels; a CLIP-VAE here takes 784 and 10.")
    numbers, others = (
        {int(found[1]) for name in state if (found := re.match(rf"{network}\.blocks\.(\d+)\.", name))}
        for network in ("image_encoder", "image_decoder")
    )
    if numbers != others:
        raise UserError(f"{path} has {len(numbers)} blocks in one perceptron and {len(others)} in the other.")
    shared = all(
        np.array_equal(array, state.get(re.sub(r"blocks\.\d+", "blocks.0", name), array))
        for name, array in state.items()
    )
    return {"latent_dim": latent_dim, "width": width, "depth": len(numbers), "share_blocks": shared}


def arrays_for(network: str, state: dict[str, np.ndarray], blocks: int, path: PathLike) -> list[np.ndarray]:
    """The weights of one of `NETWORKS`, in Keras' order and layout: a list of arrays for `set_weights`.

    Args:
        network: a key of `NETWORKS`. state: the state dict. blocks: how many blocks of its own it has.
        path: the file's, for messages.

    Raises:
        UserError: a tensor is missing.
    """
    names = []
    for name in NETWORKS[network]:
        if name == "blocks":
            names += [f"blocks.{index}.{part}" for index in range(blocks) for part in (0, 1)]
        else:
            names.append(name)
    arrays = []
    try:
        for name in names:
            weight = state[f"{network}.{name}.weight"]
            # PyTorch keeps a dense layer's weight as (outputs, inputs); an embedding's is (words, units) in both.
            embedding = name == "net.0" and weight.ndim == 2
            arrays.append(weight if weight.ndim == 1 or embedding else weight.T)
            if not embedding:
                arrays.append(state[f"{network}.{name}.bias"])
    except KeyError as error:
        raise UserError(f"{path} lacks {error}; it holds other weights than a CLIP-VAE's.") from None
    return arrays


def _write_arrays(path, out):
    torch = import_torch()
    state = torch.load(path, map_location="cpu", weights_only=True)
    np.savez(out, **{name: tensor.float().numpy() for name, tensor in state.items()})


if __name__ == "__main__":
    _write_arrays(*sys.argv[1:])
