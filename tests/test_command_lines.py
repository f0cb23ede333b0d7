"""What holds for every command."""

import pytest

import cvae
from tests.helpers import ROOT, command

COMMANDS = [
    [ROOT / "offline_preprocess.py"],
    [ROOT / "clip_wrapper.py"],
    ["-m", "preprocess.pasture"],
    ["-m", "preprocess.pasture.train_clip"],
    ["-m", "cvae"],
    ["-m", "cvae", "train"],
    ["-m", "cvae", "generate"],
    ["-m", "cvae", "evaluate"],
    ["-m", "cvae", "compare"],
    ["-m", "cvae", "study"],
    ["-m", "cvae", "win-rates"],
    ["-m", "cvae", "gallery"],
    ["-m", "cvae", "variants"],
    ["-m", "cvae", "edit"],
    ["-m", "cvae", "vary"],
    ["-m", "preprocess.celeba"],
    ["-m", "preprocess.faces"],
    ["-m", "cvae.pasture.judge"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(map(str, arguments)))
def test_help_answers_without_loading_the_frameworks(arguments):
    process = command("-X", "importtime", *arguments, "--help")
    assert process.returncode == 0
    assert "usage:" in process.stdout and "--" in process.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in process.stderr.splitlines()}
    assert not imported & {"tensorflow", "keras", "torch"}


@pytest.mark.parametrize("name", ["train", "generate", "evaluate", "vary", "gallery"])
def test_errors_come_without_a_banner(name):
    given = {"train": ["--variant", "64-flow", "--data", "nowhere"], "generate": ["a cow"], "vary": ["nowhere.jpg"]}
    process = command("-m", "cvae", name, "--run", "nowhere", *given.get(name, []))
    assert process.returncode == 2 and process.stderr.startswith("error: ") and process.stderr.count("\n") == 1


def test_help_has_examples_and_knows_its_version():
    assert "cvae train --variant" in command("-m", "cvae", "--help").stdout
    assert command("-m", "cvae", "--version").stdout.split()[1] == cvae.__version__
    compared = command("-m", "cvae", "compare", "--help").stdout
    assert "celeba-cvae" in compared and "mnist" not in compared


def test_an_interruption_says_how_to_go_on():
    code = "from preprocess.utils.command import run_command\ndef main(): raise KeyboardInterrupt\nrun_command(main)"
    process = command("-c", code)
    assert process.returncode == 130 and "run the same command again" in process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("offline_preprocess.py", "--zip", "a.zip", "--out", ""),
        ("clip_wrapper.py", ""),
        ("-m", "preprocess.pasture", "--out", " "),
        ("-m", "cvae", "vary", "--run", "photographs-64", ""),
        ("-m", "cvae", "win-rates", ""),
    ],
)
def test_an_empty_name_is_refused(arguments):
    process = command(*arguments)
    assert process.returncode == 2 and "name is empty; name a file or folder" in process.stderr, process.stderr
