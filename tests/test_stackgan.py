"""StackGAN: what captions say of digits, layers that read them, the game's two stages, and its demo."""

import os
import re
import shutil
import signal

import numpy as np
import pytest

from numgan import Augmentation, Beside, Dense, Embedding, InputError, Reshape, Sequential, Tensor, captions, data, resample
from numgan.batches import CaptionBatches
from numgan.embedding import divergence
from numgan.games import StackGAN
from numgan.run import load_game

from .errors import refused
from .proof.games import inside, play, same, small_game, snapshot
from .runs import new_run
from .scripts import ROOT

DEMO = ROOT / "demos" / "stackgan.py"
SMALL = dict(size=8, width=2, latent_dim=5, caption_dim=3)
ALL = np.array(list(captions.SENTENCES.values()))  # traits


# ---- what digits look like


def line(per_row, side=28):
    """A stroke that moves so many pixels to the right with every row upwards, its ink shared by the two nearest pixels."""
    image = np.full((1, side, side, 1), -1.0)
    for row in range(4, side - 4):
        x = side / 2 - per_row * (row - side / 2)
        left = int(np.floor(x))
        image[0, row, left:left + 2, 0] += 2 * np.array([left + 1 - x, x - left])
    return image


@pytest.mark.parametrize("per_row", [0, 0.25, -0.5])
def test_the_slant_of_a_stroke_is_how_far_it_moves_per_row(per_row):
    assert captions.slant(line(per_row)) == pytest.approx(per_row, abs=1e-12)
    assert captions.slant(line(per_row)[:, :, ::-1]) == pytest.approx(-per_row, abs=1e-12)
    assert captions.ink(line(per_row)) == pytest.approx(20 / 28**2)


def test_an_image_without_ink_has_no_slant_and_a_smaller_one_has_the_same_ink():
    assert captions.slant(np.full((1, 4, 4, 1), -1.0)) == 0
    x = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(captions.ink(resample.shrink(x, 2)), captions.ink(x), rtol=1e-6)


def test_of_the_digits_of_each_class_a_third_has_each_word(digits):
    images, labels = (x[::2] for x in digits)
    images = data.to_images(images)
    described = captions.traits(images, labels)
    np.testing.assert_array_equal(described[:, 1], labels)
    for digit in range(10):
        of_class = described[labels == digit]
        for trait in 0, 2:
            shares = np.bincount(of_class[:, trait], minlength=4) / len(of_class)
            np.testing.assert_allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.1)  # 4.7 standard deviations of 500 digits
        right = captions.slant(images[labels == digit]) > captions.SLANT[digit, 1]
        assert abs(right.mean() - 0.5) < 0.1
    thin, bold = (captions.ink(images[described[:, 0] == weight]).mean() for weight in (1, 3))
    assert bold > 1.7 * thin


@pytest.mark.skipif("NUMGAN_DATA" not in os.environ, reason="needs MNIST's training set")
def test_the_limits_of_ink_and_slant_are_the_terciles_of_mnist():
    images, labels = data.mnist("train")
    parts = [data.to_images(images[i:i + 5000]) for i in range(0, len(images), 5000)]
    ink, slant = (np.concatenate([measure(x) for x in parts]) for measure in (captions.ink, captions.slant))
    for digit in range(10):
        mine = labels == digit
        np.testing.assert_allclose(captions.INK[digit], np.quantile(ink[mine], [1 / 3, 2 / 3]), atol=6e-5)
        np.testing.assert_allclose(captions.SLANT[digit], np.quantile(slant[mine], [1 / 3, 1 / 2, 2 / 3]), atol=6e-5)


def test_traits_change_at_the_thresholds():
    digit, (low, high) = np.array([7]), captions.INK[7]
    for ink, weight in ((low - 1e-3, 1), (low + 1e-3, 2), (high - 1e-3, 2), (high + 1e-3, 3)):
        assert captions.traits(np.full((1, 28, 28, 1), 2 * ink - 1), digit)[0, 0] == weight
    low, _, high = captions.SLANT[7]
    for slant, lean in ((low - 1e-3, 1), (low + 1e-3, 2), (high - 1e-3, 2), (high + 1e-3, 3)):
        assert captions.traits(line(slant), digit)[0, 2] == lean


# ---- what is said


