"""What demos/benchmark.py promises: whose time is counted, in whose turn, and that no process outlives it."""

import importlib
import io
import itertools
import json
import re
import runpy
import subprocess
import time
from argparse import Namespace
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

from numgan import Adam, Dropout, LeakyReLU, conv, data, ops, plotting

from .errors import refused
from .scripts import ROOT, contents

BENCHMARK = ROOT / "demos" / "benchmark.py"


@pytest.fixture(autouse=True)
def demos(monkeypatch):
    """The scripts find each other, and numgan."""
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def engines():
    return importlib.import_module("engines")


@pytest.fixture
def benchmark():
    return importlib.import_module("benchmark")


@pytest.fixture
def quality():
    return importlib.import_module("quality")


@pytest.fixture
def installed(monkeypatch):
    """A function that makes PyTorch installed, or not."""
    original = importlib.util.find_spec

    def install(torch):
        monkeypatch.setattr(importlib.util, "find_spec",
                            lambda name, *more: (torch or None) if name == "torch" else original(name, *more))
    return install


@pytest.fixture
def machine(monkeypatch):
    """100 GFLOP/s with one thread, 150 with two; measured in a process with so many threads."""
    def run(command, env, **options):
        assert command[-2:] == ["--worker", "product"]
        threads = {env[f"{name}_NUM_THREADS"] for name in ("OPENBLAS", "OMP", "MKL")}
        return subprocess.CompletedProcess(command, 0, {"1": "1e11\n", "2": "1.5e11\n"}[threads.pop()], "")
    monkeypatch.setattr(subprocess, "run", run)


class Played:
    """An engine that needs `pace` seconds for a step, and draws noise until it has done `good` steps, then real digits."""

    pace = {"numgan": 0.6, "torch": 1.0, "torch channels_last": 0.9}
    good = {"default": 4, "tutorial": 6}
    log = []

    def __init__(self, engine, *, threads, recipe, seed):
        self.engine, self.recipe, self.done = engine, recipe, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.log.append(("end", self.engine, self.recipe))

    def ask(self, steps, samples):
        self.log.append((steps, self.engine, self.recipe))
        self.done += steps
        if self.done >= self.good[self.recipe]:
            images = data.to_images(data.digits_10k()[0][np.linspace(0, 9999, samples).astype(int)])
        else:
            images = np.random.default_rng(0).uniform(-1, 1, (samples, 28, 28, 1)).astype(np.float32)
        return {"times": [self.pace[self.engine]] * steps, "sample": 1000.0}, images


