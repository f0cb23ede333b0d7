import keras
import numpy as np
import pytest

from preprocess.photographs.networks import COLOURS, FEATURES, Student, build_text_network
from preprocess.photographs.tokenizer import END, tokenize

rng = np.random.default_rng(0)


def unit(*shape):
    rows = rng.standard_normal(shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def student():
    keras.utils.set_random_seed(0)
    return Student()


def test_what_lies_behind_the_end_of_a_text_is_not_looked_at():
    keras.utils.set_random_seed(0)
    network = build_text_network()
    tokens = tokenize(["a cow", "white sheep on a mountain"])
    embeddings = np.asarray(network(tokens))
    assert embeddings.shape == (2, 512)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    behind = np.cumsum(np.cumsum(tokens == END, axis=1), axis=1) > 1
    np.testing.assert_allclose(network(np.where(behind, 77, tokens)), embeddings, atol=1e-5)
    assert np.abs(np.asarray(network(tokens[:, ::-1])) - embeddings).max() > 1e-3
    assert network.count_params() < 4_000_000


def test_a_student_that_says_what_the_teacher_says_has_only_clips_loss(student):
    said, seen = unit(6, 512), unit(4, 512)
    loss = float(student.compute_loss(y=(said, seen), y_pred=(said, seen)))
    logits = np.exp(3.0) * seen @ said[:4].T
    pairs = sum(np.mean(np.log(np.exp(rows).sum(1)) - np.diag(rows)) for rows in (logits, logits.T))
    assert loss == pytest.approx(0.1 * pairs, rel=1e-4)
    # Texts count 4 times, images once: the cosine to an opposite is -1.
    worse = float(student.compute_loss(y=(-said, -seen), y_pred=(said, seen)))
    assert worse - loss == pytest.approx(4 * 2 + 2, rel=1e-4)


def test_it_learns_and_its_file_loads(student, tmp_path):
    tokens = tokenize([f"a {colour} cow" for colour in ("red", "white", "black", "brown")] * 2)
    features = rng.standard_normal((4, FEATURES + COLOURS)).astype(np.float32)
    student.image.get_layer("standardise").adapt(features)
    student.compile(keras.optimizers.AdamW(3e-3), jit_compile=False)
    data = ((tokens, features), (np.tile(unit(4, 512), (2, 1)), unit(4, 512)))
    losses = [student.train_on_batch(*data, return_dict=True)["loss"] for _ in range(25)]
    assert losses[-1] < 0.6 * losses[0]
    student.save(tmp_path / "student.keras")
    again = keras.models.load_model(tmp_path / "student.keras")
    for one, other in zip(student((tokens, features)), again((tokens, features)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert int(again.optimizer.iterations) == 25
