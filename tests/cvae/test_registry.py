import json

import numpy as np
import pytest

import cvae.systems
from cvae import cli, registry
from cvae.registry import Option, all_variants, find_systems, find_variant, resolve
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_keras

# A whole system: it learns the mean colour of its data, and draws that, lighter for longer prompts.
TINY = {
    "__init__.py": '''
"""A system that draws one colour."""
import dataclasses
from cvae.registry import Option, System, Variant


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinyVariant(Variant):
    task = "cvae.systems.tiny.task:TinyTask"
    condition_prompts = "cvae.systems.tiny.draw:lengths"


SYSTEM = System(
    name="tiny",
    about="one colour",
    variants={"tiny-mean": TinyVariant(image_size=8, conditioned_on="a text's length", epochs=2, batch_size=4)},
    models=("cvae.systems.tiny.model",),
    commands={"generate": "cvae.sampling.generate:generate", "evaluate": "cvae.systems.tiny.draw:evaluate"},
    image_commands={"vary": ("cvae.systems.tiny.draw:vary", "lighten an image")},
    options={"evaluate": (Option("shades", "how many", type=int, least=1, most=9),)},
)
''',
    "model.py": '''
import keras
from keras import ops


@keras.saving.register_keras_serializable("cvae")
class Colour(keras.Model):
    latent_dim = 1

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.colour = self.add_weight(shape=(3,), initializer="zeros", name="colour")
        self.built = True

    seed_generators = ()

    def call(self, inputs):
        return ops.zeros_like(inputs) + self.colour

    def draw(self, noise, condition):
        return ops.broadcast_to(self.colour[None, None, None] * condition[:, None, None], (len(noise), 8, 8, 3))
''',
    "task.py": '''
import numpy as np
from cvae.training.task import Task
from preprocess.utils.quiet import import_keras, import_tensorflow


class TinyTask(Task):
    def open_data(self, data):
        self.rows = np.loadtxt(data, np.float32)
        return len(self.rows), {"data": str(data)}

    def has_data_of(self, run):
        return run.config["data"] == self.config["data"]

    def check_data(self):
        pass

    def build(self):
        import_keras()
        from cvae.nn.optimizers import Adam
        from cvae.systems.tiny.model import Colour

        model = Colour()
        model.compile(Adam(self.settings.learning_rate), loss="mse")
        return model

    def dataset(self, split, first_epoch=0):
        tf = import_tensorflow()
        rows = tf.data.Dataset.from_tensors((self.rows[:4], self.rows[:4]))
        return rows.repeat() if split == "train" else rows
''',
    "draw.py": '''
import numpy as np
from cvae.evaluation.report import Report
from cvae.sampling.pictures import Pictures


def lengths(prompts, variant, encode_texts):
    return np.array([[len(prompt) / 100] for prompt in prompts], np.float32)


def vary(run, image):
    return Pictures(np.ones((1, 2, 8, 8, 3)), ["lighter"])


def evaluate(run, data, count, seed, shades=1):
    colour = float(np.mean(run.model().colour))
    text = f"mean colour {colour:.3f}, {shades} shades"
    return Report({"variant": run.variant_name, "colour": colour}, text, "nowhere")
''',
}  # fmt: skip


@pytest.fixture
def fifth_system(tmp_path, monkeypatch):
    """A further system in a folder of its own, found as those in `cvae/systems` are."""
    folder = tmp_path / "systems" / "tiny"
    folder.mkdir(parents=True)
    for name, text in TINY.items():
        (folder / name).write_text(text.lstrip())
    monkeypatch.setattr(cvae.systems, "__path__", [*cvae.systems.__path__, str(tmp_path / "systems")])
    registry.find_systems.cache_clear()
    yield
    registry.find_systems.cache_clear()
    # Keras would know its model in other tests of this process.
    import_keras().saving.get_custom_objects().pop("cvae>Colour", None)


