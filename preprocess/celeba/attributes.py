"""CelebA's 40 attributes: their names, sentences from them, and back from a prompt's words (Liu et al. 2015)."""

import dataclasses
import difflib
import re
from typing import Any

import numpy as np

from preprocess.utils.errors import UserError

# In the order of list_attr_celeba.txt.
_NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair "
    "Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup "
    "High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
    "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat "
    "Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
ATTRIBUTES = tuple(_NAMES.split())
HAIR_COLOURS = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "gray"}


@dataclasses.dataclass(frozen=True)
class Wording:
    """How an attribute is said, and by which words it is recognised (a regular expression)."""

    said: str
    words: str


ADJECTIVES = {
    "Attractive": Wording("attractive", r"attractive|beautiful|pretty|handsome|good-looking"),
    "Chubby": Wording("chubby", r"chubby|plump|fat"),
    "Bald": Wording("bald", r"bald"),
}
FEATURES = {
    "Bangs": Wording("bangs", r"bangs|fringe"),
    "Receding_Hairline": Wording("a receding hairline", r"receding (?:hairline|hair)"),
    "Bushy_Eyebrows": Wording("bushy eyebrows", r"(?:bushy|thick) (?:and arched )?(?:eye)?brows"),
    "Arched_Eyebrows": Wording("arched eyebrows", r"arched (?:eye)?brows"),
    "Narrow_Eyes": Wording("narrow eyes", r"narrow eyes"),
    "Bags_Under_Eyes": Wording("bags under the eyes", r"bags under (?:the |his |her )?eyes|tired eyes"),
    "Big_Nose": Wording("a big nose", r"(?:big|large) nose"),
    "Pointy_Nose": Wording("a pointy nose", r"(?:pointy|pointed) nose"),
    "Big_Lips": Wording("full lips", r"(?:big|full) lips"),
    "High_Cheekbones": Wording("high cheekbones", r"(?:high )?cheekbones"),
    "Rosy_Cheeks": Wording("rosy cheeks", r"rosy cheeks|blushing"),
    "Oval_Face": Wording("an oval face", r"oval face"),
    "Pale_Skin": Wording("pale skin", r"pale(?: skin)?"),
    "Double_Chin": Wording("a double chin", r"double chin"),
    "5_o_Clock_Shadow": Wording("a five o'clock shadow", r"(?:five|5) o'?clock shadow|stubble"),
    "Goatee": Wording("a goatee", r"goatee"),
    "Mustache": Wording("a mustache", r"mo?ustache"),
    "Sideburns": Wording("sideburns", r"sideburns"),
}
WORN = {
    "Eyeglasses": Wording("eyeglasses", r"(?:eye|sun)?glasses|spectacles"),
    "Wearing_Hat": Wording("a hat", r"hat|cap"),
    "Wearing_Earrings": Wording("earrings", r"earrings?"),
    "Wearing_Necklace": Wording("a necklace", r"necklace"),
    "Wearing_Necktie": Wording("a necktie", r"(?:neck)?tie"),
    "Wearing_Lipstick": Wording("lipstick", r"lipstick"),
    "Heavy_Makeup": Wording("heavy makeup", r"make-?up"),
}
MOUTH = {
    "Smiling": Wording("smiling", r"smil(?:e|es|ing)|laugh(?:s|ing)?|grin(?:s|ning)?"),
    "Mouth_Slightly_Open": Wording("mouth slightly open", r"(?:slightly )?open mouth|mouth (?:slightly )?open"),
}
OTHERS = {"Blurry": Wording("blurry", r"blurry|blurred|out of focus")}
# A beard of any kind speaks against No_Beard.
BEARDS = ("5_o_Clock_Shadow", "Goatee")
FACIAL_HAIR = (*BEARDS, "Mustache", "Sideburns")
NEGATION = r"\b(?:no|not|without|isn't|never)\s+(?:an?\s+|any\s+|wearing\s+(?:an?\s+|any\s+)?)?"
MAN = r"man|men|boy|male|guy|gentleman|he|his|father"
WOMAN = r"woman|women|girl|female|lady|she|her|mother"
OLD = r"old|older|elderly|aged|senior|middle-aged"


def find_attribute(name: str) -> str:
    """The attribute of that name, whatever its case and with spaces or underscores.

    Raises:
        UserError: there is none; the nearest is suggested.
    """
    by_key = {_key(attribute): attribute for attribute in ATTRIBUTES}
    if _key(name) in by_key:
        return by_key[_key(name)]
    near = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=0.4)
    hint = f"did you mean {by_key[near[0]]}?" if near else f"choose one of: {', '.join(ATTRIBUTES)}."
    raise UserError(f"no attribute '{name}'; {hint}")


def _key(name):
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def _listed(parts):
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _with_article(words):
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _hair(has):
    colours = [colour for name, colour in HAIR_COLOURS.items() if has[name]]
    kinds = [kind for name, kind in (("Straight_Hair", "straight"), ("Wavy_Hair", "wavy")) if has[name]]
    if not colours and not kinds:
        return []
    return [" ".join([*([_listed(kinds)] if kinds else []), *([_listed(colours)] if colours else []), "hair"])]


def _features(has):
    said = _hair(has) + [wording.said for name, wording in FEATURES.items() if has[name]]
    if not has["No_Beard"] and not any(has[name] for name in BEARDS):
        said.append("a beard")
    return said


