import pytest

from cvae.keras_files import BEST, LAST
from cvae.log import CURVES, LOG
from cvae.run_files import check_only_a_runs
from cvae.runs import Run, work_in
from cvae.systems.flow import latents
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError


def test_all_that_a_run_makes_is_a_runs(run, flow_run):
    assert {BEST, LAST, LOG, CURVES} <= work_in(run)
    check_only_a_runs(run)
    check_only_a_runs(flow_run)


def test_latents_of_many_photographs_are_a_runs(embedded, tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "MAPPED", 0)
    info, folder = read_info(embedded), tmp_path / "latents"
    autoencoder = Run("autoencoder")
    latents.encode_latents(autoencoder.model(), autoencoder.find_model(), info, folder, 64)
    latents.read_latents(info, folder, "val")
    assert (folder / "val-grids.npy").is_file()
    check_only_a_runs(tmp_path)


@pytest.mark.parametrize(
    "name", ["holiday.jpg", "samples/mine.png", "generated/1/notes.txt", "autoencoder/thesis.pdf", "generated/x.png"]
)
def test_somebodys_file_in_a_run_is_named(tmp_path, name):
    for own in ("run.json", "samples/epoch-0001.png", "generated/1/a-cow.png", ".DS_Store", name):
        path = tmp_path / own
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    with pytest.raises(UserError, match=f"holds {name}, which is none of a run's files"):
        check_only_a_runs(tmp_path)
