"""Trains the encoder of photographs from another one: `python -m preprocess.photographs.train_encoder DATA --work ...`.

DATA are photographs that the other encoder, the teacher, has embedded with clip_wrapper.py. The student's text side
learns to say what the teacher's says of captions and of made-up sentences; its image side learns to say what the
teacher's says of images; and both learn, by CLIP's loss, to find each other.
"""

import argparse
import hashlib
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from preprocess.photographs.encoder import describe_images, write_weights
from preprocess.photographs.sentences import make_sentences, read_words
from preprocess.photographs.tokenizer import CONTEXT_LENGTH, tokenize
from preprocess.shards.info import DataInfo, read_info
from preprocess.shards.records import captions_of, embeddings_of, image_of, read_shard
from preprocess.utils.command import run_command
from preprocess.utils.datasets import untuned
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.files import atomic_path, write_json
from preprocess.utils.load import read_json
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_keras, import_tensorflow

# Sentences that are embedded by the teacher at a time, and how many of those are kept at once.
PART, KEPT = 2048, 32768
# Steps after which a training is kept.
EPOCH = 250
WARM_UP = 500
# What a folder's work was begun with.
MADE_FOR = "made_for.json"
# Of so many training photographs one counts for the patches' mean and deviation.
SOME = 24


def begin_work(folder: pathlib.Path, made_for: dict[str, Any]) -> None:
    """Makes a folder for a training, or checks that the one there is of the same.

    Raises:
        UserError: it holds something else, or the work of another training.
    """
    path, remedy = folder / MADE_FOR, f"name another --work than {folder}"
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        write_json(path, made_for)
    known = read_json(path, remedy, dict) if path.is_file() else {}
    if known != made_for:
        other = next((name for name in made_for if known.get(name) != made_for[name]), "something else")
        raise UserError(
            f"{folder} was not begun with this {other.replace('_', ' ')}; name another --work, or empty it."
        )


def check_lengths(images: int, epochs: int, batch: int) -> None:
    """Raises a UserError for a training that cannot be."""
    check_whole("epochs", epochs, WARM_UP // EPOCH + 1)
    check_whole("batch-size", batch, 2, images)


def read_pairs(info: DataInfo, split: str, path: pathlib.Path) -> dict[str, Any]:
    """A split's images and captions, kept in a file.

    Returns:
        {"features": float32 (n, 1328), "images": the teacher's, float32 (n, d), "captions": m strings, "texts": the
        teacher's, float32 (m, d), "ids": int (m,), which image each caption is of}.
    """
    if not path.is_file():
        _write_pairs(info, split, path)
    with np.load(path) as stored:
        return dict(stored)


def _write_pairs(info, split, path):
    features: list[np.ndarray] = []
    images: list[np.ndarray] = []
    texts: list[np.ndarray] = []
    captions: list[str] = []
    ids: list[int] = []
    with progress_bar(total=info.counts[split], desc=f"reading {split}", unit="image") as bar:
        for shard in info.paths(split):
            examples = list(read_shard(shard))
            features.append(describe_images(np.stack([image_of(example, 224) for example in examples]))[0])
            for example in examples:
                image, rows = embeddings_of(example)
                ids += [len(images)] * len(rows)
                images.append(image)
                texts.append(rows)
                captions += captions_of(example)
            bar.update(len(examples))
    with atomic_path(path) as partial:
        np.savez(
            partial, features=np.concatenate(features), images=np.stack(images), captions=captions,
            texts=np.concatenate(texts), ids=np.array(ids),
        )  # fmt: skip


def embed_sentences(info: DataInfo, sentences: list[str], path: pathlib.Path) -> np.ndarray:
    """What the teacher says of sentences, float16 (n, d); kept in a file, which an interruption leaves in part."""
    known = np.load(path) if path.is_file() else np.zeros((0, info.embedding_dim), np.float16)
    if len(known) < len(sentences):
        with info.encoder.open() as teacher, progress_bar(total=len(sentences), desc="teacher", unit="text") as bar:
            bar.update(len(known))
            while len(known) < len(sentences):
                rows = [known]
                for start in range(len(known), min(len(known) + KEPT, len(sentences)), PART):
                    rows.append(teacher.encode_texts(sentences[start : start + PART]).astype(np.float16))
                    bar.update(len(rows[-1]))
                known = np.concatenate(rows)
                with atomic_path(path) as partial:
                    np.save(partial, known)
    return known[: len(sentences)]


def steps_from(
    first: int, pairs: dict[str, Any], tokens: np.ndarray, taught: np.ndarray, batch: int
) -> Iterator[tuple[Any, Any]]:
    """Batches without end, from a step on: images with a caption each, and as many further sentences."""
    caption_tokens = tokenize(pairs["captions"])
    rows = [np.flatnonzero(pairs["ids"] == number) for number in range(len(pairs["images"]))]
    number = first
    while True:
        rng = np.random.default_rng([0, number])
        images = rng.choice(len(rows), batch, replace=False)
        captions = np.array([rng.choice(rows[image]) for image in images])
        more = rng.integers(0, len(tokens), batch)
        yield (
            (np.concatenate([caption_tokens[captions], tokens[more]]), pairs["features"][images]),
            (
                np.concatenate([pairs["texts"][captions], taught[more].astype(np.float32)]),
                pairs["images"][images],
            ),
        )
        number += 1


def train_student(
    pairs: dict[str, Any], tokens: np.ndarray, taught: np.ndarray, epochs: int, batch: int, policy: str,
    path: pathlib.Path,
) -> Any:  # fmt: skip
    """Trains a `Student`, or goes on with the one in a file. Returns it."""
    tf, keras = import_tensorflow(), import_keras()
    from preprocess.photographs.networks import Student

    if path.is_file():
        model = keras.models.load_model(path)
    else:
        keras.utils.set_random_seed(0)
        model = Student(policy)
        model.image.get_layer("standardise").adapt(pairs["features"])
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, epochs * EPOCH - WARM_UP, warmup_target=1e-3, warmup_steps=WARM_UP
        )
        model.compile(keras.optimizers.AdamW(schedule, weight_decay=0.05, global_clipnorm=1.0), jit_compile=False)
    done = int(model.optimizer.iterations) // EPOCH
    shapes = (((None, CONTEXT_LENGTH), tf.int32), ((None, pairs["features"].shape[1]), tf.float32))
    targets = ((None, taught.shape[1]), tf.float32)
    signature = tuple(tf.TensorSpec(*shape) for shape in shapes), (tf.TensorSpec(*targets), tf.TensorSpec(*targets))
    data = untuned(
        tf.data.Dataset.from_generator(
            lambda: steps_from(done * EPOCH, pairs, tokens, taught, batch), output_signature=signature
        )
    )

    def begin(epoch, logs):
        # Keras keeps no random numbers' state in files: each epoch has its own.
        model.image.get_layer("dropout").seed_generator.state.assign([0, epoch * EPOCH])

    def keep(epoch, logs):
        with atomic_path(path) as partial:
            model.save(partial)

    if done < epochs:
        keeping = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=keep)
        model.fit(
            data,
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=EPOCH,
            callbacks=[keeping],
            shuffle=False,
            verbose=2,
        )
    return model


