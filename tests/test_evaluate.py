"""The classifier of digits: what it knows, the script that trains it, and the one that measures a generator with it."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from numgan import Adam, checkpoint, data, metrics, softmax_cross_entropy
from numgan.batches import ImageBatches
from numgan.games import ACGAN, SGAN, ConditionalSGAN, VanillaGAN
from numgan.games.classes import asked
from numgan.run import Run, load_game

from .errors import refused
from .scripts import ROOT, contents, process

TRAIN, EVALUATE = ROOT / "demos" / "train_classifier.py", ROOT / "demos" / "evaluate.py"


# --- The classifier


@pytest.fixture(scope="module")
def classifier():
    return metrics.load_classifier()


def test_the_classifier_knows_the_embedded_digits(classifier):
    images, labels = (array[::4] for array in data.digits_10k())
    p = classifier.probabilities(data.to_images(images))
    assert p.shape == (2500, 10)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert (p.argmax(1) == labels).mean() > 0.998
    assert metrics.digit_score(p) > 9.8


def test_the_classifier_is_as_good_as_it_says_on_the_test_set(classifier):
    folder = os.environ.get("NUMGAN_DATA")
    if not folder:
        pytest.skip("no full MNIST: set NUMGAN_DATA to the folder of its files")
    images, labels = data.mnist("test", folder)
    accuracy = (classifier.probabilities(data.to_images(images)).argmax(1) == labels).mean()
    said = re.search(r"it gets (.*) %", (ROOT / "numgan" / "data" / "README.md").read_text(encoding="utf-8"))[1]
    assert accuracy * 100 == pytest.approx(float(said), abs=0.02)
    assert accuracy > 0.994


def test_the_classifier_reads_in_its_own_precision(classifier):
    images = data.to_images(data.digits_10k()[0][::1000])
    exact = metrics.load_classifier(np.float64)
    assert exact.features(images).dtype == np.float64
    np.testing.assert_allclose(exact.probabilities(images), classifier.probabilities(images), atol=1e-4)


def test_features_and_probabilities_do_not_depend_on_the_chunks_and_belong_together(classifier, monkeypatch):
    images = data.to_images(data.digits_10k()[0][::1000])
    features, p = classifier.features(images), classifier.probabilities(images)
    assert (features.shape, features.dtype) == ((10, 64), np.float32)
    assert features.min() == 0 < features.std()
    with monkeypatch.context() as patch:
        patch.setattr("numgan.network.AT_ONCE", 1)  # one image at a time
        np.testing.assert_allclose(classifier.features(images), features, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(classifier.probabilities(images), p, rtol=1e-3, atol=1e-6)
    last = classifier.net.stack[-1]
    logits = features @ last.w.data + last.b.data
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), p, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("wrong", "mentions"), [
    (np.zeros((2, 28, 28, 1), np.uint8), ["uint8"]), (np.zeros((2, 28, 28)), ["(2, 28, 28)"]),
    (np.zeros((2, 32, 32, 1)), ["(2, 32, 32, 1)"]), (np.full((1, 28, 28, 1), 255.0), ["[-1, 1]", "255"]),
    (np.full((1, 28, 28, 1), -1.1), ["[-1, 1]", "-1.1"]), (np.full((1, 28, 28, 1), np.nan), ["nan"])])
def test_the_classifier_takes_images_only(classifier, wrong, mentions):
    for call in classifier.features, classifier.probabilities:
        with refused("expected ", ", got ", *mentions):
            call(wrong)


def test_a_classifier_of_coloured_images_says_so():
    coloured = metrics.Classifier(metrics.network(np.random.default_rng(0), channels=3))
    with refused("(n, 28, 28, 3)", "(1, 28, 28, 1)"):
        coloured.features(np.zeros((1, 28, 28, 1)))


def test_the_classifier_s_file_is_small_and_importing_numgan_does_not_need_it(tmp_path):
    assert (ROOT / "numgan" / "data" / "classifier.npz").stat().st_size <= 200_000
    code = "import sys, numgan, numgan.training, numgan.games; print('numgan.metrics' in sys.modules)"
    assert process("-c", code, cwd=tmp_path).stdout == "False\n"


# --- Training it


@pytest.fixture
def few_digits(monkeypatch):
    """400 embedded digits instead of 10,000."""
    images, labels = data.digits_10k()
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::25], labels[::25]))
    return images[::25], labels[::25]


def test_the_training_script_writes_what_the_classifier_loads_and_says_how_good_it_is(script, few_digits, tmp_path):
    out = tmp_path / "new" / "classifier.npz"
    status, said, error = script(TRAIN, "--epochs", 8, "--out", out)
    assert status == 0
    assert error.count("\n") == 1 + 8  # a line per epoch where output is piped
    assert set(contents(tmp_path / "new")) == {"classifier.npz"}
    net = metrics.network(np.random.default_rng(9))
    with np.load(out) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype(np.float16)}
        net.load_state({name: archive[name].astype(np.float32) for name in archive.files})
    images, labels = few_digits
    right = metrics.Classifier(net).probabilities(data.to_images(images[::10])).argmax(1) == labels[::10]
    assert right.mean() > 0.3
    assert f"rounded to float16 {right.mean():.2%}\n" in said


def test_every_epoch_has_every_training_digit_once_in_another_order(script, monkeypatch, tmp_path):
    images = data.digits_10k()[0][::25]
    monkeypatch.setattr(data, "digits_10k", lambda: (images, np.arange(400) % 10))
    batches, loss = [], softmax_cross_entropy
    monkeypatch.setattr("numgan.softmax_cross_entropy", lambda y, labels: batches.append(labels) or loss(y, labels))
    assert script(TRAIN, "--epochs", 2, "--out", tmp_path / "x.npz")[0] == 0
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])  # of 120 digits each
    known = (np.arange(400) % 10)[np.arange(400) % 10 != 0]
    assert sorted(first) == sorted(second) == sorted(known)
    assert all((a != b).any() for a, b in ((first, second), (first, known), (second, known)))


def test_the_seed_decides_on_the_trained_classifier(script, monkeypatch, tmp_path):
    images, labels = data.digits_10k()
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::250], labels[::250]))
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        assert script(TRAIN, "--epochs", 1, "--seed", seed, "--out", tmp_path / f"{name}.npz")[0] == 0
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c


def test_ctrl_c_leaves_the_old_classifier(script, few_digits, tmp_path, monkeypatch):
    out = tmp_path / "classifier.npz"
    out.write_text("precious")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("numgan.Adam.minimize", interrupt)
    status, said, error = script(TRAIN, "--out", out)
    assert (status, said) == (130, "")
    assert error.splitlines()[-1].startswith("stopped")
    assert contents(tmp_path) == {"classifier.npz": b"precious"}


def test_an_interrupted_training_goes_on_after_its_last_whole_epoch(script, monkeypatch, tmp_path, fails):
    images, labels = data.digits_10k()
    monkeypatch.setattr(data, "digits_10k", lambda: (images[::50], labels[::50]))
    assert script(TRAIN, "--epochs", 3, "--out", tmp_path / "straight" / "a.npz")[0] == 0
    minimize, steps = Adam.minimize, iter(range(2))  # one in each epoch

    def interrupted(optimizer, loss):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        minimize(optimizer, loss)

    out = tmp_path / "broken" / "a.npz"
    with monkeypatch.context() as patch:
        patch.setattr("numgan.Adam.minimize", interrupted)
        assert script(TRAIN, "--epochs", 3, "--out", out)[0] == 130
    assert set(contents(out.parent)) == {"a.partial.npz"}
    fails(TRAIN, "--epochs", 4, "--out", out, mentions=[out.with_suffix(".partial.npz"), "epochs 4"])
    status, _, error = script(TRAIN, "--epochs", 3, "--out", out)
    assert (status, error.count("epoch ")) == (0, 1)
    assert contents(out.parent) == contents(tmp_path / "straight")


@pytest.mark.parametrize(("options", "mentions"), [
    (["--epochs", "0"], ["--epochs", "0"]), (["--seed", "-1"], ["--seed", "-1"]), (["--out", "x.npy"], [".npz", "x.npy"]),
    (["--data", "cifar"], ["cifar"]), (["--data-dir", "nowhere"], ["nowhere", "digits-10k"]),
    (["--data", "mnist", "--data-dir", "nowhere"], ["nowhere", "train-images-idx3-ubyte"]), (["extra"], ["extra"])])
def test_bad_options_for_training_fail_in_one_line(fails, options, mentions):
    out = [] if "--out" in options else ["--out", "out.npz"]
    fails(TRAIN, *options, *out, mentions=mentions)


def test_a_file_that_cannot_be_written_fails_before_training(script, few_digits, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("numgan.Adam.minimize", None)
    (tmp_path / "folder.npz").mkdir()
    for out in (Path("file", "x.npz"), "folder.npz", 250 * "x" + ".npz"):
        status, _, error = script(TRAIN, "--out", tmp_path / out)
        assert (status, error.splitlines()[-1].startswith("train_classifier.py: error: ")) in ((1, True), (2, True))


# --- Evaluating


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The checkpoint of a game that nobody has played yet."""
    game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    run = Run(game, ImageBatches(data.digits_10k()[0][:8], 4, np.random.default_rng(0)), tmp_path_factory.mktemp("run"))
    run.save()
    return run.path


