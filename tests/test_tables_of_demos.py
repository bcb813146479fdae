"""What the demos' tables and pictures say: each figure from the right images, in the right place."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from numgan import captions, data, metrics, plotting
from numgan.batches import ImageBatches
from numgan.games import ACGAN
from numgan.resample import bicubic
from numgan.run import Run, load_game

from .scripts import DEMOS, demo


@pytest.fixture(scope="module")
def classifier():
    return metrics.load_classifier()


def test_every_row_of_the_table_is_the_figure_that_it_names(classifier, some_digits):
    x = data.to_images(some_digits[0])
    rng = np.random.default_rng(0)
    reference, real = x[:300], x[300:340]
    generated = np.clip(x[400:440] + rng.normal(0, 0.5, (40, 28, 28, 1)), -1, 1).astype(np.float32)
    labels = some_digits[1][:300]
    rows = {name: texts for name, *texts in demo("evaluate.py")["figures"](reference, labels, generated, real)}
    p = [classifier.probabilities(images) for images in (generated, real)]
    counts = [np.bincount(each.argmax(1), minlength=10) for each in p]
    both = lambda form, f: [format(f(images), form) for images in (generated, real)]
    features = classifier.features
    assert rows == {
        "digit-FID": both(".2f", lambda i: metrics.frechet_distance(features(i), features(reference))),
        "digit score, 1 to 10": [f"{metrics.digit_score(each):.3f}" for each in p],
        "0, 1, ... 9, %": [" ".join(f"{100 * n / 40:.0f}" for n in c) for c in counts],
        "KL to the reference's, nats": [f"{metrics.histogram_kl(c, np.bincount(labels)):.4f}" for c in counts],
        "confidence, mean": [f"{each.max(1).mean():.4f}" for each in p],
        "confidence above 0.9, %": [f"{100 * (each.max(1) > 0.9).mean():.1f}" for each in p],
        "diversity: RMS difference": both(".3f", metrics.diversity),
        "distance to nearest reference digit": both(".2f", lambda i: np.median(metrics.nearest(i, reference)[0])),
    }


def test_real_digits_are_shuffled_with_their_labels(monkeypatch):
    train, test = np.arange(200), np.arange(100)
    as_images = lambda n: np.broadcast_to(n[:, None, None].astype(np.uint8), (len(n), 28, 28))
    sets = {"train": (as_images(train), train), "test": (as_images(test), test)}
    monkeypatch.setattr(data, "mnist", lambda split, folder: sets[split])
    for (images, labels), own in zip(demo("evaluate.py")["real_digits"]("mnist", None), (train, test), strict=True):
        np.testing.assert_array_equal(images[:, 0, 0], labels)  # an image is its own label here
        np.testing.assert_array_equal(np.sort(labels), own)
        assert (labels != own).mean() > 0.9


def test_parzen_chooses_sigma_finely_with_the_validation_digits_only():
    e = demo("evaluate.py")
    rng = np.random.default_rng(0)
    samples, near, far = rng.normal(0, 1, (50, 4)), rng.normal(0, 0.7, (30, 4)), rng.normal(0, 2, (30, 4))
    for validation, test in (near, far), (far, near), (rng.normal(0, 1.3, (30, 4)), near):
        x, v, t = ((a + 1) / 2 for a in (samples, validation, test))
        sigma = max(10 ** np.linspace(-1, 0, 41), key=lambda s: metrics.parzen_log_likelihood(x, v, s).mean())
        nats = metrics.parzen_log_likelihood(x, t, sigma)
        assert e["parzen"](samples, validation, test) == f"{nats.mean():.1f} ± {nats.std() / 30**0.5:.1f} (σ = {sigma:.3f})"


def test_parzen_s_validation_and_training_digits_do_not_overlap(some_digits, tmp_path, monkeypatch, capsys):
    images, labels = some_digits
    monkeypatch.setattr(
        data,
        "mnist",
        lambda split, folder: (images[:1100], labels[:1100]) if split == "train" else (images[1100:1130], labels[1100:1130]),
    )
    seen = []
    e = demo(
        "evaluate.py", parzen=lambda *sets: seen.append(sets) or "", figures=lambda *a: (), figures_of_classes=lambda *a: ()
    )
    game = ACGAN(width=2, rng=np.random.default_rng(0))
    Run(game, ImageBatches(images, 4, np.random.default_rng(0), labels), tmp_path).save()
    monkeypatch.setattr("sys.argv", ["evaluate.py", str(tmp_path / "checkpoint.npz"), "--data", "mnist", "--n", "20"])
    e["main"]()
    reference, real = (data.to_images(each[0]) for each in e["real_digits"]("mnist", None))
    for (x, validation, test), expected in zip(
        seen, (game.sample(20, np.random.default_rng(0)), reference[1000:1020]), strict=True
    ):
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(validation, reference[:1000])
        np.testing.assert_array_equal(test, real[:20])


def test_the_digit_asked_for_is_drawn(script, tmp_path, some_digits):
    images, labels = some_digits
    game = ACGAN(width=2, rng=np.random.default_rng(0))
    run = Run(game, ImageBatches(images, 4, np.random.default_rng(0), labels), tmp_path)
    run.save()
    assert script(DEMOS / "sample.py", run.path, "--n", 3, "--digit", 9, "--seed", 2, "--out", tmp_path / "x.npz")[0] == 0
    codes = game.asking(game.noise(3, np.random.default_rng(2)), np.full(3, 9))
    with np.load(tmp_path / "x.npz") as archive:
        np.testing.assert_array_equal(archive["images"], data.to_pixels(game.generate(codes)))


class Reads:
    """In the classifier's place: features are a few pixels, the digit is the number of bright pixels modulo 10."""

    def features(self, images):
        return images.reshape(len(images), -1)[:, 300:308]

    def probabilities(self, images):
        return np.eye(10)[(images > 0).sum((1, 2, 3)) % 10]


