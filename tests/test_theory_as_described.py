"""Figure 1, saturation and checkerboards: what is drawn and printed is what was computed."""

import numpy as np
import pytest

from numgan.batches import ImageBatches

from .scripts import demo


def test_figure_1_shows_what_is_in_a_state():
    from matplotlib.figure import Figure

    f = demo("figure1.py")
    x = f["X"]
    state = {
        "step": 1200,
        "p_data": x[:, 0] ** 2,
        "p_g": x[:, 0] + 3,
        "d": x[:, 0] / 8,
        "best": x[:, 0] / 9,
        "codes": np.array([-1.0, 2]),
        "fake": np.array([3.0, 5]),
        "jsd": 0.25,
        "gap": 0.5,
    }
    f["draw"](figure := Figure(), state)
    top, bottom = figure.axes
    for line, name, every in zip(top.lines, ("p_data", "p_g", "d", "best"), (10, 1, 1, 1), strict=True):
        np.testing.assert_array_equal(np.transpose(line.get_xydata()), [x[::every, 0], state[name][::every]])
    assert [line.get_label() for line in top.lines] == ["p_data", "p_g", "D", "D*"]
    assert [(note.xyann, note.xy) for note in bottom.texts] == [((-1, 0), (3, 1)), ((2, 0), (5, 1))]  # from z up to x
    assert bottom.get_xlabel() == "step 1,200:  JSD 0.250 nats,  mean |D - D*| 0.500"


def test_a_state_is_of_these_players():
    f = demo("figure1.py")
    players = f["Players"](3, 100, False)
    other = f["Players"](4, 100, False)
    assert (players.G.parameters()[0].data != other.G.parameters()[0].data).any()
    state = players.state(7)
    g, d = (lambda z: players.G(f["Tensor"](z.astype(np.float32)[:, None])).data[:, 0]), f["Tensor"](f["X"])
    np.testing.assert_allclose(state["fake"], g(state["codes"]), atol=1e-5)
    np.testing.assert_allclose(state["d"], 1 / (1 + np.exp(-players.D(d).data[:, 0])), atol=1e-6)
    p, q = state["p_data"], state["p_g"]
    ever = p + q > 0.01 * (p + q).max()
    assert state["gap"] == pytest.approx(np.abs(state["d"] - p / (p + q))[ever].mean(), rel=1e-5)
    assert [f["REAL"].cdf(z) for z in state["codes"]] == pytest.approx(np.linspace(0.025, 0.975, 20), abs=1e-4)
    rates = [optimizer.lr for optimizer in (players.d_optimizer, players.g_optimizer)]
    assert [[rate(t) for t in (0, 50, 100)] for rate in rates] == [
        pytest.approx([r, r / 2, 0], abs=1e-9) for r in (0.01, 0.001)
    ]


def test_the_table_of_gradients_is_of_the_second_half(monkeypatch, tmp_path, capsys):
    norms, scores = np.arange(1, 11) * 1.0, np.arange(10) / 10
    s = demo("saturation.py", gradient_norms=lambda losses, images, steps, seed: (norms, scores))
    monkeypatch.setattr("sys.argv", ["x", "--steps", "10", "--out", str(tmp_path / "x.png")])
    s["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mean over the last 5 of 10 steps")
    assert [line.split()[-2:] for line in lines[1:4]] == [["0.7000", "8"]] * 3


def test_gradient_norms_are_g_s_and_scores_those_of_fake_images(some_digits):
    s = demo("saturation.py")
    losses = s["LOSSES"]["non-saturating: -ln D"]
    (norms, scores), (other, _) = (s["gradient_norms"](losses, some_digits[0], 2, seed) for seed in (1, 2))
    assert (norms != other).all()
    game_rng, data_rng = map(np.random.default_rng, np.random.SeedSequence(1).spawn(2))
    game = s["VanillaGAN"](variant="minimal", lr=1e-3, average=None, rng=game_rng)
    batches = ImageBatches(some_digits[0], game.batch_size, data_rng)
    for norm, score in zip(norms, scores, strict=True):
        assert score == game.step(*next(batches))["d_fake"]
        gradient = np.concatenate([p.grad.ravel() for p in game.generator.parameters()])
        assert norm == pytest.approx(np.linalg.norm(gradient.astype(float)))


def test_the_picture_of_saturation_has_losses_slopes_and_norms():
    s = demo("saturation.py")
    figure = s["draw"]({name: np.array([3.0, 2, i + 1]) for i, name in enumerate(s["LOSSES"])})
    loss, slope, norm = figure.axes
    for i, (name, losses) in enumerate(s["LOSSES"].items()):
        values, slopes = s["against_output"](losses)
        for axes, expected in (
            (loss, (s["OUTPUTS"], values)),
            (slope, (s["OUTPUTS"], slopes)),
            (norm, ([1, 2, 3], [3, 2, i + 1])),
        ):
            np.testing.assert_array_equal(np.transpose(axes.lines[i].get_xydata()), expected)
        assert loss.get_legend().get_texts()[i].get_text() == name
    for axes in loss, slope:
        grey = axes.patches[0].get_extents().transformed(axes.transData.inverted())
        assert (grey.x0, grey.x1) == pytest.approx((-8, -3))  # D(G(z)) < 0.05


def test_checkerboards_are_of_games_that_have_been_trained(some_digits):
    c = demo("checkerboard.py")
    steps, real_step = [], c["UpsamplingDCGAN"].step
    c["UpsamplingDCGAN"].step = lambda game, *batch: steps.append(0) or real_step(game, *batch)
    grown, seen = [], []
    for images in c["grow"]("resize, kernel 5", some_digits[0], [0, 2, 3], 2, 4, 1):
        grown.append(images)
        seen.append(len(steps))
    assert seen == [0, 2, 3]
    assert (grown[0] != grown[1]).any()
    (other,) = c["grow"]("resize, kernel 5", some_digits[0], [0], 2, 4, 2)
    assert (grown[0] != other).any()


def test_the_picture_of_checkerboards_shows_spectra_before_and_after():
    c = demo("checkerboard.py")
    rng = np.random.default_rng(0)
    smooth = np.linspace(1, 3, 28)[:, None, None] * np.ones((28, 28, 1))  # more along y than along x
    images = lambda: np.clip(rng.standard_normal((8, 28, 28, 1)) * 0.1 * smooth, -1, 1)
    real, samples = images(), {name: [images(), images(), images()] for name in c["UPSAMPLING"]}
    figure = c["draw"](real, samples, [0, 5, 9])
    before, after, excess = figure.axes[-3:]
    assert (before.get_title(), after.get_title()) == ("spectrum, step 0", "spectrum, step 9")
    for axes, i in (before, 0), (after, -1):
        for line, shown in zip(axes.lines, [*(each[i] for each in samples.values()), real], strict=True):
            spectrum = c["power"](shown)
            along = [spectrum[0, k] + spectrum[k, 0] for k in range(1, 15)]
            np.testing.assert_allclose(np.transpose(line.get_xydata()), [np.arange(1, 15) / 28, along / spectrum.sum()])
    for line, each in zip(excess.lines, samples.values(), strict=False):
        np.testing.assert_allclose(line.get_ydata(), [c["stride_excess"](c["power"](x)) for x in each])
    bars = [[bar.get_height() for bar in axes.patches] for axes in figure.axes[:6:2]]
    assert [sorted(set(row)) for row in bars] == [[1, 2], [2], [5]]  # taps of the kernel that reach a pixel, in one dimension
