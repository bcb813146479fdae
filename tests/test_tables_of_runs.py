"""The tables of mixtures and of a few labels: each figure from the right run, in the right place."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from numgan import data, plotting

from .scripts import demo


def test_the_table_of_mixtures_by_hand(tmp_path, capsys):
    scores = {
        ("ring", "vanilla"): [(8, 0.5), (7, 0.75), (3, 0.25)],
        ("ring", "least-squares"): [(1, 1.0)] * 3,
        ("grid", "vanilla"): [(25, 0.875), (20, 0.5), (24, 0.625)],
        ("grid", "least-squares"): [(0, 0.0)] * 3,
    }
    demo(
        "mixtures.py",
        completed=lambda about, out: about,
        score=lambda about: scores[about["mixture"], about["loss"]][about["seed"]],
    )["table"]({}, tmp_path)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| ring of 8 | vanilla | 6.0 (3 … 8) | 50.0 (25.0 … 75.0) |",
        "| ring of 8 | least-squares | 1.0 (1 … 1) | 100.0 (100.0 … 100.0) |",
        "| grid of 25 | vanilla | 23.0 (20 … 25) | 66.7 (50.0 … 87.5) |",
        "| grid of 25 | least-squares | 0.0 (0 … 0) | 0.0 (0.0 … 0.0) |",
    ]


@pytest.fixture
def mixture_run(tmp_path):
    """A run of mixtures.py: D(x) grows with x₁ only, and packs of unequal points are told apart."""
    m = demo("mixtures.py")
    return m, m["new_run"](m["DEFAULTS"] | {"mixture": "grid", "pack": 4}, tmp_path)


def test_the_score_is_of_samples_other_than_the_pictures_and_within_three_sigma(mixture_run, monkeypatch):
    m, run = mixture_run
    mixture = run.batches.distribution
    asked = []

    def sample(n, rng):
        asked.append((n, rng.bit_generator.state))
        return np.concatenate([mixture.centres[:5] + np.array([4 * mixture.sigma, 0]), mixture.centres[5:12]]).astype(
            np.float32
        )

    monkeypatch.setattr(run.game, "sample", sample)
    assert m["score"](run) == (7, 7 / 12)
    assert asked == [(2500, np.random.default_rng(1).bit_generator.state)]


def test_the_plane_shows_d_where_the_points_are(mixture_run, monkeypatch):
    m, run = mixture_run
    mixture, seen = run.batches.distribution, []
    assert run.game.pack == 4
    monkeypatch.setattr(plotting, "save_plane", lambda *a: seen.append(a))

    def outputs(points):
        packs = points.reshape(-1, 4, 2)
        assert (packs == packs[:, :1]).all()  # each point is packed with copies of itself
        return packs[:, 0, 0] / 5 / mixture.scale

    monkeypatch.setattr(run.game, "outputs", outputs)
    monkeypatch.setattr(run.game.losses, "score", lambda y: y + 0.5)
    good = np.repeat(mixture.centres[:10], 250, 0)
    good[:500] += 10 * mixture.sigma / np.sqrt(2)
    monkeypatch.setattr(run.game, "generate", lambda z: good)
    m["draw"]("x.png", run)
    ((_, surface, extent, points, centres, title),) = seen
    assert extent == 1.3 * mixture.scale
    np.testing.assert_allclose(surface, np.broadcast_to(0.5 + np.linspace(-0.26, 0.26, 100), (100, 100)), atol=1e-6)
    assert points is good
    assert centres is mixture.centres
    assert title == "step 0: 8 of 25 modes, 80.0% high quality"


def test_the_seed_of_a_mixture_decides(tmp_path):
    m = demo("mixtures.py")
    runs = [m["new_run"](m["DEFAULTS"] | {"seed": seed}, tmp_path) for seed in (1, 2)]
    assert (runs[0].game.generator.parameters()[0].data != runs[1].game.generator.parameters()[0].data).any()
    assert (next(runs[0].batches)[0] != next(runs[1].batches)[0]).any()


def test_the_table_of_a_few_labels_by_hand(monkeypatch, tmp_path, capsys, some_digits):
    images, labels = some_digits
    monkeypatch.setattr(data, "divided", lambda *a: ((images, labels), (images[:100], np.arange(100) % 10)))
    right = {
        ("supervised", 25): (10, 30, 80),
        ("sgan", 25): (50, 51, 55),
        ("fixmatch", 25): (90, 91, 98),
        ("supervised", 100): (20, 20, 20),
        ("sgan", 100): (60, 60, 60),
        ("fixmatch", 100): (99, 99, 99),
    }

    def trained(method, out, images, labels, n, seed, steps):
        said = (np.arange(100) + (np.arange(100) >= right[method, n][seed])) % 10
        return SimpleNamespace(classify=lambda images: said)

    monkeypatch.setattr("sys.argv", ["x", "--labels", "25", "100", "--out", str(tmp_path), "--steps", "7"])
    demo("semi_supervised.py", trained=trained)["main"]()
    head, *rows = capsys.readouterr().out.splitlines()
    assert re.split(" {2,}", head) == ["labels", "supervised only, %", "SGAN, %", "with FixMatch, %", "Odena 2016, SGAN, %"]
    assert [re.split(" {2,}", row) for row in rows] == [
        ["25", "40.00 (10.00 … 80.00)", "52.00 (50.00 … 55.00)", "93.00 (90.00 … 98.00)", "80.2"],
        ["100", "20.00 (20.00 … 20.00)", "60.00 (60.00 … 60.00)", "99.00 (99.00 … 99.00)", "92.8 (Salimans et al.: 99.07)"],
    ]
    table = (tmp_path / "results.csv").read_text().splitlines()
    assert table[:3] == [
        "data,labels,seed,steps,supervised,sgan,fixmatch",
        "mnist,25,0,7,10.00,50.00,90.00",
        "mnist,25,1,7,30.00,51.00,91.00",
    ]


def test_methods_are_the_games_that_they_name_and_the_seed_decides(some_digits, tmp_path, monkeypatch):
    s = demo("semi_supervised.py", semi_supervised=lambda run, steps: run, supervised=lambda run: run)
    runs = {
        (method, seed): s["trained"](method, tmp_path / f"{seed}", *some_digits, 20, seed, 7)
        for method in s["METHODS"]
        for seed in (0, 1)
    }
    assert {(method, type(run.game).__name__, run.game.lr_steps) for (method, _), run in runs.items()} == {
        ("supervised", "SGAN", 1000),
        ("sgan", "SGAN", 7),
        ("fixmatch", "FixMatchSGAN", 7),
    }
    a, b = runs["sgan", 0], runs["sgan", 1]
    assert a.batches.known.tolist() != b.batches.known.tolist()
    assert (
        a.batches.known.tolist() == runs["fixmatch", 0].batches.known.tolist() == runs["supervised", 0].batches.known.tolist()
    )
    assert (a.game.generator.parameters()[0].data != b.game.generator.parameters()[0].data).any()
    assert (next(a.batches)[0] != next(b.batches)[0]).any()
    assert a.out != runs["fixmatch", 0].out