@pytest.fixture
def no_mnist(monkeypatch):
    monkeypatch.delenv("NUMGAN_DATA", raising=False)


def table(out):
    """Row name -> (generated, real) of what the script prints."""
    rows = [(line[:36].strip(), line[36:68].strip(), line[68:].strip()) for line in out.splitlines()]
    return {name: values for name, *values in rows}


def test_the_table_holds_the_figures_of_the_generator_s_and_of_real_digits(script, few_digits, generator, classifier, no_mnist):
    status, out, error = script(EVALUATE, generator, "--n", 30, "--seed", 4)
    assert (status, error) == (0, "")
    assert "30 digits; real: half of the embedded ones" in out.splitlines()[0]
    rows = table(out)
    images = load_game(generator).sample(30, np.random.default_rng(4))
    p = classifier.probabilities(images)
    assert rows["digit score, 1 to 10"][0] == f"{metrics.digit_score(p):.3f}"
    assert rows["diversity: RMS difference"][0] == f"{metrics.diversity(images):.3f}"
    counts = Counter(p.argmax(1))
    assert rows["0, 1, ... 9, %"][0].split() == [f"{counts[digit] / 0.3:.0f}" for digit in range(10)]
    for name in ("digit-FID", "KL to the reference's, nats", "distance to nearest reference digit"):
        noise, real = map(float, rows[name])
        assert 0 < real < noise
    assert "needs MNIST's test set" in out.splitlines()[-1]
    other = table(script(EVALUATE, generator, "--n", 30, "--seed", 5)[1])
    assert other["digit-FID"][0] != rows["digit-FID"][0]
    assert other["digit-FID"][1] == rows["digit-FID"][1]


