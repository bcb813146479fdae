"""SRGAN: what it is made of, what it is compared with, what measures it, and its demo."""

import itertools
import re
import shutil

import numpy as np
import pytest

from numgan import InputError, PixelShuffle, Residual, Sequential, Tanh, Tensor, games, metrics, plotting, resample
from numgan.games.srgan import clip
from numgan.run import load_game

from .proof import reference as ref
from .proof.games import compare_parameters, images_for, network, play, same, small_game, snapshot, watched
from .scripts import ROOT

DEMO = ROOT / "demos" / "srgan.py"
SMALL = dict(size=8, width=2, blocks=1)
KEYS = [0.8671875, 0.2265625, -0.0703125, -0.0234375]  # the kernel at 1/4, 3/4, 5/4, 7/4, from eq. 15 by hand


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


# ---- smaller and larger images


def test_a_single_pixel_is_enlarged_to_keys_s_kernel():
    x = np.zeros((1, 7, 7, 1))
    x[0, 3, 3] = 1
    line = np.array([0, 0, 0, *KEYS[::-1], *KEYS, 0, 0, 0])
    np.testing.assert_allclose(resample.bicubic(x, 2)[0, :, :, 0], np.outer(line, line), atol=1e-15)


def test_at_the_border_its_pixels_are_repeated():
    rows = resample.bicubic(np.array([[[[1.0]], [[0.0]], [[0.0]], [[0.0]]]]), 2)[0, :, 0, 0]
    near, beside = KEYS[0] + KEYS[1] + KEYS[3], KEYS[0] + KEYS[2]
    np.testing.assert_allclose(rows[:5], [near, beside, KEYS[1] + KEYS[3], KEYS[2], KEYS[3]])


def test_bicubic_is_exact_for_quadratics_inside_and_for_constants_everywhere():
    t = np.arange(9.0)
    x = (t[:, None] ** 2 - 3 * t * t[:, None] + t + 2)[None, :, :, None]
    u = (np.arange(36) + 0.5) / 4 - 0.5
    expected = u[:, None] ** 2 - 3 * u * u[:, None] + u + 2
    inside = slice(6, -6)
    np.testing.assert_allclose(resample.bicubic(x, 4)[0, inside, inside, 0], expected[inside, inside], atol=1e-12)
    constant = resample.bicubic(np.full((2, 3, 5, 2), 0.7, np.float32), 3)
    assert (constant.shape, constant.dtype) == ((2, 9, 15, 2), np.float32)
    np.testing.assert_allclose(constant, 0.7, rtol=1e-6)


def test_shrinking_takes_means_of_blocks():
    x = np.arange(32.0).reshape(1, 4, 4, 2)
    np.testing.assert_array_equal(resample.shrink(x, 2), [[[[5, 6], [9, 10]], [[21, 22], [25, 26]]]])
    np.testing.assert_allclose(resample.shrink(resample.shrink(x, 2), 2), resample.shrink(x, 4))
    for call in (lambda: resample.shrink(x, 3), lambda: resample.bicubic(x[0], 2)):
        with pytest.raises(InputError, match="expected images"):
            call()


# ---- what measures them


def test_psnr_by_hand():
    x = np.zeros((3, 2, 2, 1))
    y = x + np.array([1, 0.2, 0])[:, None, None, None]
    np.testing.assert_allclose(metrics.psnr(x, y), [10 * np.log10(4), 20, np.inf])
    np.testing.assert_allclose(metrics.psnr(x, y, peak=1)[:2], [0, 20 - 10 * np.log10(4)], atol=1e-12)
    with pytest.raises(InputError, match="psnr"):
        metrics.psnr(x, y[:, :1])


def test_ssim_of_plain_images_is_the_luminance_term():
    x, y = np.full((1, 12, 12, 1), 0.0), np.full((1, 12, 12, 1), -0.5)  # 1/2 and 1/4 of the range
    np.testing.assert_allclose(metrics.ssim(x, y), (2 / 8 + 1e-4) / (1 / 4 + 1 / 16 + 1e-4))


