"""Training a flow on latents: its autoencoder first where it has one of its own, the latents once, then the flow."""

import pathlib
from collections.abc import Mapping
from typing import Any

from cvae.registry import find_variant
from cvae.runs import Run
from cvae.systems.flow.batches import latent_batches
from cvae.systems.flow.conditions import conditions_of
from cvae.systems.flow.init import begin_with, check_init
from cvae.systems.flow.latents import encode_latents, read_latents
from cvae.systems.flow.stages import OWN, PRESET, SHIPPED, check_autoencoder, open_autoencoder, shipped_autoencoder
from cvae.training.shard_task import ShardTask
from preprocess.utils.quiet import import_keras

# The token dimension, for a width of 1, and the number of blocks, for one of a half or more.
WIDTH, DEPTH = 512, 8
# The EMA window of the weights, as a share of training.
AVERAGED = 0.05
# How drawn scenes are drawn, whose captions say nearly all that is to be seen: of 192 pictures of 64 px, by a flow that
# began with pasture-128, 99.3 % of the attributes are right by this guidance, 98.7 % by that of photographs, 96.6 % by
# none.
DRAWN_OPTIONS = {"guidance": 3.0, "interval": (0.0, 1.0)}
# What the autoencoder takes over from the flow's settings; the first, for which it has its own, only where given.
RATES = ("epochs", "learning_rate", "decay")
SHARED = (*RATES, "width", "seed", "precision")


class FlowTask(ShardTask):
    """See `cvae.training.task.Task`; `data` is a folder that clip_wrapper.py made."""

    shares_batches = True

    def __init__(self, variant_name: str, data: str | pathlib.Path | None, given: Mapping[str, Any]) -> None:
        if given.get("init") and given.get("width") is None:
            # Weights of another width would not fit. A training that goes on has its own, and needs the other no more.
            given = {**given, "width": Run(given["init"]).settings["width"]}
        super().__init__(variant_name, data, given)

    def check_options(self) -> None:
        check_autoencoder(self.options.get("autoencoder", SHIPPED))
        if init := self.options.get("init"):
            check_init(Run(init), self.info, self.variant.condition, self.settings.width)

    def train_earlier_stages(self, run: Run) -> None:
        # Version 0.2 had no options: each flow had an autoencoder of its own.
        choice = run.config.get("options", {"autoencoder": OWN}).get("autoencoder", SHIPPED)
        latents = run.folder / "latents"
        stage = open_autoencoder(run, choice, self.info.folder, self._autoencoder_settings(), latents, self.devices)
        if choice == SHIPPED:
            self.autoencoder, model = PRESET, shipped_autoencoder(PRESET)
        else:
            self.autoencoder = model = stage.model()
        # Of drawn images there can be as many as one wants.
        crops = 0 if self.info.drawn_by else self.variant.crops
        encode_latents(model, stage.find_model(), self.info, latents, self.variant.image_size, crops)
        self.latents = {split: read_latents(self.info, latents, split) for split in ("train", "val")}
        self.prior = self._fit_prior() if self.variant.condition == "image" else None

    def _fit_prior(self) -> Any:
        import_keras()
        from cvae.systems.flow.embedding_prior import EmbeddingPrior

        known = self.latents["train"]
        prior = EmbeddingPrior(self.info.embedding_dim, dtype="float32")
        prior.fit(known.texts, known.embeddings, known.ids)
        return prior

    def _autoencoder_settings(self) -> dict[str, Any]:
        given = {name: getattr(self.settings, name) for name in SHARED}
        given["batch_size"] = min(self.settings.batch_size, find_variant(PRESET).batch_size)
        return {name: value for name, value in given.items() if name not in RATES or name in self.given}

    def build(self) -> Any:
        from cvae.nn.optimizers import Adam, scaled
        from cvae.nn.precision import best_policy, wants_xla
        from cvae.systems.flow.model import LatentFlow

        condition, settings = self.variant.condition, self.settings
        latents, held_out = self.latents["train"], self.latents["val"]
        width = max(64, round(WIDTH * settings.width / 64) * 64)
        depth = max(2, round(DEPTH * min(1, 2 * settings.width)))
        policy = settings.precision or best_policy()
        model = LatentFlow(
            self.autoencoder, self.info.condition_dim(condition), width, depth, 0.0, self.variant.image_size,
            latents.patches.shape[-1], condition, latents.attributes.shape[1] if condition != "text" else 0,
            options=DRAWN_OPTIONS if self.info.drawn_by else self.variant.options, side=self.variant.side, dtype=policy,
        )  # fmt: skip
        model.adapt(latents.grids[:, 0])
        if self.prior:
            model.prior.set_weights(self.prior.get_weights())
            model.condition_noise = self.prior.error(held_out.texts, held_out.embeddings, held_out.ids)
        momentum = 1 - 1 / max(2, AVERAGED * settings.epochs * self.steps)
        if "init" in self.options:
            begin_with(model, Run(self.options["init"]))
        optimizer = Adam(settings.learning_rate, 0.9, 0.99, use_ema=True, ema_momentum=momentum)
        model.compile(scaled(optimizer, model), jit_compile=wants_xla())
        return model

    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        latents, in_training = self.latents[split], split == "train"
        conditions = conditions_of(latents, self.variant.condition, self.prior if in_training else None)
        return latent_batches(latents, conditions, self.settings, first_epoch if in_training else None)

    def callbacks(self, run: Run) -> list[Any]:
        from cvae.nn.ema import AverageWhenValidating

        return [AverageWhenValidating(), *super().callbacks(run)]
