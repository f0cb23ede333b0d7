import numpy as np

from cvae.systems.flow.batches import latent_batches
from cvae.systems.flow.conditions import Conditions
from cvae.systems.flow.latents import Latents
from cvae.training.settings import Settings
from tests.helpers import is_tuned

PATCHES = 4
GUESSES = -np.arange(1, 41, dtype=np.float32)[:, None] * np.ones(8, np.float32)


def make_latents(count=20, per_image=2):
    """Photographs whose grids and embeddings are their numbers, mirrored ones half a number more."""
    numbers = np.arange(count, dtype=np.float32)
    grids = np.stack([numbers, numbers + 0.5], axis=1)[..., None, None, None] * np.ones((2, 2, 3))
    embeddings = numbers[:, None] * np.ones(8, np.float32)
    ids = np.repeat(np.arange(count), per_image)
    patches = np.zeros((count, 1, 8, 8, 0), np.float16)
    return Latents(
        grids.astype(np.float16), embeddings.astype(np.float32), GUESSES[: len(ids)], ids, patches, np.zeros((count, 0))
    )


def batches(latents, first_epoch, epochs=1, size=8, **options):
    data = latent_batches(
        latents, Conditions(latents.embeddings, GUESSES), Settings(batch_size=size, **options), first_epoch
    )
    assert not is_tuned(data)
    steps = epochs * (len(latents.embeddings) // size) if first_epoch is not None else -1
    return [tuple(np.asarray(part) for part in batch[0]) for batch in data.take(steps)]


def test_half_are_conditioned_on_a_caption_of_their_own_others_each_epoch():
    latents = make_latents()
    seen, by_caption = {}, 0
    for grid, condition in batches(latents, 0, epochs=30):
        numbers = np.floor(grid[:, 0, 0, 0]).astype(int)
        for number, value in zip(numbers, condition[:, 0]):
            if value < 0:
                assert (-value - 1) // 2 == number
                by_caption += 1
            else:
                assert value == number
            seen.setdefault(number, set()).add(value)
    assert 0.4 < by_caption / (30 * 16) < 0.6
    # The photograph and both of its captions.
    assert np.mean([len(values) for values in seen.values()]) > 2.7


def test_half_are_mirrored_and_epochs_have_orders_of_their_own():
    latents = make_latents()
    first, second = (np.concatenate([grid[:, 0, 0, 0] for grid, _ in batches(latents, epoch)]) for epoch in (0, 1))
    assert 0 < np.mean(first % 1 == 0.5) < 1 and list(first) != list(second)
    assert len(set(np.floor(first))) == 16
    # What a resumed training sees.
    again = np.concatenate([grid[:, 0, 0, 0] for grid, _ in batches(latents, 0, epochs=2)])
    np.testing.assert_array_equal(again, np.concatenate([first, second]))


def test_half_are_cropped_and_have_the_patches_of_the_same_crop():
    numbers = np.arange(6, dtype=np.float16)
    # Two crops: each view is its number, and so are the patches of two views, which are each other's mirror images.
    grids = np.broadcast_to(numbers[None, :, None, None, None], (64, 6, 16, 16, 4))
    patches = np.broadcast_to(numbers[None, :3, None, None, None], (64, 3, 8, 8, PATCHES))
    ones = np.ones((64, 8), np.float32)
    latents = Latents(grids, ones, ones, np.arange(64), patches, np.zeros((64, 0)))
    data = latent_batches(latents, Conditions(ones, None), Settings(batch_size=64), first_epoch=0).take(8)
    views, own = (
        np.concatenate(parts) for parts in zip(*((batch[0][0][:, 0, 0, 0], batch[0][2][:, 0, 0]) for batch in data))
    )
    np.testing.assert_array_equal(views // 2, own)
    assert 0.42 < np.mean(own == 0) < 0.58 and set(views) == set(range(6))


def test_validation_has_all_photographs_as_they_are():
    latents = make_latents()
    found = batches(latents, None)
    np.testing.assert_array_equal(np.concatenate([grid[:, 0, 0, 0] for grid, _ in found]), np.arange(20))
    np.testing.assert_array_equal(np.concatenate([condition[:, 0] for _, condition in found]), np.arange(20))


def test_where_captions_alone_count_every_example_has_one():
    latents = make_latents()
    data = latent_batches(latents, Conditions(None, GUESSES), Settings(batch_size=4), first_epoch=0).take(5)
    for batch in data:
        grid, condition = (np.asarray(part) for part in batch[0])
        np.testing.assert_array_equal((-condition[:, 0] - 1) // 2, np.floor(grid[:, 0, 0, 0]))
    [(_, held_out)] = [
        batch[0] for batch in latent_batches(latents, Conditions(None, GUESSES), Settings(batch_size=20))
    ]
    np.testing.assert_array_equal(np.asarray(held_out)[:, 0], GUESSES[::2, 0])


def test_a_photograph_without_captions_is_conditioned_on_itself():
    latents = make_latents(per_image=0)
    assert all((condition >= 0).all() for _, condition in batches(latents, 0))


def test_patches_of_mirrored_photographs_are_mirrored():
    grids = np.zeros((8, 2, 16, 16, 4), np.float16)
    grids[:, 1] = 1
    patches = np.zeros((8, 1, 8, 8, PATCHES), np.float16)
    patches[:, :, :, 0] = 1  # the left column
    latents = Latents(
        grids, np.ones((8, 8), np.float32), np.ones((8, 8), np.float32), np.arange(8), patches, np.zeros((8, 0))
    )
    [batch] = latent_batches(latents, Conditions(latents.embeddings, None), Settings(batch_size=8), first_epoch=0).take(
        1
    )
    grid, _, own = (np.asarray(part) for part in batch[0])
    mirrored = grid[:, 0, 0, 0] == 1
    assert 0 < mirrored.sum() < 8
    columns = own.reshape(8, 8, 8, PATCHES)[:, 0, :, 0]
    np.testing.assert_array_equal(columns[:, 0], ~mirrored)
    np.testing.assert_array_equal(columns[:, -1], mirrored)
