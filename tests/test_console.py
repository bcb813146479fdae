"""What every script promises at its border: any console, closed pipes, Ctrl-C, options of one kind, one line for a mistake."""

import argparse
import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from numgan import InputError, checkpoint, console
from numgan.progress import Progress

from .scripts import ENVIRONMENT, ROOT

DEMOS = ROOT / "demos"
WAITS = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def python(*arguments, cwd, **options):
    """A script in a process of its own, with its bytes as they come."""
    environment = ENVIRONMENT | options.pop("environment", {})
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, **options)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("arguments", [
    ["check_gradients.py"], ["mnist_gan.py", "--game", "minimal", "--steps", "1", "--batch", "8", "--out", "fünf"]],
    ids=" ".join)
def test_output_is_complete_on_every_console(tmp_path, encoding, arguments):
    done = python(DEMOS / arguments[0], *arguments[1:], cwd=tmp_path, environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    text, errors = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert "Traceback" not in errors
    if arguments[0] == "check_gradients.py":
        assert len(text.splitlines()) > 30
        assert "ops; all derivatives agree" in text
        assert ("y = eˣ" in text) == (encoding == "utf-8")
        assert encoding != "ascii" or "y = e^x" in text
    else:
        assert "samples classified as 0" in errors
        assert ("fünf" if encoding != "ascii" else "funf") in text


@pytest.mark.parametrize(("text", "spelled"), [
    ("σ = 0.2", "sigma = 0.2"), ("0 … 9", "0 ... 9"), ("5 × 5 ± 1 → x²", "5 x 5 +- 1 -> x2"), ("fünf", "funf"),
    ("x̂ - μ", "x - mu"), ("├─ a │ └─ b ∞", "|- a | `- b inf"), ("日", "?")])
def test_what_a_console_cannot_show_is_spelled(text, spelled):
    assert text.encode("ascii", "numgan.spell").decode() == spelled
    assert text.encode("utf-8", "numgan.spell").decode() == text


def test_all_that_the_scripts_say_can_be_spelled():
    said = set()
    for path in (*DEMOS.glob("*.py"), *(ROOT / "numgan").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Expr):  # a docstring
                said.update(*(part.value for part in ast.iter_child_nodes(node) if isinstance(getattr(part, "value", 0), str)))
    assert "σ" in said
    assert [letter for letter in said - {"?"} if "?" in letter.encode("ascii", "numgan.spell").decode()] == []


@WAITS
def test_a_closed_standard_error_is_no_error(tmp_path):
    command = f'"{sys.executable}" "{DEMOS / "mnist_gan.py"}" --game minimal --steps 1 --batch 8 --out run 2>&-'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=ENVIRONMENT, capture_output=True)
    assert done.returncode == 0
    assert (tmp_path / "run" / "progress.gif").exists()
    assert b"run: " in done.stdout


@WAITS
def test_a_reader_that_went_away_is_no_traceback(tmp_path):
    command = f'("{sys.executable}" "{DEMOS / "check_gradients.py"}"; echo status $? >&2) | head -n 1'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["check_gradients.py"], ["mnist_gan.py", "--help"]], ids=" ".join)
def test_output_that_cannot_be_written_ends_in_one_line(tmp_path, arguments):
    command = [sys.executable, str(DEMOS / arguments[0]), *arguments[1:]]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{arguments[0]}: error: [Errno 28] No space left on device\n"


@WAITS
@pytest.mark.parametrize(("raised", "status", "says"), [
    ("InputError('a mistake')", 1, "x.py: error: a mistake\n"), ("KeyboardInterrupt('a hint')", 130, "a hint\n"),
    ("SystemExit(0)", 141, ""), ("BrokenPipeError()", 141, "")])
def test_a_script_without_a_reader_ends_as_it_would_with_one(tmp_path, raised, status, says):
    (tmp_path / "x.py").write_text(f"""
from numgan import InputError, console

def main():
    print("nobody reads this")
    raise {raised}

console.run(main)
""")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "x.py"], cwd=tmp_path, env=ENVIRONMENT, stdout=writer, stderr=subprocess.PIPE,
                          text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (status, says)


def test_help_is_only_help(tmp_path):
    done = python(DEMOS / "check_gradients.py", "--help", cwd=tmp_path, text=True)
    assert done.stdout.startswith("usage: ")
    assert "max error" not in done.stdout


@pytest.mark.parametrize(("error", "status", "says"), [
    (InputError("expected a,\n got b"), "x.py: error: expected a,\\n got b", ""), (OSError(28, "No space", "f"), None, ""),
    (MemoryError(), "x.py: error: MemoryError", ""), (FloatingPointError("nan"), "x.py: error: nan", ""),
    (KeyboardInterrupt(), 130, "stopped\n"), (KeyboardInterrupt("resume with: x"), 130, "resume with: x\n")])
