import io

import numpy as np
import pytest
from PIL import Image

from cvae.utils import plots
from cvae.utils.plots import save_curves, save_grid, save_lines, save_sheet
from preprocess.shards.decode import decode

rng = np.random.default_rng(0)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("columns", [1, 5])
def test_a_grid_has_a_row_a_prompt(tmp_path, rows, columns):
    save_grid(tmp_path / "grid.png", np.ones((rows, columns, 64, 64, 3)) * [1, 0, 0], ["a long prompt " * 5] * rows)
    pixels = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    red = (pixels == [255, 0, 0]).all(-1)
    assert red.any(1).sum() > 0.5 * len(pixels)
    assert (np.diff(red.any(0).astype(int)) == 1).sum() == columns
    assert (np.diff(np.r_[0, red.any(1).astype(int)]) == 1).sum() == rows


def test_a_grid_has_room_for_what_is_written_around_it(tmp_path):
    def draw(labels=("", ""), **options):
        save_grid(tmp_path / "grid.png", np.ones((2, 2, 8, 8, 3)) * [1, 0, 0], labels, **options)
        return np.asarray(Image.open(tmp_path / "grid.png").convert("RGB")).astype(int)

    for headings in (["one"], ["a heading of three lines at least"] * 2):
        pixels = draw(title="title", headings=headings, notes="first line\n" * 9 + "the last")
        red = np.flatnonzero((pixels == [255, 0, 0]).all(-1).any(1))
        empty = (pixels == 255).all((1, 2))
        above, below = empty[: red[0]], empty[red[-1] :]
        # Between title, headings and pictures, and between pictures and notes; what is written is there.
        assert np.sum(np.diff(above.astype(int)) == 1) >= 2 and above[-1]
        assert below[1] and not below.all()
    assert draw(headings=["one"] * 3).shape == draw(headings=["one"] * 2).shape
    assert (draw(labels=["MMMMM WWWWWWW MMMMMM WWWWW"] * 2)[:, 0] == 255).all()


def test_a_sheet_holds_every_picture(tmp_path):
    save_sheet(tmp_path / "sheet.png", rng.random((6, 64, 64, 3)), [f"prompt {number}" for number in range(6)])
    assert Image.open(tmp_path / "sheet.png").width > 600


def test_curves_of_one_epoch_and_of_many(tmp_path):
    for count in (1, 12):
        history = [
            {"epoch": epoch, **{name: 100 / epoch for name in ("loss", "bce", "val_loss", "val_bce")}}
            for epoch in range(1, count + 1)
        ]
        save_curves(tmp_path / "loss.png", history)
        assert Image.open(tmp_path / "loss.png").width > 300


def test_curves_of_a_gan_which_is_not_validated(tmp_path):
    history = [{"epoch": epoch, "loss": -epoch, "penalty": 0.1} for epoch in (1, 2, 3)]
    save_curves(tmp_path / "loss.png", history)
    wide = Image.open(tmp_path / "loss.png").width
    save_curves(tmp_path / "one.png", [{"epoch": row["epoch"], "loss": row["loss"]} for row in history])
    assert wide == pytest.approx(2 * Image.open(tmp_path / "one.png").width, rel=0.05)


def test_lines_show_every_point_in_a_panel_a_measure(tmp_path):
    lines = {name: [{"steps": steps, "a": steps, "b": 1 / steps} for steps in (1, 2, 4)] for name in ("euler", "heun")}
    save_lines(tmp_path / "two.png", lines, "steps", ["a", "b"])
    save_lines(tmp_path / "one.png", lines, "steps", ["a"])
    wide, narrow = (Image.open(tmp_path / name) for name in ("two.png", "one.png"))
    assert wide.width == pytest.approx(2 * narrow.width, rel=0.05) and wide.height == narrow.height


def test_the_users_own_settings_of_matplotlib_do_not_count(tmp_path):
    import matplotlib

    with matplotlib.rc_context({"text.usetex": True, "savefig.format": "pdf", "savefig.dpi": 7}):
        plots.save_curves(tmp_path / "loss.png", [{"epoch": 1, "loss": 1.0}])
        assert plots.render_grid(np.zeros((1, 1, 8, 8, 3)), ["a_cow"]).width > 100
        assert matplotlib.rcParams["text.usetex"]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_grid_of_a_thousand_columns_can_be_read():
    figure = plots._figure(1350, 6)
    figure.text(0.5, 0.5, "a cow")
    buffer = io.BytesIO()
    plots._write(figure, buffer)
    assert 50_000 < decode(buffer.getvalue()).width <= 60_000
