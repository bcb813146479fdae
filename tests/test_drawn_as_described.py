"""Pictures are drawn as described: rows, curves, films, graphs, and house numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import image

from numgan import houses, pictures, plotting, resample
from numgan.resample import distorted


def test_rows_stand_upright_beside_their_names(pages, tmp_path):
    rng = np.random.default_rng(0)
    rows = {name: rng.uniform(-1, 1, (3, 5, 4, 1)).astype(np.float32) for name in ("first", "second", "third")}
    plotting.save_rows(tmp_path / "x.png", rows)
    (axes,) = pages.figures[-1].axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), plotting.sheet(np.concatenate([*rows.values()]), 3))
    assert (image.cmap.name, image.origin) == ("gray", "upper")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # downwards
    ticks = sorted(zip(axes.get_yticks(), (label.get_text() for label in axes.get_yticklabels()), strict=True))
    assert [name for _, name in ticks] == ["first", "second", "third"]
    np.testing.assert_allclose([at for at, _ in ticks], 2 + 7 * np.arange(3) + 2.5, atol=2)


def test_lines_are_logarithmic_with_one_label_for_each_name(pages, tmp_path):
    lines = {"a": [[(1, 10), (2, 5)], [(1, 9), (2, 4)]], "b": [[(3, 100)]]}
    plotting.save_lines(tmp_path / "x.png", lines, "minutes", "distance")
    (axes,) = pages.figures[-1].axes
    assert (axes.get_yscale(), axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == (
        "log",
        "linear",
        "minutes",
        "distance",
    )
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[1, 10], [2, 5]], [[1, 9], [2, 4]], [[3, 100]]]
    assert [line.get_color() for line in axes.lines] == ["C0", "C0", "C1"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_curves_have_their_panels_names_and_references(pages, tmp_path):
    steps = np.arange(1, 201)
    history = {"step": steps, "d": np.sin(steps), "g": np.cos(steps) + 3, "s": steps / 200}
    plotting.save_curves(tmp_path / "x.png", history, {"losses": ["d", "g"], "scores": ["s"]}, {"g": 0.693})
    losses, scores = pages.figures[-1].axes
    assert (losses.get_ylabel(), scores.get_ylabel(), scores.get_xlabel()) == ("losses", "scores", "step")
    raw, smooth, *_ = (line.get_xydata() for line in scores.lines)
    np.testing.assert_allclose(raw, np.stack([steps, history["s"]], 1))
    np.testing.assert_allclose(smooth, np.stack([steps[3:], np.convolve(history["s"], np.ones(4) / 4, "valid")], 1))
    reference = losses.lines[-1]
    assert (reference.get_linestyle(), reference.get_color(), [*reference.get_ydata()]) == (":", "C1", [0.693, 0.693])


@pytest.mark.parametrize("fps", [2, 5])
def test_the_last_frame_stays_for_two_seconds(tmp_path, fps):
    pictures = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(pictures):
        image.imsave(path, np.full((20, 20, 3), 100 * i, np.uint8))
    plotting.save_gif(tmp_path / "x.gif", pictures, fps)
    frames = []
    with image.PIL.Image.open(tmp_path / "x.gif") as gif:
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append((gif.convert("RGB").getpixel((5, 5))[0], gif.info["duration"]))
    times = {level: sum(time for shown, time in frames if abs(shown - level) < 20) for level in (0, 100, 200)}
    assert times == pytest.approx({0: 1000 / fps, 100: 1000 / fps, 200: 1000 / fps + 2000}, abs=60)


def test_the_plane_has_circles_at_the_centres(pages, tmp_path):
    centres = np.array([[0.5, -0.25], [1, 2]])
    plotting.save_plane(tmp_path / "x.png", np.zeros((3, 3)), 3.0, np.array([[1.0, 0.5]]), centres, "x")
    circles, points = pages.figures[-1].axes[0].lines
    np.testing.assert_array_equal(circles.get_xydata(), centres)
    np.testing.assert_array_equal(points.get_xydata(), [[1.0, 0.5]])


def test_transparent_pixels_are_rounded_on_white(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 8, 8, 4), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=pixels)
    images, _ = pictures.read(tmp_path / "x.npz")
    c, a = pixels[..., :3].astype(int), pixels[..., 3:].astype(int)
    exact = (255 * 255 + (c - 255) * a) / 255
    assert np.abs(images - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(("shape", "factor"), [((2, 4, 8, 1), 2), ((1, 6, 3, 2), 3)])
def test_images_that_are_not_square_keep_their_sides(shape, factor):
    x = np.random.default_rng(0).uniform(-1, 1, shape)
    n, h, w, c = shape
    np.testing.assert_allclose(
        resample.shrink(x, factor), x.reshape(n, h // factor, factor, w // factor, factor, c).mean((2, 4))
    )
    assert resample.bicubic(x, factor).shape == (n, h * factor, w * factor, c)


def test_distorted_images_are_stretched_along_both_axes():
    line = np.linspace(-1, 1, 9)
    for axis in 1, 2:
        image = np.broadcast_to(np.expand_dims(line, [i for i in range(4) if i != axis]), (50, 9, 9, 1)).astype(np.float64)
        new = distorted(image, np.random.default_rng(0), slant=0, turn=0, bend=0, stretch=0.3)
        slope = np.moveaxis(np.diff(new, axis=axis), axis, 1)[:, 4, 4, 0] / 0.25
        assert 0.15 < np.log(slope[slope > 0]).std() < 0.4


def test_neighbours_of_a_house_number_are_drawn_apart_and_two_in_five_are_missing(monkeypatch):
    seen, ink = [], houses._ink
    monkeypatch.setattr(houses, "_ink", lambda glyphs, shown, *more: seen.append(shown % 11) or ink(glyphs, shown, *more))
    _, labels = houses.render(1000, np.random.default_rng(0))
    left, middle, right = np.concatenate(seen, 1)
    np.testing.assert_array_equal(middle, labels)
    for side in left, right:
        counts = np.bincount(side, minlength=11)
        assert abs(counts[houses.BLANK] - 400) < 70
        assert counts[:10].min() > 30
    assert abs((left == right).mean() - (0.4**2 + 0.6**2 / 10)) < 0.06
    assert np.bincount(labels, minlength=10).min() > 60


def test_all_lines_about_gradients_are_red():
    box = SimpleNamespace(frozen=False, title="layer", text=["(2, 3), norm 5", "gradient norm 2", "gradient of w norm 3"])
    assert [colour for _, colour, _ in plotting._lines(box)] == ["black", "black", plotting.RED, plotting.RED]


def test_house_numbers_lean_a_little_to_the_right_and_stand_apart(monkeypatch):
    pose, _, _ = houses._pose(np.full((4000, 2), [30, 45]), np.random.default_rng(0))
    assert 0.02 < (-pose[:, 0, 1] / pose[:, 1, 1]).mean() < 0.06  # to the right, per pixel upwards
    gaps, ink = [], houses._ink
    monkeypatch.setattr(houses, "_ink", lambda *given: gaps.append(given[-1]) or ink(*given))
    houses.render(200, np.random.default_rng(0))
    assert 3 <= np.min(gaps) < 4 < 13 < np.max(gaps) <= 14


def test_house_numbers_differ_from_walls_in_luminance():
    digit, wall = houses._colours(2000, np.random.default_rng(0))
    assert (np.abs((digit - wall) @ [0.299, 0.587, 0.114]) > 0.24 - 1e-9).all()  # of ITU-R BT.601


def test_shadows_darken_the_wall_and_an_edge_changes_it():
    none, square = np.zeros((2, 200, 28, 28, 1), np.float32)
    square[:, 10:18, 10:18] = 1
    plain, shadowed, stepped = (
        houses._paint(ink, beyond, np.random.default_rng(0)) for ink, beyond in ((none, none), (square, none), (none, square))
    )
    there = square[0, ..., 0] == 1
    change = (shadowed - plain)[:, ~there]
    assert change.max() < 1e-3
    assert change.min() < -0.05
    steps = (stepped - plain)[:, there].mean((1, 2))
    assert 0.15 < steps.std() < 0.25


def test_the_camera_keeps_the_mean_and_its_sharpness_varies():
    rng = np.random.default_rng(0)
    assert houses._photograph(np.full((400, 28, 28, 3), 100.6 / 255, np.float32), rng).mean() == pytest.approx(100.6, abs=0.1)
    points = np.zeros((200, 28, 28, 3), np.float32)
    points[:, 14, 14] = 1
    peaks = houses._photograph(points, rng)[:, 14, 14].mean(1) / 255
    assert peaks.min() < 0.2 < 0.85 < peaks.max()
