import threading
import time

import numpy as np
import pytest

from cvae.app.limits import LARGEST_FILE, as_answer, checked_number, checked_prompt, drawing, opened_image, spoken
from preprocess.utils.errors import UserError
from tests.helpers import noise_jpeg

gradio = pytest.importorskip("gradio")


@pytest.mark.parametrize("prompt, said", [(None, "Write"), ("  \n ", "Write"), ("a " * 5000, "9,999 letters long")])
def test_prompts_that_cannot_be_drawn(prompt, said):
    with pytest.raises(UserError, match=said):
        checked_prompt(prompt)
    assert checked_prompt(" two  cows\nin snow ") == "two cows in snow"


@pytest.mark.parametrize("value", [None, "3", True, 0, 13, float("nan"), float("inf"), -1])
def test_numbers_that_cannot_be(value):
    with pytest.raises(UserError, match="from 1 to 12"):
        checked_number(value, "number of pictures", 1, 12)
    assert checked_number(4.0, "number of pictures", 1, 12) == 4


def test_what_is_uploaded_is_a_picture_of_no_more_than_20_mb(tmp_path):
    with pytest.raises(UserError, match="Choose a picture first"):
        opened_image(None)
    (tmp_path / "text.png").write_text("<script>")
    with pytest.raises(UserError, match="cannot be used as a picture"):
        opened_image(str(tmp_path / "text.png"))
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8" + bytes(LARGEST_FILE))
    with pytest.raises(UserError, match="more than 20 MB"):
        opened_image(str(tmp_path / "large.jpg"))
    with pytest.raises(UserError, match="not here any more"):
        opened_image(str(tmp_path / "gone.jpg"))
    (tmp_path / "small.jpg").write_bytes(noise_jpeg())
    assert opened_image(str(tmp_path / "small.jpg")).size == (80, 80)


def test_errors_are_sentences_in_the_pages_words(capsys):
    @spoken
    def refuses(value):
        raise UserError("--best-of 2 is fewer than --count 4; give more.")

    typed = "/home/somebody/secret"

    @drawing
    def breaks_down():
        yield np.ones(2)
        raise KeyError(typed)

    with pytest.raises(gradio.Error, match="^'Best of 2 is fewer than count 4; give more.'$"):
        refuses(1)
    steps = breaks_down()
    next(steps)
    with pytest.raises(gradio.Error) as found:
        next(steps)
    assert "Something went wrong" in found.value.message and "secret" not in found.value.message
    # The server's own log has where it was, and nothing that somebody may have typed.
    said = capsys.readouterr().err
    assert "breaks_down" in said and "KeyError" in said and "secret" not in said
    assert as_answer(MemoryError()).message.startswith("Memory ran out")
    gone = as_answer(FileNotFoundError(2, "No such file", "/home/somebody/x.npz")).message
    assert gone == "This machine cannot write or read something now; try again later."
    named = as_answer(UserError("/home/somebody/run.json is damaged; see https://host/a/b.")).message
    assert named == "Run.json is damaged; see https://host/a/b."


def test_one_draws_at_a_time_and_what_is_printed_is_shown(monkeypatch):
    shown, drawing_now = [], []
    monkeypatch.setattr(gradio, "Info", shown.append)

    @drawing
    def draw(number):
        for step in range(3):
            drawing_now.append(number)
            assert len(drawing_now) == 1
            time.sleep(0.01)
            drawing_now.pop()
            print(f"note: {number} took step {step}")
            yield step

    threads = [threading.Thread(target=lambda number=number: results.append(list(draw(number)))) for number in range(4)]
    results = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[0, 1, 2]] * 4 and len(shown) == 12 and "0 took step 0" in shown
