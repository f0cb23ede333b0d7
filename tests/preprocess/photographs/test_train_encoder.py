import shutil
import sys

import keras
import numpy as np
import pytest

from preprocess.photographs import encoder as photographs
from preprocess.photographs import train_encoder
from preprocess.photographs.encoder import PhotographEncoder, write_weights
from preprocess.photographs.networks import Student
from preprocess.photographs.tokenizer import tokenize
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError


@pytest.fixture(scope="module")
def pairs(embedded, tmp_path_factory):
    """What the drawn scenes' small CLIP, as a teacher, says of a few of them."""
    path = tmp_path_factory.mktemp("work") / "train.npz"
    found = train_encoder.read_pairs(read_info(embedded), "train", path)
    assert path.is_file()
    return found


def test_pairs_are_those_of_the_data_and_kept(pairs, embedded, tmp_path):
    info = read_info(embedded)
    count, captions = info.counts["train"], info.caption_counts["train"]
    assert pairs["features"].shape == (count, 1328) and pairs["images"].shape == (count, 512)
    assert pairs["texts"].shape == (captions, 512) and len(pairs["captions"]) == len(pairs["ids"]) == captions
    assert list(np.unique(pairs["ids"])) == list(range(count))


def test_an_interrupted_training_goes_on_to_the_same_student(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(train_encoder, "EPOCH", 2)
    monkeypatch.setattr(train_encoder, "WARM_UP", 1)
    sentences = ["a white ewe", "a foggy field", "an empty pasture", "a brown foal"]
    taught = np.eye(4, 512, dtype=np.float16)
    arguments = pairs, tokenize(sentences), taught

    def train(name):
        return train_encoder.train_student(*arguments, 2, 8, "float32", tmp_path / name)

    class Stop(Exception):
        pass

    callback = keras.callbacks.LambdaCallback

    def stopping(on_epoch_begin, on_epoch_end):
        def begin(epoch, logs):
            if epoch:
                raise Stop
            on_epoch_begin(epoch, logs)

        return callback(on_epoch_begin=begin, on_epoch_end=on_epoch_end)

    whole = train("whole.keras")
    with monkeypatch.context() as patched:
        patched.setattr(keras.callbacks, "LambdaCallback", stopping)
        with pytest.raises(Stop):
            train("halted.keras")
    halted = train("halted.keras")
    assert int(halted.optimizer.iterations) == 4
    # Adam makes steps of rounding errors where there is hardly a gradient, so that weights differ a little.
    keras.utils.set_random_seed(0)
    said, again, at_first = (
        np.asarray(student.text(arguments[1])) for student in (whole, halted, Student(whole.policy))
    )
    assert np.abs(said - again).mean() < 0.05 * np.abs(said - at_first).mean()


def test_what_cannot_be_trained_is_an_error(tmp_path):
    with pytest.raises(UserError, match="--epochs must be a whole number, 3 or more"):
        train_encoder.check_lengths(1000, 2, 128)
    with pytest.raises(UserError, match="--batch-size must be a whole number from 2 to 100"):
        train_encoder.check_lengths(100, 3, 128)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UserError, match="name another --work"):
        train_encoder.begin_work(tmp_path, {"epochs": 3})


def test_the_whole_command_and_the_encoder_that_comes_of_it(pairs, embedded, tmp_path, monkeypatch):
    wordnet = tmp_path / "wordnet"
    wordnet.mkdir()
    (wordnet / "data.noun").write_text("02411705 05 n 01 ewe 0 000 |\n04379243 06 n 01 table 0 000 |\n")
    (wordnet / "data.adj").write_text("00013887 00 a 01 foggy 0 000 |\n")
    monkeypatch.setattr(train_encoder, "EPOCH", 2)
    monkeypatch.setattr(train_encoder, "WARM_UP", 1)
    given = ["--wordnet", wordnet, "--work", tmp_path / "work", "--sentences", 9, "--epochs", 1, "--batch-size", 8]
    monkeypatch.setattr(sys, "argv", ["train_encoder", str(embedded), *map(str, given)])
    train_encoder.main()
    taught = np.load(tmp_path / "work" / "sentences.npy")
    assert taught.shape == (9, 512)
    with np.load(tmp_path / "work" / "encoder.npz") as written:
        assert written["patch_mean"].shape == (1280,) and (written["patch_deviation"] > 0).all()
    # What is done is not done again, for this training; for no other is it taken.
    with monkeypatch.context() as patched:
        patched.setattr("preprocess.embedding.process.EncoderRecord.open", lambda self: pytest.fail("was asked again"))
        train_encoder.main()
        for option, other in (("--sentences", 12), ("--epochs", 2)):
            patched.setattr(sys, "argv", [*sys.argv[:2], *map(str, given), option, str(other)])
            with pytest.raises(UserError, match=f"was not begun with this {option[2:]}; name another --work"):
                train_encoder.main()
    student = keras.models.load_model(tmp_path / "work" / "student.keras")
    path = tmp_path / "encoder.npz"
    write_weights(student, np.zeros(1280), np.ones(1280), path)
    monkeypatch.setattr(photographs, "WEIGHTS", path)
    for cached in (photographs._weights, photographs._sides):
        cached.cache_clear()
    try:
        embeddings = PhotographEncoder().encode_texts(["a white ewe"])
        np.testing.assert_allclose(embeddings, student.text(tokenize(["a white ewe"])), atol=5e-3)
    finally:
        for cached in (photographs._weights, photographs._sides):
            cached.cache_clear()
    shutil.rmtree(tmp_path / "work")
