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
