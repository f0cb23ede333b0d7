import re
import shutil

import pytest

from cvae.pasture.gallery import make_gallery
from cvae.pasture.report import write_report
from cvae.runs import Run
from preprocess.utils.errors import UserError


def test_the_page_shows_each_step_and_each_picture_is_there(run, embedded, tmp_path):
    demo = tmp_path / "demo"
    # Other tests leave pictures in the run that all share.
    own = Run(shutil.copytree(run, demo / "run", ignore=shutil.ignore_patterns("generated", "gallery")))
    shutil.copytree(embedded, demo / "embedded")
    with pytest.raises(UserError, match="generated holds no grid.png"):
        write_report(demo)
    own.generate(["a <b>white</b> sheep"], count=2).save(demo / "run" / "generated" / "1")
    shutil.copy(demo / "run" / "generated" / "1" / "grid.png", demo / "pasture-128.png")
    make_gallery(own)
    page = write_report(demo)
    text = page.read_text()
    for heading in ("A model that comes along drew", "Drawn, and kept", "Trained", "Generated", "Judged", "What next"):
        assert f"<h2>{heading}</h2>" in text
    addresses = re.findall(r'<img src="([^"]+)"', text)
    assert len([address for address in addresses if address.startswith("data:image/jpeg")]) == 8
    files = [address for address in addresses if not address.startswith("data:")]
    assert len(files) == 6 and all((demo / name).is_file() for name in files)
    assert str(tmp_path) not in text
    # Its own page is written anew, nobody else's.
    write_report(demo)
    page.write_text("my own page")
    with pytest.raises(UserError, match="is no page of the demo's"):
        write_report(demo)