@dataclasses.dataclass(frozen=True)
class Parts:
    """What there is to say about a portrait; "blurry", "smiling" ... in lists of one, or empty."""

    who: str
    adjectives: list
    features: list
    smiling: list
    other_mouth: list
    wearing: list
    picture: list


def _parts(has, rng):
    def some(parts):
        return parts if rng is None else [part for part in parts if rng.random() < 0.5]

    adjectives = [wording.said for name, wording in ADJECTIVES.items() if has[name]]
    if has["Male"] and has["No_Beard"] and not any(has[name] for name in FACIAL_HAIR):
        adjectives.append("clean-shaven")
    worn = some([wording.said for name, wording in WORN.items() if has[name]])
    whose = "his" if has["Male"] else "her"
    return Parts(
        who=f"{'young' if has['Young'] else 'old'} {'man' if has['Male'] else 'woman'}",
        adjectives=some(adjectives),
        features=some(_features(has)),
        smiling=some(["smiling"] if has["Smiling"] else []),
        other_mouth=some([f"{whose} mouth slightly open"] if has["Mouth_Slightly_Open"] else []),
        wearing=[f"wearing {_listed(worn)}"] if worn else [],
        picture=some(["blurry"] if has["Blurry"] else []),
    )


def describe(attributes: Any, rng: np.random.Generator | None = None, template: int = 0) -> str:
    """Says in a sentence which attributes a portrait has.

    Args:
        attributes: 40 numbers, positive where it has the attribute, in the order of `ATTRIBUTES`.
        rng: a `numpy.random.Generator` that leaves each detail out half the time; None for all of them. Sex and age
            are said always.
        template: 0 to 3: the order in which things are said.

    Returns:
        A string, such as "a young man with black hair and a goatee, smiling, wearing eyeglasses".
    """
    has = {name: bool(value > 0) for name, value in zip(ATTRIBUTES, attributes, strict=True)}
    return TEMPLATES[template](_parts(has, rng))


def _features_first(parts):
    who = _with_article(" ".join([*parts.adjectives, parts.who]))
    features = [f"with {_listed(parts.features)}"] if parts.features else []
    rest = (*parts.smiling, *parts.other_mouth, *parts.wearing, *parts.picture)
    return " ".join([who, *features]) + "".join(f", {part}" for part in rest)


def _features_last(parts):
    who = _with_article(" ".join([*parts.smiling, *parts.adjectives, parts.who]))
    features = [f"with {_listed(parts.features)}"] if parts.features else []
    rest = (*parts.other_mouth, *features, *parts.picture)
    return " ".join([who, *parts.wearing]) + "".join(f", {part}" for part in rest)


def _picture_of(kind, template):
    def say(parts):
        picture = _with_article(" ".join([*parts.picture, kind]))
        return f"{picture} of {template(dataclasses.replace(parts, picture=[]))}"

    return say


TEMPLATES = (
    _features_first,
    _features_last,
    _picture_of("photo", _features_first),
    _picture_of("portrait", _features_last),
)


def attributes_of(prompt: str) -> dict[str, int]:
    """Guesses the attributes that a prompt asks for, by its words.

    Args:
        prompt: such as "an old man without glasses"; "no", "not" and "without" turn what follows.

    Returns:
        {name: 0 or 1} of what it speaks of; a woman is said to have no beard.
    """
    text = " ".join(prompt.lower().replace("’", "'").split())
    found = {}

    def look(name, words, value=1):
        if match := re.search(rf"({NEGATION})?\b(?:{words})\b", text):
            found[name] = 1 - value if match[1] else value

    for table in (ADJECTIVES, FEATURES, WORN, MOUTH, OTHERS):
        for name, wording in table.items():
            look(name, wording.words)
    _look_at_hair(text, found)
    look("Male", WOMAN, 0)
    if "Male" not in found:
        look("Male", MAN)
    look("Young", r"young|youthful|teenage|girl|boy|child")
    if "Young" not in found:
        look("Young", OLD, 0)
    look("No_Beard", r"bearded|beard", 0)
    if re.search(r"clean[- ]shaven", text):
        found |= {"No_Beard": 1} | dict.fromkeys(FACIAL_HAIR, 0)
    elif any(found.get(name) for name in BEARDS):
        found["No_Beard"] = 0
    elif found.get("Male") == 0:
        found.setdefault("No_Beard", 1)
    return found


def _look_at_hair(text, found):
    colours = {"Black_Hair": "black", "Blond_Hair": "blonde?", "Brown_Hair": "brown|brunette", "Gray_Hair": "gr[ae]y"}
    kinds = {"Straight_Hair": "straight", "Wavy_Hair": "wavy|curly"}
    alone = {"Blond_Hair": "blonde?", "Brown_Hair": "brunette"}
    before_hair = " ".join(re.findall(r"((?:[\w-]+,? (?:and )?){0,4})(?:hair|haired)\b", text))
    for name, words in (colours | kinds).items():
        if re.search(rf"\b(?:{words})\b", before_hair) or re.search(rf"\b(?:{alone.get(name, '(?!)')})\b", text):
            found[name] = 1


def vector_of(prompt: str) -> np.ndarray:
    """The 40 attributes that a prompt asks for, float32 zeros and ones: what it does not speak of is absent, except
    that people are young and have no beard."""
    asked = {"Young": 1, "No_Beard": 1} | attributes_of(prompt)
    return np.array([asked.get(name, 0) for name in ATTRIBUTES], np.float32)