def test_srgan_s_figures_are_means_over_all_images(some_digits):
    originals = data.to_images(some_digits[0][:600])
    images = np.clip(
        originals + np.random.default_rng(0).normal(0, np.linspace(0.01, 1, 600)[:, None, None, None], originals.shape), -1, 1
    ).astype(np.float32)
    labels = (images > 0).sum((1, 2, 3)) % 10 + (np.arange(600) % 3 == 0)
    psnr, ssim, fid, accuracy = demo("srgan.py")["measure"](Reads(), images, originals, labels)
    assert psnr == pytest.approx((10 * np.log10(4 / ((images.astype(float) - originals) ** 2).mean((1, 2, 3)))).mean())
    assert ssim == pytest.approx(metrics.ssim(images, originals).mean())
    assert fid == metrics.frechet_distance(Reads().features(images), Reads().features(originals))
    assert accuracy == pytest.approx(2 / 3)


def test_srgan_s_table_and_rows_are_of_the_games_that_they_name(script, undrawn, pages, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = script(DEMOS / "srgan.py", "--quick", "--data", "digits-10k", "--steps", 3, 2)
    assert status == 0
    (_, _), (held_out, labels) = data.divided("digits-10k")
    originals, labels = data.to_images(held_out[::20]), labels[::20]
    mse, gan = (load_game(Path("runs", "srgan-quick", phase, "checkpoint.npz")) for phase in ("mse", "perceptual"))
    small = originals.reshape(-1, 7, 4, 7, 4, 1).mean((2, 4))
    np.testing.assert_allclose(gan.small(originals), small, atol=1e-6)
    made = {
        "bicubic": bicubic(small, 4).clip(-1, 1),
        "MSE": mse.generate(small),
        "GAN": gan.generate(small),
        "original": originals,
    }
    measure = demo("srgan.py")["measure"]
    for name, images in made.items():
        psnr, ssim, fid, accuracy = measure(classifier, images, originals, labels)
        assert f"| {name} | {psnr:.2f} | {ssim:.3f} | {fid:.2f} | {100 * accuracy:.1f} |" in out.splitlines()
    (rows,) = pages.rows
    first = [labels.tolist().index(digit) for digit in range(10)]
    assert list(rows) == ["7 × 7", *made]
    for name, images in (made | {"7 × 7": np.kron(small[..., 0], np.ones((1, 4, 4)))[..., None]}).items():
        np.testing.assert_allclose(rows[name], images[first], atol=1e-5)


def test_srgan_s_second_phase_starts_where_the_first_ended_and_the_seed_decides(some_digits, tmp_path):
    s = demo("srgan.py", train=lambda *a: None, unfinished=lambda *a: False)
    made = {}
    for seed in 1, 2:
        args = Namespace(seed=seed, quick=True, data="mnist", out=tmp_path / str(seed))
        show = data.to_images(some_digits[0][:10])
        first = s["trained"](args, "mse", 5, some_digits[0], show)
        second = s["trained"](args, "perceptual", 5, some_digits[0], show, first)
        made[seed] = first.generator.parameters()[0].data, second.discriminator.parameters()[0].data
        for network in second.generator, second.g_average.network:
            for name, array in first.generator.state().items():
                np.testing.assert_array_equal(network.state()[name], array)
    assert all((a != b).any() for a, b in zip(made[1], made[2], strict=True))


def test_stackgan_s_figures_by_hand(monkeypatch):
    s = demo("stackgan.py")
    traits = np.array([[1, 0, 1], [3, 0, 3], [3, 1, 3], [1, 1, 1], [2, 2, 2], [1, 3, 3]])
    slants = captions.SLANT[traits[:, 1], 1] + [-0.01, 0.01, -0.01, -0.01, 5, 0.01]  # right, right, wrong, right, -, right
    monkeypatch.setattr(captions, "ink", lambda images: np.array([1.0, 4, 6, 2, 100, 3]))
    monkeypatch.setattr(captions, "slant", lambda images: slants)
    x = np.random.default_rng(0).standard_normal((6, 3))
    head = lambda features: SimpleNamespace(data=np.eye(10)[[0, 0, 1, 1, 9, 9]])
    fake = SimpleNamespace(features=lambda images: x, net=SimpleNamespace(stack=[head]))
    right, ratio, leaning, fid = s["measure"](fake, None, traits, x + 1)
    assert (right, ratio, leaning) == pytest.approx((100 * 4 / 6, 5 / 2, 80))
    assert fid == pytest.approx(3)


def test_stackgan_describes_every_digit_by_its_own_label(some_digits):
    images, labels = (np.concatenate([x, x[::-1]]) for x in some_digits)  # more than are described at a time
    np.testing.assert_array_equal(
        demo("stackgan.py")["described"](images, labels), captions.traits(data.to_images(images), labels)
    )


def test_stackgan_s_rows_and_table_are_of_the_stages_that_they_name(script, undrawn, pages, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = script(DEMOS / "stackgan.py", "--quick", "--data", "digits-10k", "--steps", 2, 2)
    assert status == 0
    s = demo("stackgan.py")
    images, _, held_out, asked = s["digits"](Namespace(data="digits-10k", data_dir=None, quick=True))
    game, rng = load_game(Path("runs", "stackgan-quick", "stage-2", "checkpoint.npz")), np.random.default_rng(0)
    codes = game.asking(captions.numbers(asked), rng)
    reference = classifier.features(data.to_images(images))
    for name, drawn in {
        "stage 1, enlarged": bicubic(codes[:, :196].reshape(-1, 14, 14, 1), 2).clip(-1, 1),
        "stage 2": game.generate(codes),
        "held-out digits": data.to_images(held_out),
    }.items():
        right, ratio, leaning, fid = s["measure"](classifier, drawn, asked, reference)
        assert f"| {name} | {right:.1f} | {ratio:.2f} | {leaning:.1f} | {fid:.2f} |" in out.splitlines()
    codes = game.asking(captions.numbers(np.repeat([captions.parse(text) for text in s["SHOWN"]], 8, 0)), rng)
    left, right = pages.figures[-1].axes
    assert (left.get_title(), right.get_title()) == ("stage 1: 14 × 14", "stage 2: 28 × 28")
    small = codes[:, :196].reshape(-1, 14, 14, 1)
    for axes, drawn in (
        (left, np.kron(small[..., 0], np.ones((1, 2, 2)))[..., None].astype(np.float32)),
        (right, game.generate(codes)),
    ):
        np.testing.assert_array_equal(axes.images[0].get_array(), plotting.sheet(drawn, 8))
    assert [label.get_text() for label in left.get_yticklabels()] == list(s["SHOWN"])
    assert (np.diff(left.get_yticks()) > 0).all()  # downwards, as the rows


def test_stackgan_s_seed_decides(some_digits, tmp_path):
    s = demo("stackgan.py", train=lambda *a: None, unfinished=lambda *a: False)
    traits = s["described"](*some_digits)
    games = [
        s["trained"](Namespace(seed=seed, quick=True, data="mnist", out=tmp_path / str(seed)), 2, 5, some_digits[0], traits)
        for seed in (1, 2)
    ]
    assert (games[0].generator.parameters()[0].data != games[1].generator.parameters()[0].data).any()


class Translated:
    """A game whose translations can be told apart by their brightness."""

    def there_and_back(self, images, back=False):
        return (images * 0 + (0.5 if back else -0.5), images + (0.25 if back else 0.125))


def test_cyclegan_s_table_names_every_figure_rightly(monkeypatch, capsys):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(low, low + 100, (30, 28, 28, 3), dtype=np.uint8) for low in (0, 150))
    read = {"digits": 0, "houses": 5}  # what each reader says of real images; of fake ones, 2 and 7; of others, 9

    class Reader:
        def __init__(self, kind, channels):
            self.kind, self.channels = kind, channels

        def probabilities(self, images):
            assert images.shape[1:] == (28, 28, self.channels)
            constant = np.ptp(images.reshape(len(images), -1), 1) < 1e-6
            says = read[self.kind] + 2 * constant + (images.mean((1, 2, 3)) > 0)
            return np.eye(10)[says]

        def features(self, images):
            return images.reshape(len(images), -1)[:, :5].astype(float) + rng.standard_normal((len(images), 5)) * 0

    monkeypatch.setattr(metrics, "load_classifier", lambda: Reader("digits", 1))
    x_labels, y_labels = np.arange(30) % 5 + 5, np.arange(30) % 9
    seen = []
    monkeypatch.setattr(metrics, "frechet_distance", lambda a, b: seen.append((a, b)) or 3.25)
    demo("cyclegan.py")["table"]({"g": Translated()}, (x, x_labels), (y, y_labels), Reader("houses", 3))
    share = lambda said, labels: f"{100 * (labels == said).mean():.1f}"
    *_, head, _rule, plain, row = capsys.readouterr().out.splitlines()
    assert head == "| | houses -> digits, kept, % | digits -> houses, kept, % | cycle error, houses | digits | digit-FID |"
    assert plain == f"| not translated | {share(1, y_labels)} | {share(5, x_labels)} | | | |"
    assert row == f"| g | {share(3, y_labels)} | {share(7, x_labels)} | 0.250 | 0.125 | 3.25 |"
    ((fake, real),) = seen
    np.testing.assert_allclose(fake, 0.5)
    np.testing.assert_allclose(real, data.to_images(x).mean(-1).reshape(30, -1)[:, :5], atol=1e-6)


def varied_houses(n, rng):
    """Walls, each as bright as its number, and a label for each brightness; another seed has others."""
    start = int(rng.integers(0, 1000))
    grey = ((start + np.arange(n)) % 250).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (n, 28, 28, 3)).copy(), (grey % 10).astype(np.uint8)


