"""What every model does, in processes of their own: `contract.py train FOLDER POLICIES`, `contract.py load FOLDER`.

`train` builds each model from its config, trains it in each precision, saves it and keeps what it draws in the last.
`load` loads it in a process that has imported nothing but `cvae.runs`, and compares.
"""

import pathlib
import sys

import numpy as np


def random_arrays():
    """Functions that give unit vectors and images, the same for every call of this one."""
    rng = np.random.default_rng(0)

    def unit(*shape):
        x = rng.standard_normal(shape).astype(np.float32)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def images(size, channels=3, count=4):
        found = rng.random((count, size, size, channels), np.float32)
        # A flat one has no variance to divide by.
        found[0] = 0.5
        return found

    return rng.standard_normal, unit, images


def make_models(policy):
    """{class name: (model, a training batch, draw(model))}, each as small as can be."""
    from keras import ops

    from cvae.nn.rectified_flow import RectifiedFlow
    from cvae.systems.coursework.model import ClipCVAE
    from cvae.systems.digits.critic import LabelCritic
    from cvae.systems.digits.model import ClipVAE
    from cvae.systems.faces.cvae import AttributeCVAE
    from cvae.systems.faces.cvae_gan import ClipCVAEGAN
    from cvae.systems.faces.wgan_gp import ClipWGANGP
    from cvae.systems.flow.autoencoder import Autoencoder
    from cvae.systems.flow.model import LatentFlow
    from cvae.systems.flow.sharp_autoencoder import PARTS, SharpAutoencoder
    from cvae.systems.flow.spatial_vae import SpatialVAE

    # EfficientNet has tests of its own, and would take most of the time.
    Autoencoder._perceptual = lambda self, target, picture: ops.mean(ops.square(target - picture))
    SharpAutoencoder._features = lambda self, images: [
        ops.repeat(images[:, ::8, ::8, :1], channels, axis=-1) for channels in PARTS.values()
    ]
    normal, unit, images = random_arrays()
    z, condition = normal((2, 128)).astype(np.float32), unit(2, 8)
    attributes = np.eye(2, 8, dtype=np.float32)
    four = np.concatenate([attributes, attributes])
    autoencoder = SpatialVAE(64, width=1 / 16, dtype=policy)
    labels, digits = np.arange(4, dtype=np.int32), images(28, 1)
    faces = {
        kind.__name__: (kind(8, width=1 / 16, dtype=policy), (images(64), four), lambda m: m.draw(z, attributes))
        for kind in (AttributeCVAE, ClipCVAEGAN, ClipWGANGP)
    }
    return faces | {
        "ClipCVAE": (
            ClipCVAE(64, embedding_dim=8, width=1 / 16, dtype=policy), (images(64), unit(4, 8)),
            lambda m: m.draw(z, condition),
        ),
        "Autoencoder": (
            Autoencoder(width=1 / 16, dtype=policy), images(64, count=6), lambda m: m.decode(z.reshape(2, 8, 4, 4)),
        ),
        "SharpAutoencoder": (
            SharpAutoencoder(width=1 / 16, dtype=policy), images(64, count=6),
            lambda m: m.decode(z.reshape(2, 8, 4, 4)),
        ),
        "SpatialVAE": (
            SpatialVAE(64, width=1 / 16, dtype=policy), images(64),
            lambda m: m.decode(z[:, :64].reshape(2, 8, 8, 1).repeat(8, -1)),
        ),
        "LatentFlow": (
            LatentFlow(autoencoder, 8, width=64, depth=1, dtype=policy),
            (normal((4, 8, 8, 8)).astype(np.float32), unit(4, 8)),
            lambda m: m.draw(np.tile(z, (1, 4)), condition),
        ),
        "RectifiedFlow": (
            RectifiedFlow((16,), 8, width=64, depth=1, dtype=policy),
            (normal((4, 16)).astype(np.float32), unit(4, 8)), lambda m: m.sample(z[:, :16], condition),
        ),
        "ClipVAE": (
            ClipVAE(width=8, convolutional=True, realism=1.0, dtype=policy), (digits, labels),
            lambda m: m.decode_image(z[:, :16]),
        ),
        "LabelCritic": (LabelCritic((8, 8), dtype=policy), None, lambda m: m(digits)),
    }  # fmt: skip


def train(folder, *policies):
    import keras

    from cvae.nn.optimizers import Adam
    from cvae.nn.precision import wants_xla

    for policy in policies:
        keras.utils.set_random_seed(0)
        for name, (built, batch, draw) in make_models(policy).items():
            model = type(built).from_config(built.get_config())
            assert [w.shape for w in model.weights] == [w.shape for w in built.weights], name
            needs_tensorflow = name == "ClipWGANGP" and keras.backend.backend() != "tensorflow"
            if batch is not None and not needs_tensorflow:
                model.compile(Adam(1e-3), jit_compile=wants_xla())
                history = model.fit(((batch,) for _ in range(2)), steps_per_epoch=2, verbose=0).history
                assert all(np.isfinite(values).all() for values in history.values()), (name, policy, history)
            for weight in model.weights:
                assert np.isfinite(np.asarray(weight, np.float32)).all(), (name, policy, weight.path)
            drawn = np.asarray(draw(model), np.float32)
            assert np.isfinite(drawn).all(), (name, policy)
            if policy == policies[-1]:
                model.save(folder / f"{name}.keras")
                np.save(folder / f"{name}.npy", drawn)


def load(folder):
    from cvae.keras_files import load_keras

    models = {path.stem: load_keras(path) for path in sorted(folder.glob("*.keras"))}
    draws = {name: draw for name, (_, _, draw) in make_models("float32").items()}
    for name, model in models.items():
        assert type(model).__name__ == name
        np.testing.assert_allclose(draws[name](model), np.load(folder / f"{name}.npy"), atol=2e-3, err_msg=name)
    print(*sorted(models))


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    {"train": train, "load": load}[sys.argv[1]](pathlib.Path(sys.argv[2]), *sys.argv[3:])
