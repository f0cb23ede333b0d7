"""Which arithmetic the hardware at hand is fast in."""

import pathlib
from typing import Any

import keras

# Of NVIDIA's GPUs: the compute capability from which on their tensor cores take bfloat16, and float16.
BFLOAT16_CAPABILITY, FLOAT16_CAPABILITY = (8, 0), (7, 0)


def best_policy() -> str:
    """The dtype policy that the hardware is fast in.

    "mixed_bfloat16" where the CPU, GPU or TPU multiplies bfloat16 in hardware; "mixed_float16" on GPUs whose tensor
    cores do not, such as the T4 and the V100; else "float32".
    """
    capability = _gpu_capability()
    if capability is None:
        return "mixed_bfloat16" if _has_bfloat16() else "float32"
    if capability >= BFLOAT16_CAPABILITY:
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= FLOAT16_CAPABILITY else "float32"


def in_best_precision(model: Any) -> Any:
    """A model of mixed precision, to draw with, in that which is fast here; one of float32 as it is.

    On a CPU without bfloat16 a flow that was trained in it takes two to three times as long to draw as in float32.
    """
    best = best_policy()
    if model.dtype_policy.name in (best, "float32"):
        return model
    faster = type(model).from_config(model.get_config() | {"dtype": best})
    faster.set_weights(model.get_weights())
    return faster


def wants_xla() -> bool:
    """Whether `compile` is asked for XLA on this backend."""
    # In TensorFlow XLA is slower on CPUs, above all in bfloat16; on GPUs that was not measured.
    return keras.backend.backend() == "jax"


def _gpu_capability() -> tuple[int, ...] | None:
    """The compute capability of the first GPU, (0, 0) of one that tells none, None where there is no GPU."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.local_devices()[0]
        return _numbers(getattr(device, "compute_capability", "0.0")) if device.platform == "gpu" else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0)) if gpus else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _has_bfloat16():
    """Of a TPU or a CPU."""
    if keras.backend.backend() == "jax":
        import jax

        # On CPUs a step takes as long as in float32, or a little longer.
        return jax.local_devices()[0].platform == "tpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("TPU")) or _cpu_has_bfloat16()


def _cpu_has_bfloat16():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    # With AMX's tiles training steps take 0.3 of the time that they take in float32, with AVX-512 alone 0.5 to 0.6.
    return cpuinfo.is_file() and any(name in cpuinfo.read_text() for name in ("amx_bf16", "avx512_bf16"))
