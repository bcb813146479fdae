"""The scripts that compute pictures of GAN theory, and the GAN on one page."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from .scripts import ROOT, contents

DEMOS = ROOT / "demos"


def demo(name, **constants):
    """What a script defines, with some of its constants replaced."""
    namespace = runpy.run_path(str(DEMOS / name))
    next(value for value in namespace.values() if hasattr(value, "__globals__")).__globals__.update(constants)
    return namespace


def normal_shares(edges, mean=0.0, deviation=1.0):
    """The probability of each bin under a normal distribution, by Simpson's rule; and of what lies outside: 0."""
    def density(x):
        return np.exp(-((x - mean) / deviation)**2 / 2) / (deviation * np.sqrt(2 * np.pi))
    a, b = edges[:-1], edges[1:]
    return (b - a) / 6 * (density(a) + 4 * density((a + b) / 2) + density(b))


# --- The GAN on one page


def test_the_gan_on_one_page_learns_both_bumps(capsys):
    source = (DEMOS / "tiny_gan.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    exec(source.replace("STEPS, BATCH = 1500", "STEPS, BATCH = 400"), namespace := {})  # shorter: it is less exact
    fake = namespace["fake"]
    for bump, centre in (fake[fake < 0], -2), (fake[fake > 0], 2):
        assert 0.4 < len(bump) / len(fake) < 0.6
        assert abs(bump.mean() - centre) < 0.3
        assert 0.3 < bump.std() < 0.9
    assert "fake: mean" in capsys.readouterr().out.splitlines()[-1]


# --- Figure 1


def test_the_divergence_has_the_known_values():
    jensen_shannon = demo("figure1.py")["jensen_shannon"]
    p, q = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.25, 0.75])
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(p, q) == pytest.approx(np.log(2))
    # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): ½ ln(4/3) + ½ (½ ln(2/3) + ½ ln 2)
    p, q = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    expected = np.log(4 / 3) / 2 + (np.log(2 / 3) + np.log(2)) / 4
    assert jensen_shannon(p, q) == pytest.approx(expected)
    assert jensen_shannon(q, p) == pytest.approx(expected)


def test_the_shares_of_known_generators_are_exact():
    figure1 = demo("figure1.py")
    edges, codes = figure1["EDGES"], figure1["CODES"].astype(float)
    real = figure1["real_shares"]()
    assert real.sum() == pytest.approx(1)
    np.testing.assert_allclose(real[1:-1], normal_shares(edges), atol=1e-9)
    for numbers, expected in [(2 + 0.5 * codes, normal_shares(edges, 2, 0.5)),
                              (3 - codes, normal_shares(edges, 3)),  # falling
                              (np.abs(codes), 2 * normal_shares(edges) * (edges[:-1] > -1e-9))]:  # every number from two codes
        shares = figure1["fake_shares"](numbers)
        assert shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(shares[1:-1], expected, atol=1e-4)


def test_figure_1_comes_close_to_the_data_even_when_quick(script, tmp_path):
    from matplotlib.image import imread
    status, said, error = script(DEMOS / "figure1.py", "--quick", "--out", tmp_path / "out")
    assert (status, error) == (0, "")
    rows = [line.split() for line in said.splitlines()[:-1]]
    divergences, gaps = (np.array([float(row[i]) for row in rows]) for i in (3, -1))
    assert divergences[0] > 0.69  # no overlap: ln 2
    assert divergences[-1] < 0.1  # 0.02 after all 1,000 steps
    assert gaps[-1] < 0.2  # 0.05 after all 1,000 steps
    written = contents(tmp_path / "out")
    assert {"figure1.png", "figure1.gif", "frames"} <= written.keys()
    assert len(written) == 3 + len(rows)
    assert imread(tmp_path / "out" / "figure1.png").std() > 0.05