@pytest.mark.usefixtures("machine")
def test_the_curves_count_the_seconds_of_steps_only_and_take_turns(script, tmp_path, monkeypatch, installed, quality):
    installed(True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quality, "Engine", Played)
    monkeypatch.setattr(quality, "measure", lambda engine, steps, threads: {"median": Played.pace[engine]})
    monkeypatch.setattr(Played, "log", log := [])
    drawn = []
    monkeypatch.setattr(plotting, "save_lines", lambda path, lines, *labels: drawn.append(json.loads(json.dumps(lines))))
    status, out, error = script(BENCHMARK, "--quality", "--steps", 7, "--every", 2, "--samples", 50, "--seeds", 2)
    assert (status, error) == (0, "")
    players = [("numgan", "default"), ("numgan", "tutorial"), ("torch channels_last", "tutorial")]
    turns = [(steps, *player) for steps in (2, 2, 2, 1) for player in players]
    assert [entry for entry in log if entry[0] != "end"] == turns * 2
    assert {entry[1:] for entry in log[len(turns):len(turns) + 3]} == set(players)  # these have ended
    lines = out.splitlines()
    assert lines[0] == "matrix products: 100 GFLOP/s with one thread, 150 with 2 (1.5 times)"
    rows = [re.fullmatch(r"(\w.*?) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) … ([\d.]+)", line) for line in lines]
    rows = [row.groups() for row in rows if row]
    names = ["numgan, default recipe", "numgan, tutorials' recipe", "PyTorch, tutorials' recipe"]
    assert [row[:2] for row in rows] == [(name, str(done)) for done in (2, 4, 6, 7) for name in names] * 2
    for name, steps, minutes, distance, least, most in rows:
        pace, good = (0.9 if "PyTorch" in name else 0.6), (4 if "default" in name else 6)
        assert float(minutes) == pytest.approx(pace * int(steps) / 60, abs=0.0051)
        assert (float(distance) < 0.01) == (int(steps) >= good)
        assert float(least) > 5 or int(steps) < good
        assert 0 <= float(least) <= 10 <= float(most) <= 100
    said = [line for line in lines if "of PyTorch's time" in line]
    assert len(said) == 2
    assert "7 steps: digit-FID 0.00, 0.1" in said[0]
    assert "in 0.04 minutes: 0.38 of" in said[0]  # 4 · 0.6 / (7 · 0.9)
    assert "median of 2 seeds: 0.38 (0.38 … 0.38)" in out
    assert len(drawn) == 8  # after every round
    assert [len(curve) for curve in drawn[-1][names[2]]] == [4, 4]
    assert drawn[-1][names[2]][1][-1][0] == pytest.approx(7 * 0.9 / 60)
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_a_goal_is_reached_on_the_line_between_two_points(quality):
    curve = [(1.0, 90.0), (2.0, 50.0), (3.0, 60.0), (4.0, 10.0)]
    reached = [quality.minutes_until(curve, goal) for goal in (95, 90, 70, 50, 35, 10, 9)]
    assert reached == [1.0, 1.0, 1.5, 2.0, 3.5, 4.0, np.inf]


def test_without_pytorch_the_curves_are_numgan_s_alone(quality, tmp_path, capsys):
    from matplotlib.image import imread
    began = time.monotonic()
    quality.quality((), Namespace(threads=1, steps=3, every=2, samples=20, seeds=1, out=tmp_path / "new" / "q.png"))
    passed = time.monotonic() - began
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.startswith("numgan, ")]
    assert [(row[1], row[3]) for row in rows] == [("default", "2"), ("tutorials'", "2"), ("default", "3"), ("tutorials'", "3")]
    first, second = (float(row[4]) for row in rows[::2])
    assert 0 <= first <= second <= passed / 60 + 0.005
    assert all(1 < float(row[5]) < 10_000 for row in rows)
    assert "pip install torch" in lines[-2]
    assert contents(tmp_path).keys() == {"new", "new/q.png"}
    assert min(imread(tmp_path / "new" / "q.png").shape[:2]) >= 300


def test_an_engine_answers_with_its_times_and_images_and_stops_when_nobody_waits(engines, monkeypatch):
    done, parents = [], iter([1] * 4 + [0] * 9)  # one look before, one for each step; then the parent is gone
    answers = io.BytesIO()
    images = np.arange(2 * 784, dtype=np.float64).reshape(2, 28, 28, 1)
    monkeypatch.setattr("sys.stdin", io.StringIO("2 2\n1000000 0\n"))
    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=answers))
    monkeypatch.setattr(engines.os, "getppid", lambda: next(parents))
    engines.serve(lambda: done.append(time.sleep(0.01)), lambda n: images[:n])
    monkeypatch.undo()
    answers.seek(0)
    first = json.loads(answers.readline())
    assert len(first["times"]) == 2
    assert 0.01 <= min(first["times"])
    np.testing.assert_array_equal(np.frombuffer(answers.read(4 * images.size), np.float32), images.ravel())
    assert len(json.loads(answers.readline())["times"]) == 1
    assert len(done) == 3


def test_an_engine_ends_with_its_block_and_one_that_died_is_a_line(engines):
    with suppress(KeyboardInterrupt), engines.Engine("numgan", threads=1) as engine:
        raise KeyboardInterrupt
    assert engine.process.returncode is not None
    with engines.Engine("numgan", threads=1, batch=7) as engine:
        engine.process.kill()
        engine.process.wait()
        with refused("numgan, batch 7", "5 steps", f"status {engine.process.returncode}"):
            engine.ask(5)


