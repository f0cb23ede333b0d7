import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from preprocess.utils.command import Ended, describe_exit, sentence_of, working_in
from preprocess.utils.errors import UserError, summary
from tests.helpers import ROOT, command

AGAIN = "run it again"


def as_tensorflow_says(name, text):
    import tensorflow as tf

    return getattr(tf.errors, name)(None, None, text)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("It is so."), "It is so."),
        (UserError("s3://b/a.tar?X-Signature=abc is gone (https://b/c?d=e)."), "s3://b/a.tar is gone (https://b/c)."),
        (UserError("Is a.jpg there? No, https://b/c.zip#sha256=12."), "Is a.jpg there? No, https://b/c.zip#sha256=12."),
        (OSError(errno.ENOSPC, "No space left on device", "/data"), "/data: No space left on device; put that right"),
        (OSError("Can't write data (errno = 28, error message = 'No space left on device')"), "No space left"),
        (MemoryError(), "memory ran out"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."), "memory ran out"),
        (as_tensorflow_says("ResourceExhaustedError", "/x/a.tfrecord; No space left on device"), "No space left"),
        (as_tensorflow_says("ResourceExhaustedError", "OOM when allocating tensor with shape[9]"), "memory ran out"),
        (
            as_tensorflow_says(
                "NotFoundError",
                "Graph execution error:\n\nDetected at node IteratorGetNext defined at (most recent call last):\n"
                "<stack traces unavailable>\n/d/a.tfrecord; No such file or directory\n"
                "\t [[{{node IteratorGetNext}}]] [Op:__inference_multi_step_on_iterator_1]",
            ),
            "/d/a.tfrecord; No such file or directory; put that right",
        ),
        (as_tensorflow_says("DataLossError", "corrupted record at 12 [Op:IteratorGetNext]"), "corrupted record at 12;"),
        (as_tensorflow_says("InvalidArgumentError", "Key: image_64.  Can't parse serialized"), "Key: image_64"),
        (as_tensorflow_says("InvalidArgumentError", "Incompatible shapes: [2] vs. [3]"), None),
        (KeyboardInterrupt(), "interrupted; run it again."),
        (Ended("SIGTERM"), "interrupted by SIGTERM; run it again."),
        (ValueError("a mistake of the program's"), None),
    ],
)  # fmt: skip
def test_what_is_a_users_to_put_right_becomes_a_sentence(error, sentence):
    found = sentence_of(error, AGAIN)
    assert found == sentence if sentence is None else found.startswith(sentence), found


def test_the_sentence_names_the_folder_that_work_was_under_way_in():
    with pytest.raises(KeyboardInterrupt) as caught, working_in("runs/mine"), working_in("runs/mine/autoencoder"):
        raise KeyboardInterrupt
    found = sentence_of(caught.value, AGAIN)
    assert found == "interrupted; what is finished in runs/mine/autoencoder is kept; run it again."
    with working_in("runs/other"):
        pass
    assert sentence_of(KeyboardInterrupt(), AGAIN) == "interrupted; run it again."


def test_a_folder_that_becomes_known_behind_a_librarys_error_is_named():
    process = command("-c", TAKES.format("KeyboardInterrupt()", "ImportError()"))
    assert (
        process.stderr == "error: interrupted; what is finished in run is kept; run the same command again to go on.\n"
    )


def test_names_that_are_no_text_are_printed_as_they_were_given():
    says = "import os\nfrom preprocess.utils.command import run_command\nname = os.fsdecode(b'M\\xfcller')\n"
    process = subprocess.run(
        [sys.executable, "-c", says + "run_command(lambda: print(name, '\\u725b'))"],
        cwd=ROOT, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert process.stdout == b"M\xfcller \\u725b\n"


def test_what_a_file_says_moves_no_cursor():
    """In names and captions: an escape code would colour a terminal, or hide what is written."""
    process = command("-c", TAKES.format("ValueError()", "UserError('\\x1b[2Ja.jpg\\x9b is K\\xfche.')"))
    assert process.returncode == 2 and process.stderr == "error: \\x1b[2Ja.jpg\\x9b is K\xfche.\n"


def test_exits_are_told_by_code_and_signal():
    assert describe_exit(3) == "ended with exit code 3"
    assert describe_exit(-signal.SIGTERM) == "was ended by SIGTERM"
    assert "SIGKILL, as by a system whose memory is full" in describe_exit(-9)


def test_a_summary_is_the_first_sentence_or_nothing():
    assert summary("Does it: `so`.\n\nMore.") == "Does it."
    assert summary("From one\nto another.\n") == "From one to another."
    assert summary(None) == ""


WAITS = (
    "import time\nfrom preprocess.utils.command import run_command\n"
    "def main():\n    print('ready', flush=True)\n    time.sleep(60)\nrun_command(main)"
)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 2), ("SIGHUP", 2)])
def test_signals_end_a_command_with_one_sentence(name, code):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said.startswith("error: interrupted") and said.count("\n") == 1


@pytest.mark.parametrize(("raised", "code"), [("KeyboardInterrupt()", 130), ("Ended('SIGTERM')", 2)])
@pytest.mark.parametrize("kind", ["ImportError('initialization failed')", "UserError('It is damaged.')"])
def test_an_interruption_that_a_library_takes_for_an_error_is_one(raised, code, kind):
    """As pybind11 does while a module of TensorFlow's is initialised."""
    process = command("-c", TAKES.format(raised, kind))
    assert process.returncode == code and process.stderr.startswith("error: interrupted"), process.stderr
    assert process.stderr.count("\n") == 1


def test_where_hangups_are_ignored_they_are(tmp_path):
    process = subprocess.Popen(["nohup", sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.kill()
    process.wait()


TAKES = (
    "from preprocess.utils.command import Ended, run_command, working_in\n"
    "from preprocess.utils.errors import UserError\n"
    "def main():\n    with working_in('run'):\n        try:\n            raise {}\n"
    "        except BaseException:\n            raise {}\nrun_command(main)"
)
SAYS = (
    "import sys\nfrom preprocess.utils.command import run_command\n"
    "def main():\n    print('K\\u00fche')\n    print('note', file=sys.stderr)\n    open({!r}, 'w').write('done')\n"
    "run_command(main)"
)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_keep_no_work_from_being_done(tmp_path, closed):
    code = SAYS.format(str(tmp_path / "out"))
    done = subprocess.run(["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], cwd=ROOT)
    assert done.returncode == 0 and (tmp_path / "out").read_text() == "done"


def test_a_terminal_without_its_letters_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = command("-c", SAYS.format(str(tmp_path / "out")))
    assert process.returncode == 0 and process.stdout == "K\\xfche\n"


def test_a_pipe_that_ends_early_ends_a_command_quietly():
    code = (
        "from preprocess.utils.command import run_command\n"
        "def main():\n    for line in range(100_000): print(line)\nrun_command(main)"
    )
    shell = '"$0" -c "$1" | head -1; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", shell, sys.executable, code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n", "", 141)


@pytest.mark.parametrize("script", ["offline_preprocess.py", "clip_wrapper.py", "-mcvae", "-mpreprocess.celeba"])
def test_help_without_docstrings(script, monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    process = command(script, "--help")
    assert process.returncode == 0, process.stderr


def test_nobodys_home_is_no_reason_to_end(monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    from preprocess.utils.quiet import import_keras

    assert import_keras().backend.backend() in ("tensorflow", "jax")
    assert os.environ.get("HOME") is not None
