"""What a pasture scene holds, and the captions a person might give it."""

import dataclasses

import numpy as np

ANIMALS = ("sheep", "cow", "horse")
COATS = ("white", "black", "brown", "spotted")
COUNTS = ("one", "two", "several")
GROUNDS = ("grass", "snow", "straw", "hills")
BACKDROPS = ("open", "mountains", "forest", "fence")
SKIES = ("blue", "grey", "sunset")

ATTRIBUTES = {
    "animal": ANIMALS,
    "coat": COATS,
    "count": COUNTS,
    "ground": GROUNDS,
    "backdrop": BACKDROPS,
    "sky": SKIES,
}

# Never drawn into a data set, so that a gallery can ask for combinations that the model has not seen.
HELD_OUT = frozenset(
    {
        ("sheep", "white", "grass", "blue"),
        ("sheep", "black", "snow", "grey"),
        ("sheep", "brown", "straw", "sunset"),
        ("sheep", "spotted", "hills", "blue"),
        ("cow", "white", "hills", "sunset"),
        ("cow", "black", "straw", "blue"),
        ("cow", "brown", "snow", "blue"),
        ("cow", "spotted", "grass", "grey"),
        ("horse", "white", "snow", "sunset"),
        ("horse", "black", "grass", "sunset"),
        ("horse", "brown", "hills", "grey"),
        ("horse", "spotted", "straw", "grey"),
    }
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """The labels of one pasture scene; every field is one of the values in `ATTRIBUTES`."""

    animal: str
    coat: str
    count: str
    ground: str
    backdrop: str
    sky: str

    @property
    def held_out(self) -> bool:
        return (self.animal, self.coat, self.ground, self.sky) in HELD_OUT


def sample_scene(rng: np.random.Generator, include_held_out: bool = False) -> Scene:
    """Draws a `Scene`, one animal in half of them; combinations in `HELD_OUT` only if asked for."""
    while True:
        values = {name: _pick(rng, values) for name, values in ATTRIBUTES.items()}
        values["count"] = _pick(rng, ("one", *COUNTS))
        scene = Scene(**values)
        if include_held_out or not scene.held_out:
            return scene


PLURALS = {"sheep": "sheep", "cow": "cows", "horse": "horses"}
COAT_WORDS = {
    "white": ("white",),
    "black": ("black",),
    "brown": ("brown",),
    "spotted": ("spotted", "patchy", "speckled"),
}
GROUND_PHRASES = {
    "grass": ("on green grass", "in a grassy meadow", "in a grass field"),
    "snow": ("in the snow", "on snowy ground", "in a snow covered field"),
    "straw": ("on dry straw", "in a field of yellow straw", "on straw"),
    "hills": ("on rolling hills", "on green hills", "on a hilly pasture"),
}
BACKDROP_PHRASES = {
    "open": ("", "in open country", "with nothing behind"),
    "mountains": ("in front of mountains", "with mountains behind", "before a mountain range"),
    "forest": ("in front of a forest", "with a forest behind", "at the edge of the forest"),
    "fence": ("in front of a fence", "by a wooden fence", "behind them a fence"),
}
SKY_PHRASES = {
    "blue": ("under a blue sky", "under blue sky", "on a clear sunny day"),
    "grey": ("under a grey sky", "on a grey cloudy day", "under grey clouds"),
    "sunset": ("at sunset", "under a red sunset sky", "in the evening sun"),
}
VERBS = ("standing", "grazing", "resting", "")


def _pick(rng, options):
    return options[rng.integers(len(options))]


def _subject(rng, scene, coat=True):
    animal = scene.animal if scene.count == "one" else PLURALS[scene.animal]
    number = {
        "one": ("a", "one"),
        "two": ("two", "a pair of"),
        "several": ("several", "a group of", "many"),
    }[scene.count]
    words = [_pick(rng, number)]
    if coat:
        words.append(_pick(rng, COAT_WORDS[scene.coat]))
    return " ".join([*words, animal])


def _sentence(*parts):
    text = " ".join(part for part in parts if part)
    return text[0].upper() + text[1:] + "."


def complete_caption(rng: np.random.Generator, scene: Scene) -> str:
    """A caption that names every attribute of the scene, in one of several orders and wordings."""
    subject, verb = _subject(rng, scene), _pick(rng, VERBS)
    ground, sky = _pick(rng, GROUND_PHRASES[scene.ground]), _pick(rng, SKY_PHRASES[scene.sky])
    backdrop = _pick(rng, BACKDROP_PHRASES[scene.backdrop])
    orders = (
        (subject, verb, ground, backdrop, sky),
        (subject, verb, ground, sky, backdrop),
        (sky, subject, verb, ground, backdrop),
        (subject, sky, verb, ground, backdrop),
    )
    return _sentence(*_pick(rng, orders))


def captions(rng: np.random.Generator, scene: Scene) -> list[str]:
    """Five captions in COCO's manner: two that name everything, three that leave something out."""
    ground, sky = _pick(rng, GROUND_PHRASES[scene.ground]), _pick(rng, SKY_PHRASES[scene.sky])
    backdrop = _pick(rng, BACKDROP_PHRASES[scene.backdrop])
    return [
        complete_caption(rng, scene),
        complete_caption(rng, scene),
        _sentence(_subject(rng, scene), _pick(rng, VERBS), ground, sky),
        _sentence(_subject(rng, scene), ground, backdrop),
        _sentence(_subject(rng, scene, coat=False), _pick(rng, VERBS), ground, sky),
    ]


OTHER_CAPTIONS = {
    "kitchen": (
        "A kitchen with wooden cabinets and a stove.",
        "A clean kitchen with a refrigerator and a table.",
        "Pots and bowls on a kitchen counter.",
        "A place to chill, with a cowboy hat on the table.",
        "A small room with a sink, a window and tiles.",
        "An empty kitchen with horseradish in a jar.",
        "A stove top oven sitting inside of a kitchen.",
    ),
    "street": (
        "A city street with cars and tall buildings.",
        "A red car driving down the road.",
        "Traffic lights above a busy street.",
        "Shop fronts with a painter's signature on a wall.",
        "A street corner with a stop light and a bus.",
        "Cars parked in front of an apartment building.",
        "A chilly evening in a town with its lights on.",
    ),
}


def other_captions(rng: np.random.Generator, place: str) -> list[str]:
    """Five captions of a "kitchen" or a "street", none of them bucolic."""
    return [str(text) for text in rng.permutation(np.array(OTHER_CAPTIONS[place]))[:5]]
