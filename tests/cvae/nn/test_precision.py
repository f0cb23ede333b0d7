import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn import precision
from cvae.nn.rectified_flow import RectifiedFlow

T4, V100, A100, P100 = (7, 5), (7, 0), (8, 0), (6, 0)


@pytest.mark.parametrize(
    ("capability", "policy"),
    [(A100, "mixed_bfloat16"), (T4, "mixed_float16"), (V100, "mixed_float16"), (P100, "float32")],
)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_gpu_has_the_precision_that_its_tensor_cores_take(capability, policy, backend, monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    device = types.SimpleNamespace(platform="gpu", compute_capability=".".join(map(str, capability)))
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] * (kind == "GPU"))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": capability})
    assert precision.best_policy() == policy


@pytest.mark.parametrize(("has", "policy"), [(True, "mixed_bfloat16"), (False, "float32")])
def test_a_cpu_has_bfloat16_where_it_multiplies_it(has, policy, monkeypatch):
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: has)
    assert precision.best_policy() == policy


@pytest.mark.parametrize("trained_in", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_model_is_drawn_with_in_the_precision_that_is_fast_here(trained_in, monkeypatch):
    monkeypatch.setattr(precision, "best_policy", lambda: "float32")
    flow = RectifiedFlow((8, 8, 2), 3, width=64, depth=1, dtype=trained_in)
    found = precision.in_best_precision(flow)
    assert found.dtype_policy.name == "float32" and found.network.compute_dtype == "float32"
    assert (found is flow) == (trained_in == "float32")
    rng = np.random.default_rng(0)
    noise, condition = rng.standard_normal((2, 8, 8, 2)), rng.standard_normal((2, 3))
    np.testing.assert_allclose(found.sample(noise, condition), flow.sample(noise, condition), atol=0.05)


def test_a_model_of_float32_stays_one(monkeypatch):
    monkeypatch.setattr(precision, "best_policy", lambda: "mixed_bfloat16")
    flow = RectifiedFlow((4,), 3, width=8, depth=1, dtype="float32")
    assert precision.in_best_precision(flow) is flow
