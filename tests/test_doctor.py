"""The doctor names planted failures, is quiet otherwise, changes nothing, and copes with every game."""

import numpy as np
import pytest

from numgan import Adam, Parameter
from numgan.batches import ImageBatches, PointBatches
from numgan.doctor import COVERED, STATES, Doctor, Figures, diagnosis, examine, fading, path, signs
from numgan.games import MixtureGAN, VanillaGAN
from numgan.games.mixture import MIXTURES
from numgan.optim import LinearDecay
from numgan.run import Run, load_record
from numgan.training import train

from .runs import PLAYS, bits, new_run, resumed
from .scripts import ROOT

SCRIPT = ROOT / "demos" / "doctor.py"
HEALTHY = dict(images=COVERED, d_real=0.6, d_fake=0.4, d_loss=1.3, g_loss=0.8, worst=20.0, spread=0.9,
               counts=np.full(10, 20), paths={"G": 2.0, "D": 1.0}, travels={"G": 20.0, "D": 10.0}, fading=0.7)
PLANTED = {"divergence": {"lr": 0.5}, "no learning": {"lr": 1e-7}, "saturation": {"objective": "saturating"},
           "D is too strong": {"variant": "shallow", "lr": 2e-4, "d_lr": 4e-3}, "mode collapse": {}}


@pytest.mark.parametrize("name", STATES)
def test_a_planted_failure_is_named(name, digits):
    rng = np.random.default_rng(0)
    game = VanillaGAN(**{"variant": "minimal", "average": None} | PLANTED[name], rng=rng)
    batches = ImageBatches(digits[0], 10, rng)
    history = [game.step(*next(batches)) for _ in range(140 if name == "saturation" else 60)]
    found = diagnosis(signs(examine(game, history, COVERED, batches.examples(50), 50)))
    assert found.startswith(f"looks like {name}: ")
    assert found.endswith(f"; try {STATES[name].advice}")


def test_the_evidence_says_how_many_steps_a_mean_is_taken_over(tmp_path):
    game = new_run(tmp_path).game
    rows = [{"d_loss": 500.0, "g_loss": 0.7, "d_real": 0.5, "d_fake": 0.5}] * 3
    assert "a mean of 3 steps" in diagnosis(signs(examine(game, rows, 9, None)))
    assert "a mean of 100 steps" in diagnosis(signs(examine(game, rows * 50, 9, None)))


@pytest.mark.parametrize(("change", "name"), [
    ({}, ""), ({"g_loss": 201.0, "worst": 201.0}, "divergence"), ({"worst": 1e6}, ""),
    ({"worst": 201.0, "spread": 0.4}, "divergence"), ({"worst": 199.0, "spread": 0.4}, "mode collapse"),
    ({"g_loss": 201.0, "worst": 201.0, "images": 32}, "divergence"),
    ({"travels": {"G": 20.0, "D": 0.09}}, "no learning"), ({"travels": {"G": 0.11, "D": 0.11}}, ""),
    ({"saturating": True, "d_fake": 0.009}, "saturation"), ({"saturating": True, "d_fake": 0.011}, ""),
    ({"d_fake": 0.009}, ""), ({"fading": 9e-4}, "saturation"), ({"fading": 2e-3}, ""),
    ({"d_real": 0.95, "d_fake": 0.04}, "D is too strong"), ({"d_real": 0.95, "d_fake": 0.06}, ""),
    ({"d_real": 0.86, "d_fake": 0.04, "real_label": 0.9}, "D is too strong"),
    ({"d_real": 1.0, "d_fake": 0.0, "spread": 0.4}, "mode collapse"),
    ({"d_real": 1.0, "d_fake": 0.0, "spread": 0.4, "paths": {"G": 1.0, "D": 1.9}}, "mode collapse"),
    ({"d_real": 1.0, "d_fake": 0.0, "spread": 0.4, "paths": {"G": 1.0, "D": 2.1}}, "D is too strong"),
    ({"spread": 0.49}, "mode collapse"), ({"spread": 0.0, "images": COVERED - 1}, "")])
def test_rules_apply_beyond_their_thresholds_only(change, name):
    found = diagnosis(signs(Figures(**HEALTHY | change)))
    assert found.startswith(f"looks like {name}: ") if name else found == ""


def test_figures_that_a_game_does_not_have_are_no_failure():
    assert signs(Figures(images=10**9)) == {}


def test_what_else_holds_is_named_behind_the_cause():
    found = diagnosis(signs(Figures(**HEALTHY | {"fading": 0.0, "spread": 0.1})))
    assert "saturation" in found.split(":")[0]
    assert "(also: mode collapse)" in found