def test_with_mnist_the_reference_is_its_training_set_and_the_table_ends_with_parzen(
        script, few_digits, generator, classifier, tmp_path, monkeypatch):
    images, labels = few_digits
    training, test = (np.concatenate([images[::2]] * 8), np.concatenate([labels[::2]] * 8)), (images[1::2], labels[1::2])
    monkeypatch.setattr(data, "mnist", lambda split, folder: {"train": training, "test": test}[split])
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    status, out, error = script(EVALUATE, generator)
    assert (status, error) == (0, "")
    assert re.match("200 digits; real: MNIST's test set; reference: its 1,600", out)
    rows = table(out)
    samples = load_game(generator).sample(200, np.random.default_rng(0))
    counts = metrics.digit_histogram(classifier.probabilities(samples))
    kl = metrics.histogram_kl(counts, np.bincount(training[1]))
    assert rows["KL to the reference's, nats"][0] == f"{kl:.4f}"
    noise, real = (list(map(float, re.fullmatch(r"(\S+) ± (\S+) \(σ = (\S+)\)", said).groups()))
                   for said in rows["Parzen log-likelihood of test digits"])
    sigma = min(np.logspace(-1, 0, 41), key=lambda s: abs(s - noise[2]))
    nats = metrics.parzen_log_likelihood((samples.reshape(200, -1) + 1) / 2, test[0].reshape(200, -1) / 255, sigma)
    assert noise[:2] == [round(nats.mean(), 1), round(nats.std() / np.sqrt(200), 1)]
    assert real[0] > noise[0]
    assert real[2] < noise[2]