def test_every_caption_is_spelled_by_its_numbers_and_parsed_to_its_traits():
    assert len(captions.SENTENCES) == 160
    assert {"a bold seven leaning right", "an eight", "a thin one standing upright"} <= captions.SENTENCES.keys()
    for sentence, row in zip(captions.SENTENCES, captions.numbers(ALL), strict=True):
        assert " ".join(captions.VOCABULARY[number] for number in row).strip() == sentence
        np.testing.assert_array_equal(captions.numbers(captions.parse(f" {sentence.upper()} ")[None])[0], row)


def test_unknown_words_are_answered_with_the_vocabulary_and_no_caption_with_the_nearest_one():
    with refused("'blue'", *captions.VOCABULARY):
        captions.parse("a bold blue seven")
    for text, near in (("a seven bold", "a seven"), ("an bold eight leaning right", "a bold eight leaning right"),
                       ("", "DIGIT"), ("a thin bold two", "a thin two"), ("a two leaning upright", "a two")):
        with refused("caption", near):
            captions.parse(text)


def test_what_is_forgotten_is_neither_the_digit_nor_changed():
    described = np.repeat(ALL[(ALL > 0)[:, [0, 2]].all(1)], 50, 0)
    said = captions.forget(described, np.random.default_rng(0))
    np.testing.assert_array_equal(said[:, 1], described[:, 1])
    np.testing.assert_array_equal(said[said > 0], described[said > 0])
    np.testing.assert_allclose((said[:, [0, 2]] == 0).mean(0), 0.3, atol=0.03)
    assert abs((said[:, [0, 2]] == 0).all(1).mean() - 0.09) < 0.02


@pytest.mark.parametrize("labels", [None, ALL[:9, 0], ALL[:9, :2], ALL[:9, :, None]])
def test_captions_are_made_of_three_traits(labels):
    with refused("CaptionBatches", "traits", "(9, 3)"):
        CaptionBatches(np.zeros((9, 4, 4), np.uint8), 2, np.random.default_rng(0), labels)


