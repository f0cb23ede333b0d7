"""Words that more than one command line says."""


def counted(number, noun):
    """A number with its noun: "1 image", "2 images"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