@pytest.mark.parametrize("kind", [ACGAN, SGAN, ConditionalSGAN])
def test_of_a_game_that_knows_classes_the_table_tells_how_well_it_does(
        script, few_digits, classifier, tmp_path, kind, no_mnist, monkeypatch):
    game = kind(width=4, rng=np.random.default_rng(0))
    images, labels = few_digits
    own = np.where(np.arange(len(labels)) % 2, labels.astype(int), -1) if issubclass(kind, SGAN) else labels
    run = Run(game, ImageBatches(images, 4, np.random.default_rng(0), own), tmp_path)
    run.save()
    status, out, error = script(EVALUATE, run.path, "--n", 40, "--seed", 4)
    assert (status, error) == (0, "")
    rows = table(out)
    order = np.random.default_rng(0).permutation(len(images))
    (reference, known), (real, real_labels) = ((data.to_images(images[i]), labels[i])
                                               for i in (order[:len(order) // 2], order[len(order) // 2:][:40]))
    assert rows["D's accuracy, %"][1] == f"{100 * (game.classify(real) == real_labels).mean():.2f}"
    assert ("classified as asked, as labelled, %" in rows) == (kind is not SGAN)
    if kind is not SGAN:
        codes = game.latent(len(reference), np.random.default_rng(4))
        read = classifier.probabilities(game.generate(codes)).argmax(1)[:40] == asked(codes)[:40]
        right = classifier.probabilities(real).argmax(1) == real_labels
        assert rows["classified as asked, as labelled, %"] == [f"{100 * r.mean():.2f}" for r in (read, right)]
        errors = [metrics.one_nn_error(x, y, real, real_labels)
                  for x, y in ((game.generate(codes), asked(codes)), (reference, known))]
        assert rows[f"1-NN error with {len(reference):,} of them, %"] == [f"{100 * e:.2f}" for e in errors]
        assert errors[1] < errors[0]


def test_evaluating_in_a_process_of_its_own(generator, tmp_path):
    shutil.copy(generator, tmp_path / "checkpoint.npz")
    said = process(EVALUATE, "checkpoint.npz", "--n", "2", "--data", "digits-10k", cwd=tmp_path)
    assert said.stderr == ""
    assert len(said.stdout.splitlines()) == 11
    assert set(contents(tmp_path)) == {"checkpoint.npz"}


@pytest.mark.parametrize(("options", "mentions"), [
    (["--n", "1"], ["--n", "1"]), (["--n", "5001"], ["5000", "5001"]), (["--n", "few"], ["few"]),
    (["--seed", "-1"], ["--seed", "-1"]), (["--data", "cifar"], ["cifar"]),
    (["--data-dir", "nowhere"], ["nowhere", "train-images-idx3-ubyte"]),
    (["--data", "digits-10k", "--data-dir", "nowhere"], ["nowhere", "digits-10k"])])
def test_bad_options_for_evaluating_fail_in_one_line(fails, generator, no_mnist, options, mentions):
    fails(EVALUATE, generator, *options, mentions=mentions)


def test_checkpoints_that_cannot_be_evaluated_fail_in_one_line(fails, generator, tmp_path, no_mnist):
    fails(EVALUATE, mentions=["CHECKPOINT"])
    fails(EVALUATE, "nowhere.npz", mentions=["nowhere.npz"])
    (tmp_path / "bad.npz").write_bytes(generator.read_bytes()[:-1000])
    fails(EVALUATE, tmp_path / "bad.npz", mentions=["bad.npz"])
    about, arrays = checkpoint.load(generator)
    checkpoint.save(tmp_path / "nan.npz", about, {name: array * np.nan for name, array in arrays.items()})
    fails(EVALUATE, tmp_path / "nan.npz", "--n", 2, mentions=[])
