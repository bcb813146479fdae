"""Running what lies in demos/: in a process of its own, or here; what a failure must look like, and what was drawn.

`script`, `fails`, `pages` and `some_digits` are fixtures, which conftest.py hands to every test that names them.
"""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from numgan import data, plotting

from .errors import unsaid

ROOT = Path(__file__).resolve().parents[1]
DEMOS = ROOT / "demos"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)  # what a script prints to a file or a pipe waits in a buffer, as usual


def process(*arguments, cwd, succeeds=True, **environment):
    """Run Python in a process of its own, its output piped; by default it must succeed."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT | environment, capture_output=True, text=True)
    assert done.returncode == 0 or not succeeds, done.stderr
    return done


def contents(folder):
    """Relative path -> bytes (None for a folder) of everything in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def script(monkeypatch, capsys):
    """A function that runs a script here, as `python path arguments` would: (exit status, stdout, stderr)."""
    def run(path, *arguments):
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        monkeypatch.syspath_prepend(str(Path(path).parent))
        capsys.readouterr()
        status = 0
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as stop:
            status = stop.code
            if isinstance(status, str):  # as Python itself does it
                print(status, file=sys.stderr)
                status = 1
        return status or 0, *capsys.readouterr()
    return run


@pytest.fixture
def fails(script, tmp_path, monkeypatch):
    """A function that runs a script, which must fail in one line that says all of `mentions`, and write nothing."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(path, *arguments, mentions=()):
        before = contents(tmp_path)
        status, out, error = script(path, *arguments)
        assert status not in (0, None)
        assert out == ""
        lines = error.splitlines()
        if lines and lines[0].startswith("usage: "):  # argparse's own
            lines = lines[1:]
        assert len(lines) == 1, error
        assert lines[0].startswith(f"{path.name}: error: ")
        assert unsaid(mentions, lines[0]) == [], error
        assert contents(tmp_path) == before
    return run


def demo(name, **constants):
    """The globals of a script's functions, with some replaced."""
    namespace = runpy.run_path(str(DEMOS / name))
    functions = (value for value in namespace.values() if getattr(value, "__module__", "") == "<run_path>")
    there = next(function.__globals__ for function in functions if hasattr(function, "__globals__"))
    there.update(constants)
    return there


@pytest.fixture(scope="session")
def some_digits():
    """1,300 of the embedded digits, in random order, and their labels."""
    images, labels = data.digits_10k()
    order = np.random.default_rng(5).permutation(len(images))[:1300]
    return images[order], labels[order]


@pytest.fixture
def pages(monkeypatch):
    """The figures that are saved, and the sheets and rows: lists."""
    seen = SimpleNamespace(figures=[], sheets=[], rows=[])
    save_figure, save_sheet, save_rows = plotting.save_figure, plotting.save_sheet, plotting.save_rows
    monkeypatch.setattr(
        plotting, "save_figure", lambda path, figure, **o: seen.figures.append(figure) or save_figure(path, figure, **o)
    )
    monkeypatch.setattr(
        plotting, "save_sheet", lambda path, images, *o: seen.sheets.append(images) or save_sheet(path, images, *o)
    )
    monkeypatch.setattr(plotting, "save_rows", lambda path, rows: seen.rows.append(rows) or save_rows(path, rows))
    return seen