def test_cyclegan_s_pictures_have_what_their_names_say(script, undrawn, pages, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "house_numbers", varied_houses)
    monkeypatch.chdir(tmp_path)
    options = "--data", "digits-10k"
    assert script(DEMOS / "cyclegan.py", "train", "--quick", "--steps", 2, *options, "--out", "run")[0] == 0
    game = load_game(Path("run", "checkpoint.npz"))
    (rows,) = pages.rows
    assert list(rows) == ["x", "G(x)", "F(G(x))", "y", "F(y)", "G(F(y))"]
    assert np.ptp(rows["x"].reshape(10, -1), 1).min() > 1  # digits
    assert np.ptp(rows["y"].reshape(10, -1), 1).max() == 0  # walls
    for name, images in {
        "G(x)": game.translate(rows["x"]),
        "F(G(x))": game.there_and_back(rows["x"])[1],
        "F(y)": game.translate(rows["y"], True),
        "G(F(y))": game.there_and_back(rows["y"], back=True)[1],
    }.items():
        np.testing.assert_allclose(rows[name], images, atol=1e-6)

    houses = varied_houses(5000, np.random.default_rng(2))  # the ones to test with
    drawn = {}
    for seed in 0, 1:
        assert (
            script(
                DEMOS / "cyclegan.py",
                "translate",
                "run/checkpoint.npz",
                "--to",
                "digits",
                "--n",
                6,
                "--seed",
                seed,
                *options,
                "--out",
                "x.npz",
            )[0]
            == 0
        )
        with np.load("x.npz") as archive:
            drawn[seed], labels = archive["images"], archive["labels"]
        for image, label in zip(drawn[seed], labels, strict=True):
            own = data.to_images(houses[0][houses[1] == label][:25])  # all walls of this label
            assert np.abs(game.translate(own, True).mean(-1, keepdims=True) - image).max((1, 2, 3)).min() < 1e-5
    assert (drawn[0] != drawn[1]).any()
    assert script(DEMOS / "cyclegan.py", "translate", "run/checkpoint.npz", "--to", "houses", "--n", 13, *options)[0] == 0
    sheet = pages.sheets[-1].reshape(4, 10, 28, 28, 3)
    for i in 0, 2:
        shown = sheet[i][: 10 if i == 0 else 3]
        np.testing.assert_allclose(sheet[i + 1][: len(shown)], game.translate(shown), atol=1e-6)
    held_out = data.divided("digits-10k")[1][0].reshape(-1, 784)
    assert all((data.to_pixels(image[None]).reshape(-1, 3)[:, 0] == held_out).all(1).any() for image in sheet[0])