@pytest.mark.parametrize("objective", ["saturating", "non-saturating"])
def test_behind_a_trained_d_g_moves_with_one_loss_and_not_with_the_other(objective):
    players = demo("figure1.py", HEAD_START=100)["Players"](0, 20, broken=True)
    players.losses.objective = objective
    for _ in range(100):
        players.d_step()
    before = players.state(0)
    assert before["gap"] < 0.01
    for _ in range(20):
        players.d_step()
        players.g_step()
    after = players.state(20)
    moved = np.abs(after["fake"] - before["fake"]).max()
    if objective == "saturating":
        assert after["jsd"] > 0.693
        assert moved < 0.1
    else:
        assert after["jsd"] < 0.6
        assert moved > 1


# --- Saturation


def test_the_losses_and_their_derivatives_are_the_known_ones():
    saturation = demo("saturation.py")
    y = saturation["OUTPUTS"]
    p = 1 / (1 + np.exp(-y))
    expected = [(np.log(1 - p), -p), (-np.log(p), p - 1), ((y - 1)**2, 2 * (y - 1))]
    for losses, (values, slopes) in zip(saturation["LOSSES"].values(), expected, strict=True):
        got = saturation["against_output"](losses)
        np.testing.assert_allclose(got, (values, slopes), rtol=1e-9, atol=1e-9)


def test_the_gradient_of_the_saturating_loss_vanishes_the_others_do_not_and_the_picture_is_drawn(script, tmp_path):
    from matplotlib.image import imread
    path = tmp_path / "new" / "picture.png"
    status, said, error = script(DEMOS / "saturation.py", "--steps", 40, "--out", path)
    assert (status, error, said.splitlines()[-1]) == (0, "", str(path))
    saturating, *others = (float(line.split()[-1]) for line in said.splitlines()[1:4])
    assert saturating < 0.01
    assert min(others) > 0.5
    assert imread(path).std() > 0.05


# --- Checkerboards


def test_overlaps_alternate_for_kernel_3_only():
    checkerboard = demo("checkerboard.py")
    inner = slice(4, 12)
    three = checkerboard["overlaps"](3)[inner, inner]
    row = [1, 2] * 4 if three[0, 0] == 1 else [2, 1] * 4
    np.testing.assert_array_equal(three, np.outer(row, row))
    np.testing.assert_array_equal(checkerboard["overlaps"](4)[inner, inner], 4)
    np.testing.assert_array_equal(checkerboard["resized_overlaps"](5)[inner, inner], 25)


def test_the_stride_excess_finds_what_alternates(digits):
    checkerboard = demo("checkerboard.py")

    def excess(images):
        return checkerboard["stride_excess"](checkerboard["power"](images))

    noise = np.random.default_rng(0).standard_normal((500, 28, 28, 1))
    sign = (-1.0) ** np.arange(28)
    assert excess(noise) == pytest.approx(1, abs=0.05)
    for pattern in sign[:, None] + 0 * sign, 0 * sign[:, None] + sign, np.outer(sign, sign):
        # power 28² = 784 at one of 27 frequencies, beside 1 everywhere: (1 + 784 / 9 + 1 + 1) / 3
        assert excess(noise + pattern[..., None]) == pytest.approx(1 + 784 / 27, rel=0.05)
    assert excess(noise + np.cos(np.arange(28) * np.pi / 2)[:, None]) == pytest.approx(1, abs=0.05)  # period 4
    real = digits[0][::10, :, :, None] / 127.5 - 1
    assert 0.8 < excess(real) < 1


def test_untrained_transposed_convolutions_have_a_checkerboard_and_the_picture_shows_it(script, tmp_path):
    from matplotlib.image import imread
    path = tmp_path / "new" / "picture.png"
    status, said, error = script(DEMOS / "checkerboard.py", "--quick", "--out", path)
    assert (status, error) == (0, "")
    three, _, resized, real = (float(line[24:].split()[0]) for line in said.splitlines()[1:5])
    assert three > 3 * max(resized, real)
    assert imread(path).std() > 0.05


# --- Bad input


@pytest.mark.parametrize("name", ["figure1.py", "saturation.py", "checkerboard.py"])
def test_bad_options_fail_in_one_line(fails, name):
    fails(DEMOS / name, "--seed", "-1", mentions=["seed", "-1"])
    fails(DEMOS / name, "--nonsense", mentions=["--nonsense"])
    Path("file").write_text("not a folder")
    fails(DEMOS / name, "--out", Path("file", "x.png"), mentions=["file"])
