import pytest

from cvae.registry import all_variants, find_variant
from cvae.training.settings import (
    EPOCH_STEPS,
    SMALLEST_BATCH,
    Settings,
    check_given,
    describe_defaults,
    settings_for,
    warn_of_few_steps,
)
from preprocess.utils.errors import UserError


@pytest.mark.parametrize("name", list(all_variants()))
@pytest.mark.parametrize("count", [40, 300, 1028, 5000, 100_000])
def test_defaults_follow_the_data_and_never_train_for_nothing(name, count):
    variant = find_variant(name)
    settings = settings_for(variant, {}, count)
    assert settings.epochs * (count // settings.batch_size) >= variant.least_steps
    assert settings.epochs >= variant.epochs and settings.batch_size <= variant.batch_size
    assert settings.batch_size >= min(SMALLEST_BATCH, variant.batch_size)
    # Halved only where an epoch would be short.
    if settings.batch_size < variant.batch_size:
        assert count // (2 * settings.batch_size) < EPOCH_STEPS


def test_where_data_are_many_a_variant_keeps_its_own():
    variant = find_variant("64-flow")
    assert settings_for(variant, {}, 100_000) == Settings(100, 64, 1e-3, decay=True)
    assert settings_for(find_variant("128-image"), {}, 3000) == Settings(25, 32, 5e-4)
    assert "100 epochs" in describe_defaults(variant) and "batches of 64" in describe_defaults(variant)


def test_what_is_given_counts_and_a_note_says_where_it_is_too_little(capsys):
    variant = find_variant("64-flow")
    settings = settings_for(variant, {"epochs": 5, "batch_size": 64}, 1028)
    assert (settings.epochs, settings.batch_size) == (5, 64)
    warn_of_few_steps(variant, settings, 1028 // 64)
    assert "are 80 steps in all. Below 3,000 steps" in capsys.readouterr().out
    # A batch that is as small as can be is not to be made smaller.
    warn_of_few_steps(variant, settings_for(variant, {"epochs": 1, "batch_size": SMALLEST_BATCH}, 1028), 128)
    assert capsys.readouterr().out.endswith("give more --epochs.\n")
    default = settings_for(variant, {}, 1028)
    warn_of_few_steps(variant, default, 1028 // default.batch_size)
    assert capsys.readouterr().out == ""


def test_a_learning_rate_falls_and_warms_up_again_where_training_was_lengthened():
    whole = Settings(epochs=4, learning_rate=1.0, decay=True)
    assert [whole.learning_rate_of(epoch) for epoch in range(4)] == pytest.approx([1, 0.854, 0.5, 0.146], abs=1e-3)
    longer = Settings(epochs=8, learning_rate=1.0, decay=True, extended=(4,))
    rates = [longer.learning_rate_of(epoch) for epoch in range(8)]
    # What was trained before is as it was; then half a rate to warm up, and the same fall.
    assert rates == pytest.approx([1, 0.854, 0.5, 0.146, 0.5, 0.854, 0.5, 0.146], abs=1e-3)
    assert {Settings(learning_rate=0.1).learning_rate_of(epoch) for epoch in range(9)} == {0.1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "--epochs must be a whole number, 1 or more"),
        ({"batch_size": 1}, "--batch-size"),
        ({"width": 5}, "--width must be a number above 0, 4 at most"),
        ({"learning_rate": "fast"}, "--learning-rate"),
        ({"seed": 2**31}, "--seed must be below"),
        ({"precision": "float8"}, "--precision must be one of"),
        ({"epoch": 3}, "there is no setting epoch"),
    ],
)
def test_values_that_cannot_be_give_one_sentence(given, message):
    with pytest.raises(UserError, match=message):
        check_given(given)