def test_ssim_equals_a_loop_over_windows():
    x, y = (random_images(2, 13, 12, 2, seed=seed) for seed in (1, 2))
    w = [[np.exp(-((i - 5) ** 2 + (j - 5) ** 2) / 4.5) for j in range(11)] for i in range(11)]
    w = np.array(w) / np.sum(w)
    expected = np.zeros(2)
    for n, i, j, c in itertools.product(range(2), range(3), range(2), range(2)):
        a, b = ((z[n, i:i + 11, j:j + 11, c] + 1) / 2 for z in (x, y))
        ma, mb = (w * a).sum(), (w * b).sum()
        va, vb, cov = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
        expected[n] += (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)) / 12
    np.testing.assert_allclose(metrics.ssim(x, y), expected, rtol=1e-10)
    np.testing.assert_allclose(metrics.ssim(y, x), expected, rtol=1e-10)
    np.testing.assert_allclose(metrics.ssim(x, x), 1)
    assert (metrics.ssim(x, -x) < 0).all()
    with pytest.raises(InputError, match="H, W >= 11"):
        metrics.ssim(x[:, :10], y[:, :10])


# ---- layers


def test_a_residual_block_must_keep_the_shape_and_keeps_its_input():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"keep the shape \(2, 2, 4\), got \(4, 4, 1\)"):
        Sequential(Residual(PixelShuffle(2)), input_shape=(2, 2, 4), rng=rng)
    for wrong in 0, 1.5:
        with pytest.raises(InputError, match="PixelShuffle: expected a positive integer as factor"):
            PixelShuffle(wrong)
    x = random_images(3, 5)
    nothing = Sequential(Residual(), input_shape=(5,), rng=rng, dtype=np.float64)
    np.testing.assert_array_equal(nothing(x).data, 2 * x)
    blocks = Sequential(Residual(Tanh(), Residual(Tanh())), input_shape=(5,), rng=rng, dtype=np.float64)
    np.testing.assert_allclose(blocks(x).data, x + np.tanh(x) + np.tanh(np.tanh(x)))


# ---- the game


def test_with_least_squares_g_s_gradients_are_right_and_d_does_not_move():
    game = small_game("SRGAN", SMALL | dict(objective="mse"))
    game.generator.parameters()[-1].data += 1.1  # so that many pixels are out of range
    with watched(game) as seen:
        figures = play(game)
    real, small = images_for(game).astype(np.float64), seen["z"][-1]

    def made(values):
        return network(game.generator.stack, values, small)

    def loss(values):
        return ref.l2(made(values), real)

    values = seen["g"]["generator"]
    assert figures.keys() == {"g_loss", "psnr"}
    assert 0.1 < (made(values) > 1).mean() < 0.9
    np.testing.assert_allclose(figures["g_loss"], loss(values), rtol=1e-10)
    np.testing.assert_allclose(figures["psnr"], 10 * np.log10(4 / ref.l2(made(values).clip(-1, 1), real)), rtol=1e-10)
    compare_parameters("SRGAN G", game.generator, loss, values)
    assert same(seen["d"]["discriminator"], snapshot(game.discriminator))


def test_the_adversarial_loss_has_the_paper_s_weight():
    assert games.SRGAN(size=8, width=2, blocks=1, rng=np.random.default_rng(0)).adversarial == 1e-3