def test_an_engine_s_mistake_is_its_last_line(engines):
    with engines.Engine("numgan", threads=1, game="lsgan", batch=1) as engine, refused("engines.py: error: ", "at least 2"):
        engine.ask(1)


def test_where_the_time_goes_counts_every_function_once(benchmark):
    """matmul's two vjps begin on the same line, and both count."""
    matmul, vjps = ops.matmul.__code__, [code for code in ops.matmul.__code__.co_consts if hasattr(code, "co_name")]
    assert len({code.co_firstlineno for code in vjps}) == 1 < len(vjps)
    codes = {"matrix products": [matmul, *vjps, conv.rows_times.__code__],
             "im2col, col2im": [conv.im2col.__code__, "<method 'reshape' of 'numpy.ndarray' objects>"],
             "random numbers": [Dropout.forward.__code__, "<method 'standard_normal' of 'x' objects>"],
             "optimiser": [Adam.update.__code__],
             benchmark.OTHER: [ops.add.__code__, LeakyReLU.forward.__code__, "<built-in method builtins.len>"]}
    seconds = itertools.count(1)
    entries = {kind: [SimpleNamespace(code=code, inlinetime=2.0 ** next(seconds)) for code in of] for kind, of in codes.items()}
    expected = {kind: sum(entry.inlinetime for entry in of) for kind, of in entries.items()}
    assert benchmark.time_by_kind([entry for of in entries.values() for entry in of]) == expected


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("torch", [True, False])
def test_the_table_of_step_times_and_its_ratios(script, monkeypatch, installed, engines, torch):
    calls = []

    def measure(engine, steps, samples, batch, game, threads):
        calls.append((engine, steps, samples, batch, game, threads))
        seconds = {"numgan": 0.1, "torch": 0.3, "torch channels_last": 0.2}[engine]
        return {"times": [seconds], "median": seconds, "peak": 100.0, "sample": 10 * seconds}

    installed(torch)
    monkeypatch.setattr(engines, "measure", measure)
    status, out, error = script(BENCHMARK, "--rounds", 2, "--threads", 1, "--steps", 3)
    assert (status, error) == (0, "")
    names = ("numgan", "torch", "torch channels_last") if torch else ("numgan",)
    assert calls == [(name, 3, 10_000, 32, "dcgan", 1) for name in names] * 2
    lines = out.splitlines()
    assert lines[0] == "matrix products: 100 GFLOP/s with one thread"
    assert lines[3].split() == ["numgan", "100.0", "ms", "100.0", "ms", "100", "MB", "1.00", "s"]
    if torch:
        assert [line.split(": ")[1] for line in lines[-2:]] == ["2.00 (2.00 … 2.00)"] * 2
    else:
        assert lines[-1] == "to compare with PyTorch: pip install torch"


def test_the_rate_of_products_counts_a_multiplication_and_an_addition(monkeypatch):
    benchmark = runpy.run_path(str(BENCHMARK))
    ticks = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) / 4)
    assert benchmark["product_rate"](16) == 4 * 2 * 16**3


@pytest.mark.parametrize(("options", "mentions"), [
    (["--every", "3"], ["--every", "with --quality"]), (["--quality", "--rounds", "2"], ["--rounds", "without --quality"]),
    (["--quality", "--where"], ["--where"]), (["--quality", "--every", "0"], ["--every", "0"]),
    (["--quality", "--samples", "1"], ["--samples", "2", "10,000"]), (["--quality", "--samples", "10001"], ["--samples"]),
    (["--quality", "--seeds", "none"], ["--seeds", "none"]), (["--quality", "--out", "x.pdf"], [".png", "x.pdf"]),
    (["--quality", "--steps", "0"], ["--steps"]), (["--quality", "--out", "file/x.png"], ["file"])])
def test_bad_options_fail_in_one_line(fails, tmp_path, options, mentions):
    (tmp_path / "here" / "file").write_text("precious")
    fails(BENCHMARK, *options, mentions=mentions)
