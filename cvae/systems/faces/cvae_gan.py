"""A CVAE of portraits with a critic, which draws sharper than one trained on pixels alone."""

import types

import keras
from keras import ops

from cvae.nn.frozen import call_frozen
from cvae.systems.faces.cvae import AttributeCVAE
from cvae.systems.faces.networks import build_critic
from preprocess.utils.types import Tensor


@keras.saving.register_keras_serializable("cvae")
class ClipCVAEGAN(AttributeCVAE):
    """`AttributeCVAE` whose decoder is a GAN's generator (Larsen et al. 2016, arXiv 1512.09300; Bao et al. 2017).

    A conditional critic compares portraits with reconstructions and with pictures drawn from noise. Reconstructions
    are brought near to their portraits in the critic's features as well as in their pixels, and all pictures are to
    pass for portraits of their condition. The critic is also shown portraits with others' conditions, as wrong ones
    (Reed et al. 2016, arXiv 1605.05396). Both learn in the same step of plain `fit` and by one optimiser, which keeps
    the state of each weight: `stop_gradient` parts them.

    Logs bce, kl, ssim, "features" (the distance there, 1 being that of unrelated portraits), "realism" (the critic's
    score of pictures, with a minus) and "critic", its own hinge loss (Lim and Ye 2017, arXiv 1705.02894), 4 before it
    has learned anything and 0 at least. Their sum, "loss", is of opponents and says little.

    Args: as `AttributeCVAE`.
    """

    # So that features and realism weigh, together, about as much as the 200 nats that pixels have left to gain when
    # the rough picture is there; the critic, having its own weights, could have any.
    part_weights = types.MappingProxyType(
        {**AttributeCVAE.part_weights, "features": 100.0, "realism": 20.0, "critic": 1.0}
    )

    def __init__(self, condition_dim, latent_dim=128, width=1.0, **kwargs):
        super().__init__(condition_dim, latent_dim, width, **kwargs)
        self.critic = build_critic(condition_dim, width, self.dtype_policy)

    def loss_parts(self, x: Tensor, y_pred: Tensor, training: bool) -> dict[str, Tensor]:
        image, condition = x
        reconstruction, mean, _ = y_pred
        z = keras.random.normal(ops.shape(mean), dtype="float32", seed=self.sampling.seed_generator)
        pictures = ops.concatenate([reconstruction, self.decode(z, condition, training=training)])
        parts = super().loss_parts(x, y_pred, training) | self._convince(image, pictures, condition)
        return parts | {"critic": self._criticise(image, ops.stop_gradient(pictures), condition)}

    def _convince(self, image, pictures, condition):
        """The losses of reconstructions and drawn pictures (2n, 64, 64, 3) before a critic that stays as it is."""
        images, conditions = ops.concatenate([image, pictures]), ops.concatenate([condition] * 3)
        scores, features = call_frozen(self.critic, [images, conditions])
        real, reconstructed, _ = ops.split(ops.cast(features, "float32"), 3)
        # Of equal portraits, which are no measure, a little of their own size.
        spread = ops.sum(ops.var(real, axis=0)) + 0.01 * ops.mean(ops.sum(ops.square(real), axis=-1)) + 1e-6
        # Two unrelated portraits lie twice the variance apart.
        distance = ops.mean(ops.sum(ops.square(real - reconstructed), axis=-1)) / (2 * spread)
        return {"features": distance, "realism": -ops.mean(scores[ops.shape(image)[0] :])}

    def _criticise(self, image, pictures, condition):
        """The critic's hinge loss, of portraits, portraits with others' conditions, and pictures."""
        images = ops.concatenate([image, image, pictures])
        others = ops.roll(condition, 1, axis=0)
        count = ops.shape(image)[0]
        conditions = ops.concatenate([condition, others, condition, condition])
        scores = self.critic([images, conditions])[0][:, 0]
        real, mismatched, drawn = scores[:count], scores[count : 2 * count], scores[2 * count :]
        wrong = ops.any(condition != others, axis=-1)
        return (
            2 * ops.mean(ops.relu(1 - real))
            + ops.mean(ops.where(wrong, ops.relu(1 + mismatched), 0.0))
            + ops.mean(ops.relu(1 + drawn))
        )
