"""Who is drawn: attributes chosen by lot, in combinations that people have."""

import numpy as np

from preprocess.celeba.attributes import ATTRIBUTES, HAIR_COLOURS


def sample_person(rng: np.random.Generator) -> dict[str, bool]:
    """Chooses the 40 attributes of a face: {name: bool}. Attractive and High_Cheekbones cannot be drawn: never."""
    person = dict.fromkeys(ATTRIBUTES, False)

    def maybe(name, chance):
        person[name] = bool(rng.random() < chance)
        return person[name]

    man, young = maybe("Male", 0.45), maybe("Young", 0.72)
    _choose_hair(rng, person, maybe)
    person["No_Beard"] = True
    if man:
        _choose_beard(rng, person, maybe)
    for name, of_men, of_women in (
        ("Wearing_Necktie", 0.25, 0), ("Wearing_Earrings", 0, 0.35), ("Wearing_Necklace", 0, 0.25),
        ("Wearing_Lipstick", 0, 0.5), ("Arched_Eyebrows", 0.05, 0.4), ("Bushy_Eyebrows", 0.3, 0.08),
    ):  # fmt: skip
        maybe(name, of_men if man else of_women)
    # Makeup comes with lipstick, as it does in CelebA.
    maybe("Heavy_Makeup", 0.6 if person["Wearing_Lipstick"] else 0)
    person["Bushy_Eyebrows"] &= not person["Arched_Eyebrows"]
    for name, chance in (
        ("Eyeglasses", 0.2), ("Smiling", 0.5), ("Mouth_Slightly_Open", 0.35), ("Narrow_Eyes", 0.15),
        ("Bags_Under_Eyes", 0.12 if young else 0.4), ("Big_Lips", 0.2), ("Pale_Skin", 0.12), ("Rosy_Cheeks", 0.2),
        ("Oval_Face", 0.3), ("Blurry", 0.03),
    ):  # fmt: skip
        maybe(name, chance)
    person["Big_Nose"] = maybe("Pointy_Nose", 0.25) is False and bool(rng.random() < 0.3)
    if not person["Oval_Face"] and maybe("Chubby", 0.18):
        maybe("Double_Chin", 0.6)
    return person


def _choose_hair(rng, person, maybe):
    man, young = person["Male"], person["Young"]
    hat = maybe("Wearing_Hat", 0.12)
    if man and not hat and maybe("Bald", 0.12 if young else 0.25):
        return
    grey = not young and rng.random() < 0.65
    person["Gray_Hair" if grey else list(HAIR_COLOURS)[rng.integers(3)]] = True
    person["Wavy_Hair" if rng.random() < 0.5 else "Straight_Hair"] = True
    if not hat and not (man and maybe("Receding_Hairline", 0.08 if young else 0.4)):
        maybe("Bangs", 0.18 if man else 0.35)


def _choose_beard(rng, person, maybe):
    kind = rng.choice(["none", "shadow", "goatee", "full", "mustache"], p=[0.48, 0.12, 0.13, 0.15, 0.12])
    person["No_Beard"] = kind in ("none", "mustache")
    person["5_o_Clock_Shadow"], person["Goatee"] = kind == "shadow", kind == "goatee"
    person["Mustache"] = kind == "mustache" or (kind in ("full", "goatee") and bool(rng.random() < 0.5))
    if not person["Bald"]:
        maybe("Sideburns", 0.15)
