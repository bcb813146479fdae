"""What demos/benchmark.py prints: medians, ratios and units, each from the right engine, round and seed."""

import re
from argparse import Namespace

import numpy as np
import pytest

from numgan import data, plotting

from .scripts import DEMOS, demo


@pytest.fixture
def together(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))


def test_benchmark_the_table_has_medians_bests_and_ratios_by_hand(together, monkeypatch, capsys):
    times = {
        "numgan": [[0.1, 0.3, 0.2], [0.5, 0.4, 0.6], [0.15, 0.3, 0.9]],
        "torch": [[0.6], [0.6], [0.6]],
        "torch channels_last": [[0.4], [0.8], [0.9]],
    }
    asked = []

    def measure(engine, steps, samples, batch, game, threads):
        i = sum(engine == e for e, _ in asked)
        asked.append((engine, batch))
        t = times[engine][i]
        return {"times": t, "median": sorted(t)[len(t) // 2], "peak": 100.0 + 10 * (i == 1), "sample": 4.0 - i}

    b = demo("benchmark.py", measure=measure, print_machine=lambda threads: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("sys.argv", ["x", "--rounds", "3", "--batch", "9"])
    b["main"]()
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "dcgan, batch 9, 2 threads, 3 rounds of 40 steps"
    assert rows[0].split() == ["numgan", "300.0", "ms", "100.0", "ms", "110", "MB", "2.00", "s"]
    assert rows[-2:] == ["PyTorch's median / numgan's: 2.00 (1.20 … 2.00)", "PyTorch's sample / numgan's: 1.00 (1.00 … 1.00)"]
    assert asked == [(engine, 9) for engine in times] * 3


def test_benchmark_where_says_milliseconds_per_image(together, monkeypatch, capsys):
    asked = []
    b = demo(
        "benchmark.py",
        measure=lambda engine, steps, **job: asked.append(job) or {"median": 0.064, "peak": 7.0},
        print_machine=lambda threads: None,
        apart=lambda *a: "",
    )
    monkeypatch.setattr("sys.argv", ["x", "--where", "--batch", "16"])
    b["main"]()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(job["batch"], job["threads"]) for job in asked] == [(n, 2) for n in (8, 32, 64, 128, 256)] + [(16, 1)]
    for job, row in zip(asked, rows, strict=True):
        assert (float(row[4]), float(row[6])) == (64.0, round(64 / job["batch"], 2))


def test_engine_measures_after_a_warm_up_and_tells_the_median(together):
    asked = []

    class Engine:
        def __init__(self, engine, **job):
            asked.append((engine, job))

        __enter__, __exit__ = (lambda self: self), (lambda *a: None)

        def ask(self, steps, samples=0):
            asked.append((steps, samples))
            return {"times": [1.0, 2.0, 9.0]}, None

    result = demo("engines.py", Engine=Engine)["measure"]("numgan", 3, 10, threads=2)
    assert asked == [("numgan", {"threads": 2}), (5, 0), (3, 10)]
    assert result == {"times": [1.0, 2.0, 9.0], "median": 2.0}


def test_quality_counts_shares_of_all_samples_and_compares_with_all_classes(together, some_digits):
    judge = demo("quality.py")["Judge"](200)
    images, labels = data.digits_10k()
    x = data.to_images(images[::50])
    distance, shares = judge(x)
    assert shares.sum() == pytest.approx(1)
    assert np.abs(shares - np.bincount(labels[::50], minlength=10) / 200).max() < 0.02
    assert distance < 5


def test_quality_players_have_the_quicker_format_and_seeds_their_own_curves(together, monkeypatch, tmp_path, capsys):
    drawn, seeds, made = [], [], {0: 1.0, 1: 2.0, 2: 8.0}
    seconds = {"torch": 0.2, "torch channels_last": 0.3}
    q = demo("quality.py", measure=lambda engine, steps, threads: {"median": seconds[engine]}, Judge=lambda n: None)
    assert q["players"](("torch", "torch channels_last"), 1)[q["THEIRS"]] == ("torch", "tutorial")

    def race(named, judge, seed, args, draw):
        seeds.append(seed)
        curves = {q["OURS"]: [(made[seed], 5.0)], q["THEIRS"]: [(2.0, 10.0)]}
        draw(curves)
        return curves

    monkeypatch.setattr(plotting, "save_lines", lambda path, lines, *labels: drawn.append(lines))
    q["race"] = race
    q["quality"](("torch",), Namespace(samples=5, threads=1, seeds=3, steps=7, every=7, out=tmp_path / "x.png"))
    out = capsys.readouterr().out
    assert re.findall(r"minutes: ([\d.]+) of PyTorch's time", out) == ["0.50", "1.00", "4.00"]
    assert "median of 3 seeds: 1.00 (0.50 … 4.00)" in out
    assert seeds == [0, 1, 2]
    assert [len(lines[q["OURS"]]) for lines in drawn] == [1, 2, 3]


def test_quality_the_seed_reaches_the_engines(together):
    asked = []

    class Engine:
        def __init__(self, engine, **job):
            asked.append(job["seed"])

        __enter__, __exit__ = (lambda self: self), (lambda *a: None)

        def ask(self, steps, samples):
            return {"times": [1.0]}, None

    q = demo("quality.py", Engine=Engine)
    q["race"](
        {"a": ("numgan", "default")},
        lambda images: (1.0, np.ones(10) / 10),
        6,
        Namespace(steps=1, every=1, samples=1, threads=1),
        lambda curves: None,
    )
    assert asked == [6]