def patch_statistics(info: DataInfo) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the deviation of each number of EfficientNet's last grid, (1280,), over some of the photographs."""
    chosen = [image_of(example, 224) for shard in info.paths("train") for example in list(read_shard(shard))[::SOME]]
    grids = describe_images(chosen)[1].astype(np.float64)
    # A number that is hardly ever other than 0 is not blown up.
    return grids.mean((0, 1, 2)), grids.std((0, 1, 2)) + 1e-3


def main() -> None:
    """The command; it leaves encoder.npz in the folder for its work."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.photographs.train_encoder")
    parser.add_argument("data", help="photographs that the teacher has embedded, by clip_wrapper.py")
    parser.add_argument("--wordnet", required=True, help="WordNet's folder, such as Debian's /usr/share/wordnet")
    parser.add_argument("--work", required=True, help="a folder for what the teacher says, and the student")
    parser.add_argument("--sentences", type=int, default=300_000, help="made-up ones (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=48, help=f"of {EPOCH} steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="images a step (default: %(default)s)")
    parser.add_argument("--precision", default="float32", help="a Keras dtype policy (default: %(default)s)")
    arguments = parser.parse_args()
    info, work = read_info(arguments.data), pathlib.Path(arguments.work)
    check_lengths(info.counts["train"], arguments.epochs, arguments.batch_size)
    begin_work(
        work,
        {
            "data": info.settings | {"weights": info.encoder.clip["weights_sha256"]},
            "wordnet": hashlib.sha256(repr(read_words(arguments.wordnet)).encode()).hexdigest(),
            **{name: getattr(arguments, name) for name in ("sentences", "epochs", "batch_size", "precision")},
        },
    )
    pairs = read_pairs(info, "train", work / "train.npz")
    sentences = list(make_sentences(list(pairs["captions"]), arguments.wordnet, arguments.sentences))
    taught = embed_sentences(info, sentences, work / "sentences.npy")
    student = train_student(
        pairs, tokenize(sentences), taught, arguments.epochs, arguments.batch_size, arguments.precision,
        work / "student.keras",
    )  # fmt: skip
    write_weights(student, *patch_statistics(info), work / "encoder.npz")
    print(f"Wrote {work / 'encoder.npz'}.")


if __name__ == "__main__":
    run_command(main)
