"""The project's prompts, and prompts turned into embeddings."""

import numpy as np

from cvae.runs import Run
from preprocess.utils.errors import UserError

# Drawn for the README and for the comparison of variants.
PROMPTS = (
    "Cow in grass with blue sky",
    "White sheep on a mountain under blue sky",
    "Cows playing in the snow",
    "a horse running on green grass",
    "a dog running through the snow",
    "sunset over mountains",
    "a forest in autumn",
    "farm",
)


def check_prompts(prompts: list[str] | tuple[str, ...]) -> None:
    """Raises a UserError for an empty prompt."""
    if not prompts or not all(isinstance(prompt, str) and prompt.strip() for prompt in prompts):
        raise UserError("a prompt is empty; write what the picture should show.")


def condition_prompts(run: Run, prompts: list[str], clip: str | None = None) -> np.ndarray:
    """Embeds prompts with the encoder that embedded a run's data.

    Args:
        run: the run. prompts: texts. clip: the encoder, if it has moved.

    Returns:
        float32 (n, d), L2-normalised.

    Raises:
        UserError: an empty prompt, or see `preprocess.embedding.encoders.EncoderRecord.open`.
    """
    check_prompts(prompts)
    with run.encoder.open(clip) as encoder:
        return encoder.encode_texts(list(prompts))