@pytest.mark.parametrize("play", ["VanillaGAN, minimal", *(play for play in PLAYS if not play.startswith("VanillaGAN"))])
def test_every_game_of_images_can_be_examined_and_no_bit_of_its_training_changes(play, tmp_path):
    runs, doctor = [new_run(tmp_path / name, play) for name in ("with", "without")], Doctor(n=4)
    for step in 1, 2:
        for run in runs:
            run.history.append({"step": step, **run.game.step(*next(run.batches))})
        said = [*doctor(runs[0])]
        assert ("classified" in "".join(said)) == (runs[0].game.image_shape == (28, 28, 1))
    assert bits(runs[0]) == bits(runs[1])


def test_points_can_be_examined(tmp_path):
    rng = np.random.default_rng(0)
    run = Run(MixtureGAN(rng=rng, lr_steps=10), PointBatches(MIXTURES["ring"], 512, rng), tmp_path)
    assert [*Doctor()(run)] == []
    run.history = [run.game.step(*next(run.batches)) for _ in range(2)]
    assert [*Doctor()(run)] == []
    assert examine(run.game, run.history, 1024, None).d_real == np.mean([row["d_real"] for row in run.history])


def test_adams_moments_tell_how_far_a_gradient_has_fallen():
    p = Parameter(np.zeros(3))
    adam = Adam([p], 0.01, beta1=0.5)
    assert np.isnan(fading(adam))
    adam.minimize((p * 0.0).sum())
    assert fading(adam) == 0
    for _ in range(400):
        adam.minimize((p * np.array([1.0, -2.0, 3.0])).sum())
    assert 0.9 < fading(adam) < 1.1
    for _ in range(20):
        adam.minimize((p * 0.0).sum())
    assert fading(adam) == pytest.approx(0.5**20, rel=0.1)


def test_a_path_is_the_sum_of_the_learning_rates():
    p = Parameter(np.zeros(3))
    for lr, expected in ((0.01, 0.05), (LinearDecay(0.01, 10, hold=0.0), 0.01 * (1 + 0.9 + 0.8 + 0.7 + 0.6))):
        adam = Adam([p], lr)
        for _ in range(5):
            adam.minimize((p * 1.0).sum())
        assert path(adam) == pytest.approx(expected)


def test_the_script_reads_a_folder_or_a_checkpoint(script, tmp_path, digits, undrawn):
    rng = np.random.default_rng(0)
    run = Run(VanillaGAN(variant="minimal", lr=1e-7, rng=rng), ImageBatches(digits[0], 5, rng), tmp_path / "run")
    train(run, 2)
    status, out, _ = script(SCRIPT, run.out)
    assert status == 0
    assert out.startswith("VanillaGAN, 2 steps, 10 images")
    assert "no sign of a failure, but most show only after 30,000 images" in out
    assert "nan" not in out
    assert f"D(x) {np.mean([row['d_real'] for row in run.history]):.3g}" in out
    assert script(SCRIPT, run.path)[1] == out
    assert load_record(run.path)[1:] == (resumed(run).history, 10, run.about)


def test_the_script_looks_at_points_and_small_images_too(script, tmp_path, undrawn):
    run = new_run(tmp_path / "small")
    train(run, 1)
    status, out, _ = script(SCRIPT, run.out)
    assert status == 0
    assert "samples were not looked at" in out


def test_the_script_does_not_look_for_digits_in_other_pictures(script, tmp_path, digits, undrawn):
    rng = np.random.default_rng(0)
    game = VanillaGAN(variant="minimal", rng=rng)
    run = Run(game, ImageBatches(digits[0], 5, rng), tmp_path / "run", {"data": "/somewhere/pictures"})
    train(run, 1)
    assert "samples were not looked at" in script(SCRIPT, run.out)[1]


def test_the_script_refuses_what_is_no_run(fails, tmp_path):
    fails(SCRIPT, tmp_path, mentions=["checkpoint.npz"])
    (tmp_path / "x.npz").write_bytes(b"x")
    fails(SCRIPT, tmp_path / "x.npz", mentions=["expected a numgan checkpoint"])


def test_losses_are_means_of_the_last_steps_and_the_worst_is_the_largest_mean_so_far(tmp_path):
    game = new_run(tmp_path).game
    history = [{"step": i, "d_loss": -300.0 if i <= 120 else 1.0, "g_loss": 2.0, "d_real": i / 1000, "d_fake": 0.5}
               for i in range(1, 251)]
    seen = examine(game, history, 250, None)
    assert (seen.window, seen.d_loss, seen.g_loss, seen.worst) == (100, 1, 2, 300)
    assert seen.d_real == pytest.approx(0.2005)


def test_fading_is_the_size_of_adam_s_corrected_mean_beside_its_root_mean_square():
    adam = Adam([Parameter(np.zeros(2))], beta1=0.9, beta2=0.999)
    adam.t[...] = 2
    adam.moments[0][0][...], adam.moments[1][0][...] = [0.3, 0.4], [0.04, 0.05]
    assert fading(adam) == pytest.approx(0.5 / (1 - 0.9**2) / np.sqrt(0.09 / (1 - 0.999**2)))
