import json
import zipfile

import pytest

from cvae.runs import Run, is_run, load_run
from preprocess.utils.errors import UserError

CONFIG = {"variant": "64-image", "data": "nowhere", "settings": {"epochs": 2, "batch_size": 8, "seed": 0}}


def test_a_run_is_opened_by_its_folder_and_can_be_changed(tmp_path):
    assert not is_run(tmp_path)
    run = Run.create(tmp_path, CONFIG)
    assert is_run(tmp_path) and run.system.name == "coursework" and run.variant.image_size == 64
    run.update(settings=CONFIG["settings"] | {"epochs": 4})
    assert load_run(tmp_path).settings["epochs"] == 4
    with pytest.raises(UserError, match="knows no encoder"):
        _ = run.encoder
    with pytest.raises(UserError, match="nowhere, are not there any more; look for them"):
        run.data_info("look for them")
    with pytest.raises(UserError, match="has no best.keras"):
        run.model()


CLIP = {"name": "x", "embedding_dim": 4, "weights_sha256": "x"}
NO_CONFIGS = (
    CONFIG | {"settings": None},
    CONFIG | {"settings": CONFIG["settings"] | {"epochs": "4"}},
    CONFIG | {"variant": ["64-image"]},
    CONFIG | {"clip": CLIP},
    CONFIG | {"clip": CLIP, "clip_spec": None, "precision": "float32", "data_settings": {}},
)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 9999, *map(json.dumps, NO_CONFIGS)])
def test_what_is_no_run_json_gives_one_sentence(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run.json is damaged.*; put it back, or name another --run"):
        load_run(tmp_path)


def test_a_damaged_checkpoint_of_a_run_that_still_draws_says_so(tmp_path):
    run = Run.create(tmp_path, CONFIG)
    (tmp_path / "last.keras").write_bytes(b"PK")
    with pytest.raises(
        UserError, match=r"is damaged; put a copy of it back, or train again with --overwrite, or with another --run.$"
    ):
        run.model("last.keras")
    zipfile.ZipFile(tmp_path / "best.keras", "w").close()
    with pytest.raises(UserError, match=r"with another --run to keep best.keras"):
        run.model("last.keras")
    (tmp_path / "best.keras").unlink()
    with pytest.raises(UserError, match="has lost its best.keras; put it back, or train again with --overwrite"):
        run.model()


def test_a_lost_log_is_named(tmp_path):
    with pytest.raises(UserError, match="has no log.csv; put it back"):
        Run.create(tmp_path, CONFIG).best_epoch()
    (tmp_path / "log.csv").write_text("epoch,val\n1,2\n")
    with pytest.raises(UserError, match="log.csv is damaged"):
        Run(tmp_path).best_epoch()


def test_a_file_in_place_of_a_run_folder_gives_one_sentence(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"")
    with pytest.raises(UserError, match="picture.png is a file; name the run"):
        load_run(tmp_path / "picture.png")


def test_a_folders_name_may_end_with_a_slash_and_a_files_is_none(tmp_path):
    assert Run("drawn-faces-64/").variant.image_size == 64
    Run.create(tmp_path, CONFIG)
    with pytest.raises(UserError, match=r"run.json is a file; name the run's folder"):
        Run(tmp_path / "run.json")