def test_batches_have_captions_that_suit_the_images():
    images = np.arange(160, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    x, words = next(CaptionBatches(images, 500, np.random.default_rng(0), ALL))
    known = {tuple(row): traits for row, traits in zip(captions.numbers(ALL).tolist(), ALL, strict=True)}
    own, said = ALL[data.to_pixels(x)[:, 0, 0]], np.array([known[tuple(row)] for row in words.tolist()])
    np.testing.assert_array_equal(said[:, 1], own[:, 1])
    np.testing.assert_array_equal(said[said > 0], own[said > 0])
    forgotten = ((said == 0) & (own > 0))[:, [0, 2]].sum() / (own > 0)[:, [0, 2]].sum()
    assert abs(forgotten - 0.3) < 0.1


@pytest.mark.parametrize("number", [-1, len(captions.VOCABULARY)])
def test_a_number_without_a_word_is_refused(number):
    with refused("here: expected word numbers 0 … 20", number):
        captions.check_words(np.full((2, captions.LENGTH), number), (2, captions.LENGTH), "here")


# ---- layers that read


def test_a_word_s_vector_gets_the_gradients_of_all_places_where_it_stands():
    layer = Embedding(4, 2)
    layer.build((3,), np.random.default_rng(0), np.float64)
    layer.table.data[...] = [[0, 1], [10, 20], [300, 400], [5, 6]]
    y = layer(np.array([[1.0, 2, 1], [0, 0, 2]]))
    np.testing.assert_array_equal(y.data, [[320, 440], [300, 402]])
    y.backward(np.array([[1.0, 2], [10, 20]]))
    np.testing.assert_array_equal(layer.table.grad, [[20, 40], [2, 4], [11, 22], [0, 0]])
    for words in ([[4.0]], [[-1.0]]):
        with refused("words 0 … 3"):
            layer(np.array(words))


def test_conditioning_augmentation_is_normal_around_what_the_caption_says():
    layer = Augmentation(5, 2)
    layer.build((2 + 3,), np.random.default_rng(0), np.float64)
    words = np.array([[1.0, 2, 4]])
    mean, log_variance = (y.data for y in layer.moments(Tensor(words)))
    noise = np.random.default_rng(1).standard_normal((20000, 2))
    c = layer(np.concatenate([noise, words.repeat(20000, 0)], 1)).data
    np.testing.assert_allclose((c - mean) / np.exp(log_variance)**0.5, noise, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(c.var(0), np.exp(log_variance[0]), rtol=0.05)


@pytest.mark.parametrize(("mean", "log_variance"), [(0.0, 0.0), (1.0, 0.0), (-0.5, 1.2), (0.3, -2.0)])
def test_the_divergence_is_the_integral_that_defines_it(mean, log_variance):
    x = np.linspace(-15, 15, 20001)

    def log_density(mean, variance):
        return -0.5 * ((x - mean)**2 / variance + np.log(2 * np.pi * variance))

    p, q = log_density(mean, np.exp(log_variance)), log_density(0, 1)
    expected = (np.exp(p) * (p - q)).sum() * (x[1] - x[0])
    got = divergence(Tensor(np.array([[mean, 0.0]])), Tensor(np.array([[log_variance, 0.0]])))
    assert got.item() == pytest.approx(expected / 2, abs=1e-9)  # the mean of this and of 0


@pytest.mark.parametrize(("options", "name"), [(dict(vocabulary=0, d=2), "vocabulary"), (dict(vocabulary=3, d=1.5), "d")])
def test_a_table_of_words_has_positive_sizes(options, name):
    with refused("Embedding", f"as {name}"):
        Embedding(**options)


@pytest.mark.parametrize("share", [0, 0.6, 1])
def test_the_share_that_is_forgotten_can_be_chosen(share):
    said = captions.forget(np.full((2000, 3), 1), np.random.default_rng(0), share)
    np.testing.assert_allclose((said[:, [0, 2]] == 0).mean(0), share, atol=0.04)


def test_what_does_not_fit_beside_is_refused():
    for layer, shape, mention in ((Beside([], [], 3), (2,), "at least 3"), (Embedding(3, 2), (2, 2), "captions"),
                                  (Beside([], [], 1), (4, 4), "vectors"),
                                  (Augmentation(3, 2), (2,), "noise"),
                                  (Beside([Reshape(2, 2, 1)], [Dense(1)], 1), (4,), "expected 4 elements")):
        with refused(mention):
            Sequential(layer, input_shape=shape, rng=np.random.default_rng(0))


# ---- the game


@pytest.mark.parametrize("stage", [1, 2])
def test_d_s_outputs_are_of_images_beside_captions(stage, monkeypatch):
    monkeypatch.setattr("numgan.network.AT_ONCE", 0)  # one row at a time
    game = StackGAN(**SMALL, stage=stage, rng=np.random.default_rng(0))
    images = np.random.default_rng(1).uniform(-1, 1, (3, *game.image_shape)).astype(np.float32)
    words = captions.numbers(ALL[:3])
    outputs = game.outputs(images, words)
    assert outputs.shape == (3, 1)
    np.testing.assert_allclose(outputs, game.discriminate(Tensor(images), words).data, rtol=1e-5)

def test_d_learns_which_caption_suits_an_image():
    game = StackGAN(size=8, width=8, latent_dim=4, caption_dim=16, lr=0, d_lr=5e-3, rng=np.random.default_rng(0))
    white = np.arange(16) % 2 == 0
    thin, bold = captions.numbers(np.stack([captions.parse(f"a {weight} seven") for weight in ("thin", "bold")]))
    labels = np.where(white[:, None], bold, thin)
    images = np.broadcast_to(np.where(white, 0.8, -0.8)[:, None, None, None], (16, 4, 4, 1)).astype(np.float32)
    for _ in range(40):
        figures = game.step(images, labels)
    assert figures["d_real"] > figures["d_wrong"] + 0.5


def test_stage_2_draws_from_what_its_stage_1_draws_which_does_not_change():
    game = small_game("StackGAN", SMALL | dict(stage=2))
    before = snapshot(game.first)
    words = captions.numbers(ALL[:7])
    codes = game.asking(words, np.random.default_rng(0))
    play(game)
    assert same(before, game.first.state())
    np.testing.assert_array_equal(game.asking(words, np.random.default_rng(0)), codes)
    np.testing.assert_array_equal(codes[:, -captions.LENGTH:], words)
    assert np.ptp(codes[:, :16], axis=0).min() > 0
    other = codes.copy()
    other[:, :16] *= -1
    assert np.abs(game.generate(other) - game.generate(codes)).max() > 1e-6


def test_a_sheet_has_a_row_for_each_caption():
    game = small_game("StackGAN", SMALL, "float32")
    words = game.looks.inputs(game, np.random.default_rng(0)).reshape(10, 10, -1)[..., -captions.LENGTH:]
    assert (words == words[:, :1]).all()
    assert len(np.unique(words[:, 0], axis=0)) == 10
    assert game.sample(3).shape == (3, 4, 4, 1)


@pytest.mark.parametrize(("options", "name"), [(dict(stage=3), "stage"), (dict(size=30), "size"), (dict(size=4), "size"),
                                               (dict(kl=-1.0), "kl"), (dict(width=0), "width"),
                                               (dict(caption_dim=1.5), "caption_dim")])
def test_settings_out_of_range(options, name):
    with pytest.raises(InputError, match=name):
        StackGAN(rng=np.random.default_rng(0), **options)


# ---- the demo


@pytest.fixture
def interrupted(monkeypatch):
    """A function: from now on, Ctrl-C is pressed in these steps of a stage, (stage, step)."""
    def at(*places):
        step, done = StackGAN.step, {}

        def pressed(game, *batch):
            done[game.stage] = int(game.g_optimizer.t) + 1
            if (game.stage, done[game.stage]) in places:
                signal.raise_signal(signal.SIGINT)
            return step(game, *batch)

        monkeypatch.setattr(StackGAN, "step", pressed)
    return at


def test_the_demo_trains_both_stages_and_resumes_in_either(script, undrawn, tmp_path, monkeypatch, interrupted):
    monkeypatch.chdir(tmp_path)
    options = ("--quick", "--data", "digits-10k", "--steps", 3, 2)
    status, straight, _ = script(DEMO, *options)
    assert status == 0
    rows = re.findall(r"^\| ([\w ,-]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", straight, re.MULTILINE)
    assert [row[0] for row in rows] == ["stage 1, enlarged", "stage 2", "held-out digits"]
    real = [float(number) for number in rows[-1][1:]]
    assert real[0] > 98
    assert real[1] > 1.6
    assert real[2] == 100
    out = tmp_path / "runs" / "stackgan-quick"
    states = [load_game(out / f"stage-{stage}" / "checkpoint.npz").state() for stage in (1, 2)]
    averages = inside(states[0], "g_average.")
    averages.pop("t")
    assert same(averages, inside(states[1], "first."))
    picture = (out / "captions.png").read_bytes()
    shutil.rmtree(out)
    interrupted((1, 2), (2, 1))
    for _ in range(2):
        status, _, error = script(DEMO, *options)
        assert status == 130
        assert "the same command resumes" in error
    status, resumed, _ = script(DEMO, *options)
    assert status == 0
    assert resumed.partition("100 digits")[2] == straight.partition("100 digits")[2]
    again = [load_game(out / f"stage-{stage}" / "checkpoint.npz").state() for stage in (1, 2)]
    assert all(map(same, states, again))
    assert (out / "captions.png").read_bytes() == picture


@pytest.mark.parametrize("stage", [1, 2])
def test_say_draws_what_a_caption_asks_for(script, tmp_path, stage):
    run = new_run(tmp_path, "StackGAN, stage 2" if stage == 2 else "StackGAN")
    run.save()
    file = tmp_path / "x.npz"
    status, out, _ = script(DEMO, "say", run.path, "a bold seven leaning right", "--n", 5, "--seed", 3, "--out", file)
    assert (status, out.count("\n")) == (0, 1)
    with np.load(file) as archive:
        images, caption = archive["images"], archive["caption"]
    codes = run.game.asking(captions.numbers(np.repeat([[3, 7, 3]], 5, 0)), np.random.default_rng(3))
    np.testing.assert_array_equal(images, run.game.generate(codes))
    assert (images.dtype, images.shape) == (np.float32, (5, 4 * stage, 4 * stage, 1))
    assert caption == "a bold seven leaning right"
    assert script(DEMO, "say", run.path, "an eight", "--out", tmp_path / "x.png")[0] == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_say_refuses_other_words_and_other_games_in_one_line(fails, tmp_path):
    run = new_run(tmp_path / "run", "StackGAN, stage 2")
    run.save()
    fails(DEMO, "say", run.path, "a blue seven", mentions=["'blue'", *captions.VOCABULARY])
    other = new_run(tmp_path / "other", "SRGAN")
    other.save()
    fails(DEMO, "say", other.path, "a seven", mentions=["StackGAN", "SRGAN"])
    fails(DEMO, "say", tmp_path / "none.npz", "a seven", mentions=["none.npz"])
    fails(DEMO, "say", run.path, "a seven", "--n", 0, mentions=["--n", "'0'"])
    fails(DEMO, "say", run.path, "a seven", "--out", "x.txt", mentions=["--out", ".npz"])
    fails(DEMO, "tell", mentions=["tell"])
    fails(DEMO.with_name("latent.py"), "interpolate", run.path, mentions=["codes z", "StackGAN"])