def test_how_a_script_ends(monkeypatch, capsys, error, status, says):
    def main():
        raise error

    monkeypatch.setattr(sys, "argv", ["a/x.py"])
    with pytest.raises(SystemExit) as stop:
        console.run(main)
    assert stop.value.code == (status or "x.py: error: [Errno 28] No space: 'f'")
    assert capsys.readouterr().err == says


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["closed", "in memory"])
def test_a_script_may_print_to_no_file(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    console.run(lambda: print("done"))
    assert stream is None or stream.getvalue() == "done\n"


def test_bugs_of_ours_stay_loud():
    def main():
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        console.run(main)


def test_commands_can_be_pasted():
    line = console.command("demos/mnist_gan.py", "--resume", "t 2 ü/checkpoint.npz")
    assert line == f"{console.pasted(sys.executable)} demos/mnist_gan.py --resume 't 2 ü/checkpoint.npz'"


@pytest.mark.parametrize("text", ["", "1.5", "x", "0", "-1", "101", "1e2", "9" * 99, "nan", "0x10"])
def test_whole_numbers_are_checked(text):
    with pytest.raises(Exception, match="expected a whole number from 1 to 100, got") as caught:
        console.whole(1, 100)(text)
    assert type(caught.value).__name__ == "ArgumentTypeError"
    assert len(str(caught.value)) < 100
    assert console.whole(1, 100)("100") == 100


def test_a_number_of_things_is_at_least_one_and_may_be_large():
    assert console.whole()("1000000000") == 10**9
    with pytest.raises(argparse.ArgumentTypeError):
        console.whole()("0")


def test_seeds_are_those_that_every_generator_takes():
    assert [console.SEED(text) for text in ("0", "4294967295")] == [0, 2**32 - 1]
    for text in "-1", "4294967296":
        with pytest.raises(argparse.ArgumentTypeError, match=r"from 0 to 4,294,967,295"):
            console.SEED(text)


def test_a_file_to_be_written_has_a_name_and_no_checkpoint_or_folder_stands_in_its_place(tmp_path):
    picture = console.file(".png", ".npz")
    assert picture(str(tmp_path / "new" / "a.png")) == tmp_path / "new" / "a.png"
    (tmp_path / "folder.png").mkdir()
    checkpoint.save(tmp_path / "run.npz", {}, {})
    np.savez(tmp_path / "other.npz", np.zeros(3))
    assert picture(str(tmp_path / "other.npz")) == tmp_path / "other.npz"
    for name, says in ((".png", "ends in .png or .npz"), ("folder.png", "ends in"), ("a.jpg", "ends in"), ("a.png/", "ends in"),
                       ("run.npz", "the checkpoint"), ("run.npz/a.png", "can be written to")):
        with pytest.raises(argparse.ArgumentTypeError, match=says):
            picture(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["checkerboard.py", "saturation.py", "bug_museum.py"])
def test_a_picture_that_could_not_be_saved_is_refused_before_it_is_computed(fails, tmp_path, monkeypatch, name):
    fails(DEMOS / name, "--out", "x.jpg", mentions=["--out", "x.jpg", ".png"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # as in a folder that is read-only
        fails(DEMOS / name, mentions=["--out", "written to", tmp_path / "here"])
    (tmp_path / "here" / "runs").touch()
    fails(DEMOS / name, mentions=["--out", "written to", tmp_path / "here" / "runs"])


@pytest.mark.parametrize("name", ["mnist_gan.py", "srgan.py", "semi_supervised.py", "figure1.py", "mixtures.py"])
def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_computed(fails, tmp_path, monkeypatch, name):
    fails(DEMOS / name, "--out", "", mentions=["--out", "expected a folder"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        fails(DEMOS / name, "--out", "new/one", mentions=["--out", "written to", tmp_path / "here"])
    (tmp_path / "here" / "new").touch()
    for taken in "new", "new/one":
        fails(DEMOS / name, "--out", taken, mentions=["--out", "written to", tmp_path / "here" / "new"])


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_the_live_line_is_as_wide_as_the_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress(0, 10_000, {"loss D": "d", "G": "g", "D(x)": "d", "D(G(z))": "g"})
    progress.show({"step": 5000, "d": 0.5, "g": 1.5}, lasting=False)
    shown = sys.stderr.getvalue()
    assert len(shown) == columns
    assert shown.startswith("\rstep 5000/10000"[:columns])
    progress.say("  a remark that is longer than a narrow terminal")
    assert sys.stderr.getvalue()[len(shown):].strip() == "a remark that is longer than a narrow terminal"


def test_without_standard_error_progress_is_silent(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    progress = Progress(0, 10, {})
    progress.show({"step": 1}, lasting=True)
    progress.say("a remark")
    assert capsys.readouterr().out == ""


def test_pictures_are_the_same_whatever_matplotlib_is_told(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "matplotlibrc").write_text("image.origin: lower\nsavefig.bbox: tight\n")
    told = {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(tmp_path / "here" / "matplotlibrc")}
    for out, more, cwd in ("plain", {}, ROOT), ("told", told, ROOT), ("beside", {}, tmp_path / "here"):
        done = subprocess.run([sys.executable, ROOT / "demos" / "tour.py", "4", "--only", "--out", tmp_path / out],
                              env=os.environ | {"PYTHONPATH": str(ROOT)} | more, cwd=cwd, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    plain, told, beside = ((tmp_path / out / "4-matmul.png").read_bytes() for out in ("plain", "told", "beside"))
    assert plain == told == beside


def test_a_printed_command_suits_the_shell(monkeypatch):
    assert console.pasted("demos/x.py", "--out", "a b") == "demos/x.py --out 'a b'"
    monkeypatch.setattr(os, "name", "nt")
    assert console.pasted("demos\\x.py", "--out", "a b") == 'demos\\x.py --out "a b"'


def test_a_path_of_which_nothing_exists_is_refused(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)  # as on a drive that is not there
    with pytest.raises(argparse.ArgumentTypeError, match="expected a folder that can be written to"):
        console.folder("Z")


@pytest.mark.parametrize("arguments", [("--resume", "loop"), ("--data", "mnist", "--data-dir", "loop", "--out", "out")])
def test_a_link_to_itself_ends_in_one_line(fails, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    fails(ROOT / "demos" / "mnist_gan.py", *arguments, mentions=("loop",))

