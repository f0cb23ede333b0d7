"""The page in a real browser: every tab, wrong inputs, a phone's width, the keyboard. `make test-app`."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT, free_port, noise_jpeg

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytest.importorskip("gradio")
gradio_client = pytest.importorskip("gradio_client")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]
TABS = ("Prompt", "Between", "Photograph", "Faces", "Digits", "Models")
WIDTHS = {"desk": 1280, "phone": 390}
# Milliseconds for what takes a second or two on a machine that does nothing else.
PATIENCE = 180_000
EVIL = '<img src=x onerror="window.hurt = true"><script>window.hurt = true</script>'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page's address, its process's output, and its folder."""
    folder, port = tmp_path_factory.mktemp("app"), free_port()
    (folder / "tmp").mkdir()
    with open(folder / "said.txt", "w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "cvae", "app", "--preset", "photographs-64", "--port", str(port), "--quiet"],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE, stderr=said, text=True,
        )  # fmt: skip
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}/" in line, (folder / "said.txt").read_text()
        yield f"http://127.0.0.1:{port}/", folder
        process.terminate()
        process.wait(60)
    # Nothing of a person stays, and nothing that was typed is written down.
    kept = [path for path in folder.rglob("*") if re.search("jpg|png|gif|html", path.name)]
    assert kept == []
    said = (folder / "said.txt").read_text()
    assert "two cows" not in said and "window.hurt" not in said, said
    # Gradio's own log has tracebacks of requests that a browser gave up.
    assert not re.search(r'File "[^"]*/(cvae|preprocess)/', said), said


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(request, browser, server):
    """The page, at the width of a desk's screen, or of a phone where a test asks for it."""
    width = WIDTHS[getattr(request, "param", "desk")]
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(server[0])
    page.wait_for_selector("#prompt textarea")
    yield page
    page.close()


in_both_widths = pytest.mark.parametrize("page", WIDTHS, indirect=True)


