"""The options of drawing that several systems have, as data for their `__init__.py`."""

from cvae.registry import Option

MANY = 1000
BEST_OF = Option(
    "best_of",
    "draw N pictures of each prompt and keep the --count that CLIP finds closest to it",
    type=int,
    least=1,
    most=MANY,
    metavar="N",
)
CLIP = Option("clip", "the encoder (a file, or file.py:Class), if it has moved since the data were embedded")
GUIDANCE = Option(
    "guidance",
    "guidance scale, 0 to 20: 0 ignores the prompt, 1 follows it as loosely as the training photographs do, larger "
    "values follow it more closely (default: 6; of flows of drawn scenes 3, of faces 1)",
    type=float,
    least=0,
    most=20,
)
STEPS = Option(
    "steps",
    "how many steps lead from noise to a picture; fewer is quicker, more is finer (default: 8)",
    type=int,
    least=1,
    most=MANY,
)