def test_least_squares_learns_to_enlarge():
    game = games.SRGAN(size=8, width=4, blocks=1, objective="mse", lr=1e-2, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    slopes = rng.uniform(-1, 1, (40, 2, 1, 1, 1)).astype(np.float32)
    t = np.linspace(-0.5, 0.5, 8, dtype=np.float32)
    images = slopes[:, 0] * t[:, None, None] + slopes[:, 1] * t[:, None]  # ramps: 8 pixels say what 64 are
    figures = [game.step(images[rng.integers(0, 40, 16)]) for _ in range(30)]
    assert figures[-1]["psnr"] > figures[0]["psnr"] + 5


def test_small_images_are_means_and_what_is_drawn_is_in_range():
    game = small_game("SRGAN", SMALL, "float32")
    x = images_for(game)
    z = game.small(x)
    assert (z.shape, z.dtype) == ((6, 2, 2, 1), np.float32)
    np.testing.assert_allclose(z[1, 0, 1, 0], x[1, :4, 4:].mean(), rtol=1e-6)
    drawn = game.generate(100 * z)
    assert np.abs(drawn).max() == 1
    assert drawn.shape == x.shape


def test_what_is_out_of_range_is_seen_as_it_is_shown_and_has_no_gradient():
    x = Tensor(np.array([-2, -1, -0.5, 0.5, 2]), requires_grad=True)
    y = clip(x)
    y.backward(np.arange(1.0, 6.0))
    np.testing.assert_array_equal(y.data, [-1, -1, -0.5, 0.5, 1])
    np.testing.assert_array_equal(x.grad, [0, 0, 3, 4, 0])
    game = small_game("SRGAN", SMALL)
    game.generator.parameters()[-1].data += 5
    figures = play(game)
    white = np.ones((6, 8, 8, 1))
    assert figures["psnr"] == pytest.approx(10 * np.log10(4 / ((white - images_for(game)) ** 2).mean()), rel=1e-6)
    seen = [game.features(Tensor(x)).data for x in (white, images_for(game).astype(float))]
    assert figures["content"] == pytest.approx(((seen[0] - seen[1]) ** 2).mean())
    assert not any(p.grad.any() for p in game.generator.parameters())
    game.d_optimizer.lr = 0.0
    assert play(game)["d_fake"] == pytest.approx(game.losses.score(game.outputs(white)).mean())


def test_without_images_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="enlarges images"):
        small_game("SRGAN", SMALL).sample(2)


@pytest.mark.parametrize(("options", "name"), [(dict(objective="least squares"), "objective"), (dict(size=30), "multiple of 4"),
                                               (dict(blocks=0), "blocks"), (dict(width=0.5), "width")])
def test_settings_out_of_range(options, name):
    with pytest.raises(InputError, match=name):
        games.SRGAN(rng=np.random.default_rng(0), **options)


# ---- the demo


def test_the_demo_trains_both_phases_compares_them_and_goes_on(script, undrawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = []
    save = plotting.save_sheet
    monkeypatch.setattr(plotting, "save_sheet", lambda path, images, *rest: drawn.append(images) or save(path, images, *rest))
    options = ("--quick", "--data", "digits-10k", "--steps", 3, 2)
    status, first, _ = script(DEMO, *options)
    assert status == 0
    table = dict(re.findall(r"^\| (\w+) \| (\d.*|inf.*) \|$", first, re.MULTILINE))
    assert table.keys() == {"bicubic", "MSE", "GAN", "original"}
    assert table["original"].startswith("inf | 1.000 | 0.00")
    assert 14 < float(table["bicubic"].split(" | ")[0]) < 15.5
    assert {len(images) for images in drawn} == {40}
    out = tmp_path / "runs" / "srgan-quick"
    assert (out / "digits.png").exists()
    mse, gan = (load_game(out / phase / "checkpoint.npz") for phase in ("mse", "perceptual"))
    assert (int(mse.g_optimizer.t), int(gan.g_optimizer.t), int(gan.d_optimizer.t)) == (3, 2, 2)
    before = gan.state()
    shutil.rmtree(out / "perceptual")
    assert script(DEMO, *options)[:2] == (0, first.replace(f"{out.relative_to(tmp_path) / 'mse'}\n", ""))
    again = load_game(out / "perceptual" / "checkpoint.npz").state()
    assert same(before, again)