@pytest.fixture
def photograph(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(noise_jpeg())
    return tmp_path / "photo.jpg"


def open_tab(page, name):
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.is_visible():
        tab.click()
    else:
        # On a phone the last ones are in a menu.
        page.locator(".overflow-menu > button").first.click()
        page.locator(".overflow-dropdown button", has_text=name).click()


def refused(page):
    """The sentence that the page answers with, which is closed."""
    toast = page.locator(".toast-body").first
    toast.wait_for()
    text = toast.inner_text()
    page.locator(".toast-close").first.click()
    toast.wait_for(state="detached")
    return text


def picture(page, place):
    """The first picture of a gallery, as the browser would save it."""
    shown = page.locator(f"{place} img").first
    shown.wait_for()
    return Image.open(io.BytesIO(page.request.get(shown.get_attribute("src")).body()))


@in_both_widths
def test_a_prompt_becomes_pictures_that_tell_what_drew_them(page):
    page.fill("#prompt textarea", f"two cows in the snow {EVIL}")
    page.click("#draw")
    page.wait_for_function("document.querySelector('#told textarea').value.includes('seconds')")
    found = picture(page, "#pictures")
    assert found.format == "PNG" and found.size == (64, 64)
    told = {name: found.text[name] for name in ("prompt", "seed", "model", "guidance", "steps", "picture")}
    assert float(told.pop("guidance")) == 6
    assert told == {
        "prompt": f"two cows in the snow {EVIL}", "seed": "0", "model": "photographs-64", "steps": "8",
        "picture": "1",
    }  # fmt: skip
    assert page.locator("#pictures img").count() == 4
    page.click("#more")
    assert "choose one of them" in refused(page)
    page.locator("#pictures img").nth(1).click()
    page.click("#more")
    page.wait_for_function("document.querySelector('#told textarea').value.includes('encoder')")
    assert np.ptp(np.asarray(picture(page, "#pictures"))) > 100
    assert page.evaluate("window.hurt") is None


def test_the_keyboard_is_enough(page):
    page.focus("#prompt textarea")
    page.keyboard.type("a white sheep")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Draw"
    page.keyboard.press("Enter")
    page.locator("#pictures img").first.wait_for()


def test_a_drawing_that_was_stopped_harms_nobody(page):
    page.fill("#prompt textarea", "a horse")
    page.click("#draw")
    page.locator("#pictures img").first.wait_for()
    page.click("#stop")
    page.locator("#chips button").first.click()
    playwright.expect(page.locator("#prompt textarea")).to_have_value("Cow in grass with blue sky")
    page.click("#draw")
    page.wait_for_function("document.querySelector('#told textarea').value.includes('seconds')")
    assert picture(page, "#pictures").text["prompt"] == "Cow in grass with blue sky"


def test_pressed_again_while_it_draws_it_draws_what_stands_there_then(page):
    page.fill("#prompt textarea", "a horse")
    page.click("#draw")
    page.locator("#pictures img").first.wait_for()
    page.fill("#prompt textarea", "a sheep")
    page.click("#draw")
    page.wait_for_function("/^a sheep[^]*seconds/.test(document.querySelector('#told textarea').value)")
    assert picture(page, "#pictures").text["prompt"] == "a sheep"


def test_between_two_prompts_a_slider_moves(page):
    open_tab(page, "Between")
    page.fill("#from textarea", f"a brown cow {EVIL}")
    page.click("#draw-between")
    frame, slider = page.locator("#between .frame"), page.locator("#between input[type=range]")
    frame.wait_for()
    before = frame.screenshot()
    slider.focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "15" and frame.screenshot() != before
    with page.expect_download() as saved:
        page.get_by_text("Save it as an animation").click()
    animation = Image.open(saved.value.path())
    assert animation.format == "GIF" and animation.n_frames == 30
    assert page.evaluate("window.hurt") is None


def test_a_photograph_is_changed(page, photograph):
    open_tab(page, "Photograph")
    page.set_input_files("#photograph input[type=file]", photograph)
    page.locator("#square img").wait_for()
    page.fill("#towards textarea", "in the snow")
    page.click("#change")
    page.wait_for_function("document.querySelectorAll('#varied img').length == 6")
    page.click("#vary")
    page.get_by_text("like it 4").wait_for()
    assert page.locator("#varied img").count() == 6


def test_faces_are_drawn_and_edited(page, photograph):
    open_tab(page, "Faces")
    page.click("#draw-faces")
    page.wait_for_function("document.querySelectorAll('#faces img').length == 4")
    page.set_input_files("#portrait input[type=file]", photograph)
    page.locator("#portrait .file-preview").wait_for()
    page.fill("#described textarea", "a young man with brown hair")
    page.click("#edit")
    assert "nothing to change" in refused(page).lower()
    page.locator("#add input").click()
    page.get_by_role("option", name="Eyeglasses").click()
    page.keyboard.press("Escape")
    page.click("#edit")
    page.wait_for_function("document.querySelectorAll('#edited img').length == 2")


@in_both_widths
def test_a_digit_is_read(page):
    open_tab(page, "Digits")
    page.click("#read")
    assert "Draw a digit first" in refused(page)
    page.locator("#digit-canvas").scroll_into_view_if_needed()
    box = page.locator("#digit-canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 40, y - 60)
    page.mouse.down()
    page.mouse.move(x + 40, y - 60, steps=8)
    page.mouse.move(x, y + 60, steps=8)
    page.mouse.up()
    page.click("#read")
    page.get_by_role("heading", name="Read as 7").wait_for()
    page.locator("#map img").wait_for()
    page.click("#draw-digit")
    page.wait_for_function("document.querySelectorAll('#digits img').length == 6")


def test_models_stand_side_by_side(page):
    open_tab(page, "Models")
    shown = page.inner_text("#models")
    about = json.loads((ROOT / "cvae/presets/photographs-128/about.json").read_text())
    assert "mnist-clip-vae" in shown and all(text in shown for text in ("photographs-128", *about["figures"].values()))
    page.get_by_role("button", name="Its card").click()
    page.get_by_text("What it is bad at").first.wait_for()
    page.click("#compare")
    page.wait_for_function(
        "document.querySelectorAll('#one img').length && document.querySelectorAll('#other img').length"
    )


@pytest.mark.parametrize("prompt, said", [("", "Write a prompt"), ("   ", "Write a prompt")])
def test_a_wrong_prompt_is_answered_in_a_sentence(page, prompt, said):
    page.fill("#prompt textarea", prompt)
    page.click("#draw")
    assert said in refused(page)


def test_a_prompt_of_ten_thousand_letters_is_refused(server):
    client = gradio_client.Client(server[0], verbose=False)
    with pytest.raises(Exception, match="10,000 letters"):
        client.predict("photographs-64", "a" * 10_000, 1, 6.0, 8, 0, 0, api_name="/draw_all")


def test_what_is_no_picture_is_answered_in_a_sentence(page, tmp_path):
    open_tab(page, "Photograph")
    page.click("#vary")
    assert "Choose a picture first" in refused(page)
    (tmp_path / "text.png").write_text("no picture")
    page.set_input_files("#photograph input[type=file]", tmp_path / "text.png")
    assert "cannot be used as a picture" in refused(page)
    page.reload()
    page.wait_for_selector("#prompt textarea")
    open_tab(page, "Photograph")
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(100 * 2**20)
    page.set_input_files("#photograph input[type=file]", tmp_path / "large.png")
    assert "maximum" in refused(page).lower()


@in_both_widths
def test_nothing_lies_beside_the_window(page):
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(500)
        assert page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth") <= 1, name


def test_the_queue_cannot_be_passed_by(server):
    body = json.dumps({"data": ["photographs-64", "a cow", 4, 6, 8, 0, 0]}).encode()
    for path in ("run/draw_all", "api/draw_all"):
        asked = urllib.request.Request(
            f"{server[0]}gradio_api/{path}", body, {"Content-Type": "application/json"}, method="POST"
        )
        with pytest.raises(urllib.error.HTTPError, match="40[1345]"):
            urllib.request.urlopen(asked, timeout=60)


def test_what_is_forged_is_refused(server):
    client = gradio_client.Client(server[0], verbose=False)
    good = ["photographs-64", "a cow", 1, 6.0, 8, 0, 0]
    for place, value in ((0, "../../etc"), (1, ""), (2, 100_000), (3, 1e9), (4, 10**9), (5, 500), (6, -1)):
        with pytest.raises(Exception) as refused:
            client.predict(*good[:place], value, *good[place + 1 :], api_name="/draw_all")
        assert "Traceback" not in str(refused.value)
    with pytest.raises(Exception, match="."):
        client.predict("photographs-64", {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, 0, 1, 0.5, 0.5,
                       api_name="/draw_variations")  # fmt: skip


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/pyproject.toml", "{folder}/said.txt"])
def test_no_file_of_the_machine_is_served(server, path):
    address, folder = server
    with pytest.raises(urllib.error.HTTPError, match="40[34]"):
        urllib.request.urlopen(f"{address}gradio_api/file={path.format(root=ROOT, folder=folder)}")