def run_command_line(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["cvae", *map(str, arguments)])
    cli.main()
    return capsys.readouterr().out


def test_a_fifth_system_trains_generates_and_evaluates_by_the_command_line(fifth_system, tmp_path, monkeypatch, capsys):
    np.savetxt(tmp_path / "colours.txt", np.full((8, 3), 0.5))
    run = ("--run", tmp_path / "run")
    train = ("train", "--variant", "tiny-mean", "--data", tmp_path / "colours.txt", *run, "--learning-rate", 0.1)
    assert "Trained tiny-mean for 2 epochs" in run_command_line(monkeypatch, capsys, *train, "--precision", "float32")
    again = run_command_line(monkeypatch, capsys, "train", "--resume", *run)
    assert again.startswith("tiny-mean was trained already for 2 epochs") and "larger --epochs" in again
    drawn = run_command_line(monkeypatch, capsys, "generate", *run, "grey", "a longer prompt", "--count", 2)
    assert "2 pictures for each of 2 prompts" in drawn
    assert len(list((tmp_path / "run" / "generated" / "1").glob("0*.png"))) == 4
    measured = run_command_line(monkeypatch, capsys, "evaluate", *run, "--shades", 3)
    assert "mean colour" in measured and "3 shades" in measured
    assert "tiny-mean" in run_command_line(monkeypatch, capsys, "variants")
    assert "Drew 1 picture beside" in run_command_line(monkeypatch, capsys, "vary", *run, "photo.jpg")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["variant"] == "tiny-mean"
    with pytest.raises(SystemExit) as end:
        run_command_line(monkeypatch, capsys, "generate", *run, "grey", "--guidance", 3)
    assert (
        end.value.code == 2
        and "--guidance is for the faces and the flow, not for a tiny-mean" in capsys.readouterr().err
    )


def test_what_a_system_names_is_there():
    for system in find_systems():
        for reference in (*system.commands.values(), *(where for where, _ in system.image_commands.values())):
            assert callable(resolve(reference)), reference
        for variant in system.variants.values():
            assert callable(resolve(variant.task)) and callable(resolve(variant.open_drawer))
            assert variant.condition_prompts is None or callable(resolve(variant.condition_prompts))
            assert variant.least_steps > 0 and variant.conditioned_on


def test_four_systems_and_their_variants():
    assert [system.name for system in find_systems()] == ["coursework", "digits", "faces", "flow"]
    assert len(all_variants()) == sum(len(system.variants) for system in find_systems()) == 28
    with pytest.raises(UserError, match="no variant '64-imag'; did you mean 64-image"):
        find_variant("64-imag")


def test_an_option_says_what_it_can_be():
    option = Option("guidance", "", type=float, least=0, most=20)
    option.check(3.0, "64-flow")
    with pytest.raises(UserError, match="--guidance must be a number from 0 to 20"):
        option.check(-1.0, "64-flow")
    Option("shift", "", type=float).check(-1.0, "64-flow")
    with pytest.raises(UserError, match="--shift must be a number, 2 at most"):
        Option("shift", "", type=float, most=2).check(3.0, "64-flow")
    with pytest.raises(UserError, match="--best-of must be a whole number, 1 or more"):
        Option("best_of", "", type=int, least=1).check(True, "64-flow")
    with pytest.raises(UserError, match="--prior of a 64-flow must be one of: none, mean"):
        Option("prior", "", choices=("none", "mean")).check("other", "64-flow")


@pytest.mark.parametrize("command", ["generate", "evaluate", "vary"])
def test_a_variant_that_lacks_a_command_says_which_have_it(command):
    system = registry.system_of("64-autoencoder")
    with pytest.raises(UserError, match=f"64-autoencoder has no `{command}`; name a run of what has it: .*64-flow"):
        system.command(command, "64-autoencoder")
    assert "64-autoencoder" not in registry.variants_with(command)
    assert "celeba-wgan-gp" not in registry.variants_with("edit")
