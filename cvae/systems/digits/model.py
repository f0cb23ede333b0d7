"""CLIP-VAE: a VAE of pictures and a VAE of labels in one latent space, pulled together by CLIP's loss."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from cvae.nn import losses
from cvae.nn.layers import Embedding, Sampling, UniformSampling
from cvae.systems.digits import published
from cvae.systems.digits.critic import LabelCritic
from preprocess.mnist import IMAGE_SIZE, LABELS
from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike, Tensor

MAX_SCALE = 100.0
WEIGHTS = {"contrastive": 1.0, "image_kl": 1.0, "label_kl": 1.0, "image_bce": 1.0, "label_ce": 1.0}


class _AtMostTheCap(keras.constraints.Constraint):
    """Holds the logarithm of a scale to that of 100, as CLIP does; Keras 3.12 and 3.13 take no plain function."""

    def __call__(self, log_scale):
        return ops.minimum(log_scale, math.log(MAX_SCALE))


@keras.saving.register_keras_serializable("cvae")
class ClipVAE(keras.Model):
    """A VAE of 28 px images and one of their labels that share a latent space (https://github.com/phykn/clip-vae).

    L(x, y) = L_CLIP(z_x, z_y) + KL(z_x || N(0, I)) + KL(z_y || N(0, I)) + L_REC(x, x_hat) + L_REC(y, y_hat), where
    L_CLIP is CLIP's symmetric contrastive loss on cosines (Radford et al. 2021). All in nats, summed over pixels and
    latent dimensions and averaged over the batch. Trained by plain `fit` on batches of ((image, label),).

    Args:
        latent_dim: numbers in a latent.
        width, depth: units and blocks of the residual perceptrons.
        convolutional: whether the image's encoder and decoder are convolutions instead, of width / 2 channels at 14 px
            and width at 7 px, with 4 width hidden units between those and the latent; depth then says nothing.
        share_blocks: whether the blocks of a perceptron are one block, applied `depth` times.
        term_weights: factors on the loss's terms that differ from `WEIGHTS`.
        realism: weight in training of a `LabelCritic`, which is shown pictures of labels, and of Gaussian noise that
            should be the label whose latent is nearest; 0 for the loss above alone.
        original: whether to train with the original's loss: KL and BCE averaged over dimensions and pixels, which makes
            the KL weigh 784 / latent_dim times as much; noise uniform in [0, 1); two pairs of one label each counted as
            wrong for the other. (The original encodes twice and draws other noise for its contrastive loss.)

    Call arguments:
        inputs: (image, label): float32 (n, 28, 28, 1) in [0, 1] and int (n,), 0 to 9.

    Call returns:
        ((reconstruction, mean, log_var, z), (logits, mean, log_var, z)) of the image and of the label.

    Raises:
        ValueError: a factor on a term that is not there.
    """

    def __init__(
        self,
        latent_dim=16,
        width=64,
        depth=6,
        convolutional=False,
        share_blocks=False,
        term_weights=None,
        realism=0.0,
        original=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if unknown := set(term_weights or ()) - set(WEIGHTS):
            raise ValueError(f"the terms are {sorted(WEIGHTS)}, not {sorted(unknown)}")
        self.latent_dim = latent_dim
        self.width = width
        self.depth = depth
        self.convolutional = convolutional
        self.share_blocks = share_blocks
        self.term_weights = WEIGHTS | (term_weights or {})
        self.realism = realism
        self.original = original
        self.channels = (width // 2, width)

        self.image_encoder = self._build_image_encoder()
        self.image_decoder = self._build_image_decoder()
        self.label_encoder = self._build_label_encoder()
        self.label_decoder = self._build_label_decoder()
        self.critic: Any = LabelCritic(self.channels, dtype=self.dtype_policy) if realism else None
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(1 / 0.07)),
            # As in CLIP's training, after each step: beyond the cap the loss has no gradient that leads back.
            constraint=_AtMostTheCap(),
            dtype="float32",
            name="log_scale",
        )
        self.sampling = UniformSampling(dtype="float32") if original else Sampling(dtype="float32")
        names = (*WEIGHTS, *(("realism", "critic") if realism else ()))
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    def _dense(self, units, activation=None, dtype=None):
        return layers.Dense(units, activation=activation, dtype=dtype or self.dtype_policy)

    def _norm(self):
        return layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy)

    def _residual(self, x):
        policy = self.dtype_policy
        count = 1 if self.share_blocks else self.depth
        blocks = [(self._norm(), self._dense(self.width, "gelu")) for _ in range(count)]
        for index in range(self.depth):
            norm, dense = blocks[index % count]
            x = layers.Add(dtype=policy)([x, dense(norm(x))])
        return x

    def _latent(self, inputs, x, name):
        mean = self._dense(self.latent_dim, dtype="float32")(x)
        log_var = self._dense(self.latent_dim, dtype="float32")(x)
        return keras.Model(inputs, [mean, log_var], name=name)

    def _build_image_encoder(self):
        policy = self.dtype_policy
        x = image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1), name="image")
        if self.convolutional:
            fewer, channels = self.channels
            for filters, size, stride in ((fewer, 4, 2), (channels, 4, 2), (channels, 3, 1)):
                x = layers.Conv2D(filters, size, stride, padding="same", activation="gelu", dtype=policy)(x)
            x = layers.Flatten(dtype=policy)(x)
            x = self._norm()(self._dense(4 * self.width, "gelu")(x))
        else:
            x = self._residual(self._dense(self.width)(layers.Flatten(dtype=policy)(x)))
        return self._latent(image, x, "image_encoder")

    def _build_image_decoder(self):
        policy = self.dtype_policy
        z = keras.Input((self.latent_dim,), name="z")
        if self.convolutional:
            x = self._norm()(self._dense(4 * self.width, "gelu")(z))
            side, (fewer, channels) = IMAGE_SIZE // 4, self.channels
            x = self._dense(side * side * channels, "gelu")(x)
            x = layers.Reshape((side, side, channels), dtype=policy)(x)
            x = layers.Conv2DTranspose(fewer, 4, 2, padding="same", activation="gelu", dtype=policy)(x)
            x = layers.Conv2DTranspose(1, 4, 2, padding="same", dtype=policy)(x)
        else:
            x = self._dense(IMAGE_SIZE * IMAGE_SIZE)(self._residual(self._dense(self.width)(z)))
            x = layers.Reshape((IMAGE_SIZE, IMAGE_SIZE, 1), dtype=policy)(x)
        return keras.Model(z, layers.Activation("sigmoid", dtype="float32")(x), name="image_decoder")

    def _build_label_encoder(self):
        label = keras.Input((), dtype="int32", name="label")
        x = Embedding(LABELS, self.width, dtype=self.dtype_policy)(label)
        return self._latent(label, self._dense(self.width, "gelu")(self._norm()(x)), "label_encoder")

    def _build_label_decoder(self):
        z = keras.Input((self.latent_dim,), name="z")
        x = self._dense(self.width, "gelu")(self._norm()(self._dense(self.width)(z)))
        return keras.Model(z, self._dense(LABELS, dtype="float32")(x), name="label_decoder")

    def encode_image(self, image: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the posterior's mean and log-variance, each float32 (n, latent_dim), of images (n, 28, 28, 1)."""
        mean, log_var = self.image_encoder(ops.convert_to_tensor(image), training=training)
        return mean, losses.clip_log_var(log_var)

    def encode_label(self, label: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the posterior's mean and log-variance, each float32 (n, latent_dim), of labels int (n,)."""
        mean, log_var = self.label_encoder(ops.convert_to_tensor(label, "int32"), training=training)
        return mean, losses.clip_log_var(log_var)

    def decode_image(self, z: Tensor, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, 28, 28, 1) in [0, 1] for latents (n, latent_dim)."""
        return self.image_decoder(ops.convert_to_tensor(z), training=training)

    def decode_label(self, z: Tensor, training: bool = False) -> Tensor:
        """Gives logits float32 (n, 10) for latents (n, latent_dim)."""
        return self.label_decoder(ops.convert_to_tensor(z), training=training)

    def logit_scale(self) -> Tensor:
        """CLIP's learnable factor on cosines, at most 100."""
        return ops.exp(_AtMostTheCap()(self.log_scale))

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers."""
        return [self.sampling.seed_generator]

    def reparameterize(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """Draws z, float32 (n, latent_dim), from the posterior."""
        return self.sampling(mean, log_var)

    def noise(self, shape: tuple[int, ...], seed: int) -> np.ndarray:
        """The noise of a posterior's samples as it is in training, float32 of that shape, by NumPy."""
        rng = np.random.default_rng(seed)
        drawn = rng.random(shape) if self.original else rng.standard_normal(shape)
        return drawn.astype(np.float32)

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        image, label = inputs
        image_mean, image_log_var = self.encode_image(image, training)
        label_mean, label_log_var = self.encode_label(label, training)
        image_z = self.reparameterize(image_mean, image_log_var)
        label_z = self.reparameterize(label_mean, label_log_var)
        return (
            (self.decode_image(image_z, training), image_mean, image_log_var, image_z),
            (self.decode_label(label_z, training), label_mean, label_log_var, label_z),
        )

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        image, label = x
        (reconstruction, image_mean, image_log_var, image_z), (logits, label_mean, label_log_var, label_z) = y_pred
        pixels, dimensions = (IMAGE_SIZE**2, self.latent_dim) if self.original else (1, 1)
        pairs = losses.contrastive(image_z, label_z, self.logit_scale(), None if self.original else label)
        parts = {
            "contrastive": pairs,
            "image_kl": losses.kl_divergence(image_mean, image_log_var) / dimensions,
            "label_kl": losses.kl_divergence(label_mean, label_log_var) / dimensions,
            "image_bce": losses.bce(image, reconstruction) / pixels,
            "label_ce": keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True),
        }
        weights = self.term_weights
        if self.realism:
            parts |= self._criticism(image, label, label_z)
            # A critic that learns is no measure of epochs: the loss of validation goes without it.
            weights = weights | {"realism": self.realism if training else 0.0, "critic": 1.0 if training else 0.0}
        parts = {name: ops.mean(values) for name, values in parts.items()}
        losses.track(self.trackers, parts, ops.shape(image)[0])
        return sum(weights[name] * value for name, value in parts.items())

    def _criticism(self, image, label, label_z):
        """The critic's loss and the decoder's before it: three pictures in four of noise, the others of labels."""
        # At least one of a label, in a batch of one image too.
        of_labels = (ops.shape(image)[0] + 4) // 5
        noise = keras.random.normal((3 * of_labels, self.latent_dim), seed=self.sampling.seed_generator)
        label_means = ops.stop_gradient(self.encode_label(ops.arange(LABELS))[0])
        nearest = ops.argmax(ops.matmul(noise, ops.transpose(ops.normalize(label_means, axis=-1))), axis=-1)
        asked = ops.concatenate([ops.cast(nearest, label.dtype), label[:of_labels]])
        pictures = self.decode_image(ops.concatenate([noise, ops.stop_gradient(label_z[:of_labels])]), training=True)
        return {
            "realism": self.critic.convince(pictures, asked),
            "critic": self.critic.judge(image[: 4 * of_labels], label[: 4 * of_labels], pictures),
        }

    @classmethod
    def from_torch(cls, path: PathLike) -> "ClipVAE":
        """Makes the model that published PyTorch weights fit (https://github.com/phykn/clip-vae), with those weights.

        Raises:
            UserError: the file is not there, or holds other weights than a CLIP-VAE's.
        """
        state = published.read_state_dict(path)
        model = cls(**published.architecture_of(state, path), original=True)
        blocks = 1 if model.share_blocks else model.depth
        for name in published.NETWORKS:
            arrays = published.arrays_for(name, state, blocks, path)
            network = getattr(model, name)
            if [array.shape for array in arrays] != [tuple(weight.shape) for weight in network.weights]:
                raise UserError(f"{path} holds weights of other shapes than a CLIP-VAE's in its {name}.")
            network.set_weights(arrays)
        if "logit_scale" not in state:
            raise UserError(f"{path} lacks 'logit_scale'; it holds other weights than a CLIP-VAE's.")
        if state["logit_scale"].size != 1:
            raise UserError(f"{path} holds {state['logit_scale'].size} logit scales, not one.")
        model.log_scale.assign(state["logit_scale"].reshape(()))
        return model

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "latent_dim": self.latent_dim,
            "width": self.width,
            "depth": self.depth,
            "convolutional": self.convolutional,
            "share_blocks": self.share_blocks,
            "term_weights": self.term_weights,
            "realism": self.realism,
            "original": self.original,
        }
