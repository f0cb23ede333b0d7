"""Which arithmetic the hardware at hand is fast in."""

import pathlib

import keras


def best_policy() -> str:
    """ "mixed_bfloat16" where the CPU, GPU or TPU multiplies bfloat16 in hardware, else "float32"."""
    return "mixed_bfloat16" if _has_bfloat16() else "float32"


def wants_xla() -> bool:
    """Whether `compile` is asked for XLA on this backend."""
    # In TensorFlow XLA is slower on CPUs, above all in bfloat16, and wins little on GPUs with layers of this size.
    return keras.backend.backend() == "jax"


def _has_bfloat16():
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform == "gpu":
            return float(device.compute_capability) >= 8.0
        # On CPUs a step takes as long as in float32, or a little longer.
        return device.platform == "tpu"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0)) >= (8, 0)
    return bool(tf.config.list_physical_devices("TPU")) or _cpu_has_bfloat16()


def _cpu_has_bfloat16():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    # With AMX's tiles training steps take 0.3 of the time that they take in float32, with AVX-512 alone 0.5 to 0.6.
    return cpuinfo.is_file() and any(name in cpuinfo.read_text() for name in ("amx_bf16", "avx512_bf16"))
