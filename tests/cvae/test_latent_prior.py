import numpy as np
from conftest import command

from cvae import latent_prior
from cvae.generation import load_to_draw
from cvae.runs import load_model


def test_the_first_use_trains_a_prior_and_later_ones_load_it(run, monkeypatch):
    monkeypatch.setattr(latent_prior, "STEPS", 20)
    model = load_to_draw(run, prior="flow")
    path = run / latent_prior.FILE
    before = path.stat().st_mtime_ns
    noise = np.random.default_rng(0).standard_normal((3, model.latent_dim)).astype(np.float32)
    told = np.eye(3, 512, dtype=np.float32)
    pictures = np.asarray(model.draw(noise, told))
    assert pictures.shape == (3, 64, 64, 3)
    assert np.abs(pictures - np.asarray(load_model(run).draw(noise, told))).max() > 1e-3
    drawn = command(
        "-m", "cvae", "generate", "--run", run, "a cow", "--count", 1, "--prior", "flow", "--out", run / "p"
    )
    assert drawn.returncode == 0 and path.stat().st_mtime_ns == before, drawn.stderr
