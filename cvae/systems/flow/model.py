"""From a prompt to a picture by a flow in an autoencoder's latent space: unCLIP's idea at a coursework's scale."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from cvae.nn import replicas
from cvae.nn.flow_networks import MIDDLE
from cvae.nn.rectified_flow import RectifiedFlow
from cvae.nn.samplers import DEFAULT, SamplerOptions
from cvae.systems.flow.conditions import unit_conditions
from cvae.systems.flow.embedding_prior import EmbeddingPrior
from cvae.systems.flow.stages import shipped_autoencoder
from cvae.utils.arrays import further_noise, in_batches
from preprocess.embedding.patches import GRID
from preprocess.utils.types import Tensor

# The weight of pointing where patches do, and the width of the perceptron that does.
ALIGNED, HIDDEN = 0.5, 256


@keras.saving.register_keras_serializable("cvae")
class LatentFlow(RectifiedFlow):
    """A `RectifiedFlow` on the latents of an `Autoencoder`, conditioned on CLIP's embedding of the image, or on others.

    Latent diffusion (Rombach et al. 2022, arXiv 2112.10752) with the conditioning of unCLIP (Ramesh et al. 2022, arXiv
    2204.06125): a prior leads from a text's embedding to an image's, the flow from there to a latent, and the decoder
    to a picture.

    Trained on ((latent, embedding),) as `RectifiedFlow` is, or on ((latent, embedding, patches),); the autoencoder
    stays as it is. Patches are what an encoder says of the image's 8 x 8
    squares: in training the tokens after half of the blocks learn, through a perceptron, to point where those of their
    places do (REPA, Yu et al. 2024, arXiv 2410.06940), so that the transformer sooner knows what is where.

    Args:
        autoencoder: a trained `Autoencoder`, or the `SpatialVAE` of version 0.2 and before, which is made untrainable
            and becomes a part of the model and its file; or the name of one that comes along, which does not.
        image_size: pixels, a multiple of 32; None for the `SpatialVAE`'s. Others: see `RectifiedFlow`. The length of
            the noise in conditions is best the embedding prior's error, see `EmbeddingPrior.error`: longer noise hides
            what prompts say, with shorter noise pictures follow the prior's mistakes.
        patch_dim: numbers of a patch, 0 for none.
        condition: one of `preprocess.shards.read.CONDITIONS`. attributes: how many of the condition's numbers, the
            first ones, are attributes.
        options: {name: value} of `cvae.nn.samplers.SamplerOptions` that pictures are drawn with where nothing else is
            asked for, in place of its own. What conditions say clearly wants less guidance.

    Attributes:
        options: of the sampler, where none are given.
        prior: for "image" the `EmbeddingPrior`, from texts' embeddings to images'; files of version 0.1 name it so.
        latent_dim: size of a latent.
    """

    def __init__(
        self,
        autoencoder,
        condition_dim,
        width=256,
        depth=8,
        condition_noise=1.0,
        image_size=None,
        patch_dim=0,
        condition="image",
        attributes=0,
        options=None,
        **kwargs,
    ):
        self.shipped = autoencoder if isinstance(autoencoder, str) else None
        stage = shipped_autoencoder(autoencoder) if self.shipped else autoencoder
        image_size = image_size or stage.image_size
        super().__init__(stage.grid_of(image_size), condition_dim, width, depth, condition_noise, **kwargs)
        if not self.shipped:
            self.autoencoder = autoencoder
            self.autoencoder.trainable = False
        self.condition = condition
        self.attributes = attributes
        self.options = SamplerOptions(**options or {})
        if condition == "image":
            self.prior = EmbeddingPrior(condition_dim, dtype="float32")
        self.image_size = image_size
        self.latent_dim = int(np.prod(self.shape))
        self.patch_dim = patch_dim
        if patch_dim:
            middle = self.network.get_layer(MIDDLE).output
            self.aligned = keras.Model(self.network.inputs, [self.network.output, self._pointing(middle)])
            self.alignment = keras.metrics.Mean(name="alignment")

    def _stage(self):
        # A function, since the file of a model has what its attributes hold.
        return shipped_autoencoder(self.shipped) if self.shipped else self.autoencoder

    def _pointing(self, tokens):
        if (side := math.isqrt(tokens.shape[1])) > GRID:
            policy = {"dtype": self.dtype_policy}
            tokens = layers.Reshape((side, side, tokens.shape[-1]), **policy)(tokens)
            tokens = layers.AveragePooling2D(side // GRID, **policy)(tokens)
            tokens = layers.Reshape((GRID * GRID, tokens.shape[-1]), **policy)(tokens)
        hidden = layers.Dense(HIDDEN, "relu", dtype=self.dtype_policy, name="align_hidden")(tokens)
        return layers.Dense(self.patch_dim, dtype="float32", name="align")(hidden)

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        data, condition, *patches = inputs
        if not patches:
            return super().call(inputs, training)
        question, target = self.ask(data, condition)
        velocity, pointing = self.aligned(question, training=training)
        return velocity, target, ops.normalize(pointing, axis=-1), ops.cast(patches[0], "float32")

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        velocity, target, *aligned = y_pred
        loss = super().compute_loss(y_pred=(velocity, target))
        if not aligned:
            return loss
        pointing, patches = aligned
        missed = 1 - ops.mean(ops.sum(pointing * ops.normalize(patches, axis=-1), axis=-1))
        self.alignment.update_state(missed, sample_weight=ops.shape(velocity)[0])
        # Validation is of the velocity alone.
        return loss + replicas.share_loss(ALIGNED * missed) if training else loss

    def encode(self, image: Tensor, embedding: Tensor = None, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the latents' mean and log-variance, each float32 (n, *shape), for images in [0, 1]."""
        return self._stage().encode(image)

    def decode(self, z: Tensor, embedding: Tensor = None, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1] for latents (n, *shape)."""
        return self._stage().decode(z)

    @property
    def embedding_prior(self) -> EmbeddingPrior:
        """The `EmbeddingPrior`; Keras finds it by this name first, and so do files since version 0.2."""
        return self.prior

    def example(self, image: Tensor, embedding: Tensor) -> Any:
        """What `fit` and `evaluate` take of an image and its embedding."""
        return ((ops.convert_to_tensor(self.encode(image)[0]), embedding),)

    def draw(self, noise: Tensor, texts: Tensor, options: Any = None, prior: str | None = None) -> np.ndarray:
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1].

        Args:
            noise: float32 (n, latent_dim), Gaussian. texts: float32 (n, c), embeddings of prompts, or attributes, 0 or
                1, or those and then embeddings.
            options: of the sampler, by default the model's. prior: which embedding prior, see `EmbeddingPrior`; by
                default its own.
        """
        return self.draw_embeddings(noise, self.guess(noise, texts, prior), options)

    def guess(self, noise: Tensor, texts: Tensor, prior: str | None = None) -> np.ndarray:
        """The conditions that texts lead to, float32 (n, c): for "image", embeddings of images.

        Noise counts where the embedding prior draws them.
        """
        if self.condition != "image":
            return unit_conditions(texts, self.attributes)
        further = further_noise(noise, self.condition_dim)
        return np.asarray(self.prior(ops.convert_to_tensor(texts), further, kind=prior))

    def draw_embeddings(self, noise: Tensor, embeddings: Tensor, options: Any = None) -> np.ndarray:
        """As `draw`, for what `guess` gives."""
        noise = np.reshape(noise, (-1, *self.shape))
        return in_batches(lambda z, own: self.decode(self.sample(z, own, options or self.options)), noise, embeddings)

    def draw_in_steps(self, noise: Tensor, embeddings: Tensor, options: Any = None) -> Iterator[np.ndarray]:
        """As `draw_embeddings`, yielding after each step the pictures that it leads to; the last are what is drawn."""
        noise = np.reshape(noise, (-1, *self.shape))
        for z in self.sample_in_steps(noise, embeddings, options or self.options):
            yield np.asarray(self.decode(z))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["shape"]
        autoencoder = self.shipped
        if not autoencoder:
            autoencoder = keras.saving.serialize_keras_object(self.autoencoder)
            # Built as untrainable, it would not hand that on to its layers.
            autoencoder["config"]["trainable"] = True
        return config | {
            "autoencoder": autoencoder,
            "image_size": self.image_size,
            "patch_dim": self.patch_dim,
            "condition": self.condition,
            "attributes": self.attributes,
            "sampling": {
                name: value
                for name, value in dataclasses.asdict(self.options).items()
                if value != getattr(DEFAULT, name)
            },
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        autoencoder = config["autoencoder"]
        if not isinstance(autoencoder, str):
            autoencoder = keras.saving.deserialize_keras_object(autoencoder)
        older = dict(config.pop("options", None) or {})
        # Files that have options were saved while every flow was drawn by Euler's method: nobody chose it.
        older.pop("sampler", None)
        options = config.pop("sampling", older)
        return super().from_config(config | {"autoencoder": autoencoder, "options": options})
