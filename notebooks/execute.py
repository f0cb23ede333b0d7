"""Runs every notebook on drawn scenes and keeps what it shows: `python notebooks/execute.py`."""

import argparse
import pathlib
import re
import tempfile

import nbformat
import papermill

FOLDER = pathlib.Path(__file__).parent
MAX_SIZE = 10**6


def tidy(notebook):
    """Removes what belongs to one machine and one moment: progress bars, times, paths, papermill's own notes."""
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            kept = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in kept:
                if "text" in output:
                    output["text"] = re.sub(r"/\S*/data/notebooks", "data/notebooks", output["text"])
            cell.outputs = kept
    notebook.metadata.pop("papermill", None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="their names (default: all)")
    arguments = parser.parse_args()
    work = FOLDER.parent / "data" / "notebooks"
    if not arguments.notebooks and work.exists():
        raise SystemExit(f"{work} is there: what it holds would not be made, and so not be shown; move it away.")
    paths = [FOLDER / name for name in arguments.notebooks] or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / path.name
            papermill.execute_notebook(path, out, cwd=FOLDER, progress_bar=False)
            notebook = nbformat.read(out, as_version=4)
        tidy(notebook)
        text = nbformat.writes(notebook)
        if len(text) > MAX_SIZE:
            raise SystemExit(f"{path.name} would take {len(text):,} bytes, more than {MAX_SIZE:,}")
        path.write_text(text + "\n")
        print(f"{path.name}: {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