def test_cyclegan_trains_tests_and_judges_with_other_houses(script, undrawn, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        data, "house_numbers", lambda n, rng: asked.append((n, int(rng.integers(2**63)))) or varied_houses(n, rng)
    )
    monkeypatch.chdir(tmp_path)
    assert script(DEMOS / "cyclegan.py", "train", "--quick", "--steps", 1, "--data", "digits-10k", "--out", "run")[0] == 0
    first = {seed: int(np.random.default_rng(seed).integers(2**63)) for seed in (1, 2, 3)}
    assert asked == [(200, first[1]), (40, first[2]), (200, first[3])]


def test_cyclegan_s_seed_decides_and_measure_uses_held_out_images(tmp_path, monkeypatch):
    starts, tables = [], []
    c = demo(
        "cyclegan.py",
        train=lambda *a: None,
        judge=lambda *a: None,
        houses=varied_for(2),
        digits=lambda *a: ("train", "test"),
        table=lambda *a: tables.append(a),
        translator=lambda path: path,
    )
    c["measuring"](Namespace(checkpoint=[Path("a")], data="mnist", data_dir=None))
    assert tables[0][1] == "test"
    c["digits"] = lambda *a: [(np.zeros((20, 28, 28, 3), np.uint8), np.zeros(20, int))] * 2
    c["unfinished"] = lambda run, steps: starts.append(run.game.g.parameters()[0].data) or next(iter(()))
    for seed in 1, 2:
        with pytest.raises(StopIteration):
            c["training"](
                Namespace(
                    quick=True, out=tmp_path / str(seed), semantic=False, steps=3, seed=seed, data="x", data_dir=None, every=1
                )
            )
    assert (starts[0] != starts[1]).any()


def varied_for(_):
    return lambda seed, n: varied_houses(n, np.random.default_rng(seed))


def test_the_reader_of_houses_learns_from_distorted_ones(tmp_path, monkeypatch):
    seen = []
    c = demo("cyclegan.py")
    distorted = c["distorted"]
    c["distorted"] = lambda images, rng: seen.append(images) or distorted(images, rng)
    c["reader"](tmp_path / "r.npz", *varied_houses(20, np.random.default_rng(0)), np.random.default_rng(0), 2)
    assert len(seen) == 2
