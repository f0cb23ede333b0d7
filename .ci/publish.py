"""Says everywhere where the project lives: `make publish REPOSITORY=https://github.com/someone/something`.

The one place that says it is `Repository` in pyproject.toml. The notebooks' badges and first cells, the README,
CITATION.cff and space/ name it too: this rewrites them all, and checks that nothing else names an address of the
project.
"""

import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parent.parent
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")


def repository() -> str:
    """The address that pyproject.toml has."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def places() -> list[pathlib.Path]:
    """The files that may name the address."""
    fixed = [
        ROOT / name
        for name in ("pyproject.toml", "README.md", "CITATION.cff", "space/README.md", "space/requirements.txt")
    ]
    return [*fixed, *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def rewrite(old: str, new: str) -> None:
    """Puts one repository, "someone/something", in the place of another in all places."""
    for path in places():
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(old, new), encoding="utf-8")


def others(name: str) -> list[str]:
    """The tracked files beside those that name a repository, "someone/something"."""
    found = subprocess.run(
        ["git", "grep", "-lF", f"github.com/{name}"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    known = {str(path.relative_to(ROOT)) for path in places()}
    return [path for path in found if path not in known]


def main() -> None:
    given = sys.argv[1].rstrip("/").removesuffix(".git") if len(sys.argv) > 1 else ""
    if not ADDRESS.fullmatch(given):
        sys.exit("error: give REPOSITORY=https://github.com/someone/something.")
    old, new = (address.removeprefix("https://github.com/") for address in (repository(), given))
    if wrong := others(old):
        sys.exit(f"error: {', '.join(wrong)} names {old} too; take that out, since only {len(places())} files may.")
    rewrite(old, new)
    print(f"The project lives at {given}: {len(places())} files say so.")


if __name__ == "__main__":
    main()
