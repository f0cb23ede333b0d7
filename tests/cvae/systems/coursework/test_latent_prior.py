import shutil

import numpy as np
import pytest

from cvae.nn.samplers import SamplerOptions
from cvae.registry import find_variant
from cvae.runs import Run
from cvae.systems.coursework.latent_prior import encode_posteriors
from cvae.training import learned_prior
from preprocess.shards.info import read_info
from tests.helpers import command


@pytest.mark.slow
def test_the_flow_draws_latents_as_the_encoder_gives_them_and_is_trained_once(run, tmp_path, monkeypatch):
    own = tmp_path / "run"
    shutil.copytree(run, own)
    monkeypatch.setattr(learned_prior, "STEPS", 300)
    model = Run(own).open_drawer(prior="flow")
    [path] = own.glob("prior-*.keras")
    before = path.stat().st_mtime_ns
    info = read_info(Run(own).config["data"])
    mean, deviation, conditions = encode_posteriors(Run(own).model(), info, find_variant("64-image"))
    noise = np.random.default_rng(0).standard_normal(mean.shape).astype(np.float32)
    drawn = model.flow.sample(noise, conditions, SamplerOptions(guidance=1.0))
    spread = np.sqrt(mean.var(0) + np.square(deviation).mean(0))
    # A plain Gaussian's are as far off as the latents' means lie from 0.
    assert np.abs(drawn.mean(0) - mean.mean(0)).mean() < 0.25 * spread.mean()
    assert 0.7 < drawn.std(0).mean() / spread.mean() < 1.3
    assert np.asarray(model.draw(noise[:3], conditions[:3])).shape == (3, 64, 64, 3)
    where = ("--run", own, "--out", tmp_path / "drawn")
    done = command("-m", "cvae", "generate", *where, "a cow", "--count", 1, "--prior", "flow")
    assert done.returncode == 0 and path.stat().st_mtime_ns == before, done.stderr
