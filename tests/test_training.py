"""What `numgan.training` promises: runs that resume bit by bit, stop when asked, and leave whole files."""

import signal
import threading

import numpy as np
import pytest

from numgan.batches import CaptionBatches, ImageBatches
from numgan.captions import traits
from numgan.data import to_images
from numgan.games import SGAN, build
from numgan.games.vanilla import VARIANTS
from numgan.run import Run, load_game
from numgan.training import train, unfinished

from .errors import refused
from .proof.games import codes_for
from .runs import OTHERS, PLAYS, SMALL, anew, at_step, bits, contents, new_run, resumed, rows

# --- Resuming


@pytest.mark.parametrize(("play", "steps"), [(play, 40 if play == "DCGAN" else 6) for play in PLAYS])
@pytest.mark.usefixtures("undrawn")
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, play, steps):
    half = steps // 2
    straight = new_run(tmp_path / "straight", play)
    train(straight, steps, every=half)
    broken = new_run(tmp_path / "broken", play)
    train(broken, half, every=half)
    at_half = bits(broken)
    again = resumed(broken)
    assert bits(again) == at_half
    train(again, steps, every=half)
    assert bits(again) == bits(straight)
    for part in ("arrays", "rng", "history"):
        assert bits(again)[part] != at_half[part]  # else the comparisons prove nothing
    files, files_straight = contents(again.out), contents(straight.out)
    assert files.keys() == files_straight.keys() >= {"log.csv", "checkpoint.npz"}
    assert [name for name in files if files[name] != files_straight[name]] == []
    assert bits(resumed(again)) == bits(resumed(straight)) == bits(straight)


@pytest.mark.usefixtures("undrawn")
def test_a_run_resumes_from_any_step_into_any_folder(tmp_path):
    straight = new_run(tmp_path / "straight")
    train(straight, 5, every=5)
    for k in range(1, 5):
        first = new_run(tmp_path / f"first{k}")
        train(first, k, every=2)
        before = contents(first.out)
        second = resumed(first, tmp_path / f"second{k}")
        train(second, 5, every=3)
        assert bits(second) == bits(straight)
        assert (second.out / "log.csv").read_bytes() == (straight.out / "log.csv").read_bytes()
        assert contents(first.out) == before


@pytest.mark.usefixtures("undrawn")
def test_how_often_a_run_draws_and_saves_does_not_change_it(tmp_path):
    often, seldom = new_run(tmp_path / "often"), new_run(tmp_path / "seldom")
    train(often, 6, every=1)
    train(seldom, 6, every=100)
    assert bits(often) == bits(seldom)


@pytest.mark.usefixtures("undrawn")
def test_equal_seeds_give_equal_runs_and_others_others(tmp_path):
    runs = [new_run(tmp_path / str(i), seed=seed) for i, seed in enumerate([3, 3, 4])]
    for run in runs:
        train(run, 2)
    assert bits(runs[0]) == bits(runs[1])
    assert bits(runs[0])["arrays"] != bits(runs[2])["arrays"]
    assert runs[0].history != runs[2].history


def test_rows_that_a_killed_run_logged_after_its_checkpoint_are_dropped(tmp_path, undrawn):
    run = new_run(tmp_path)
    train(run, 2)
    expected = (tmp_path / "log.csv").read_bytes()
    with open(tmp_path / "log.csv", "ab") as file:
        file.write(b"3,0.5,0.")
    again = resumed(run)
    train(again, 3)
    log = (tmp_path / "log.csv").read_bytes()
    assert log.startswith(expected)
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["1", "2", "3"]


def test_a_run_remembers_what_it_is_about_unless_told_otherwise(finished):
    run, _ = finished
    assert resumed(run).about == {"note": "ä"}
    assert Run.load(run.path, anew(run.batches), run.out, {"seed": 3}).about == {"seed": 3}


def test_load_game_gives_the_generator_of_the_checkpoint(finished):
    run, _ = finished
    game = load_game(run.path)
    assert type(game) is type(run.game)
    images = game.sample(3, np.random.default_rng(1))
    np.testing.assert_array_equal(images, run.game.sample(3, np.random.default_rng(1)))
    assert not np.array_equal(images, game.sample(3, np.random.default_rng(2)))


@pytest.mark.usefixtures("undrawn")
def test_a_game_and_its_batches_may_share_one_generator(tmp_path):
    def new(folder, rng):
        game = build("DCGAN", SMALL, rng)
        return Run(game, ImageBatches(np.arange(640, dtype=np.uint8).reshape(10, 8, 8), 4, rng), tmp_path / folder)

    straight, broken = (new(folder, np.random.default_rng(5)) for folder in ("straight", "broken"))
    train(straight, 6)
    train(broken, 3)
    for steps in 4, 6:
        other = np.random.default_rng(99)
        again = Run.load(broken.path, ImageBatches(broken.batches.images, 4, other), broken.out)
        assert again.game.rng.bit_generator is again.batches.rng.bit_generator is other.bit_generator
        train(again, steps)
    assert bits(again) == bits(straight)


@pytest.mark.usefixtures("undrawn")
def test_the_learning_rate_that_a_user_sets_stays(tmp_path):
    run = new_run(tmp_path)
    run.game.g_optimizer.lr = run.game.d_optimizer.lr = 0.0
    before = {name: a.copy() for name, a in run.game.state().items() if name.endswith((".w", ".b"))}
    train(run, 2)
    assert run.game.g_optimizer.lr == run.game.d_optimizer.lr == 0.0
    assert all(np.array_equal(a, run.game.state()[name]) for name, a in before.items())


# --- Stop requests


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("every", [1, 100])
def test_a_stop_request_finishes_the_step_and_saves_and_the_run_resumes(tmp_path, monkeypatch, capsys, number, every):
    straight = new_run(tmp_path / "straight")
    train(straight, 6)
    run = new_run(tmp_path / "run")
    at_step(run, 3, lambda: signal.raise_signal(number), monkeypatch)
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        train(run, 6, every=every)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert run.step == 3
    assert str(run.path) in capsys.readouterr().err
    assert (run.out / "samples" / "step_000003.png").exists()
    again = resumed(run)
    assert bits(again) == bits(run)
    train(again, 6)
    assert bits(again) == bits(straight)
    assert (run.out / "log.csv").read_bytes() == (straight.out / "log.csv").read_bytes()


@pytest.mark.usefixtures("undrawn")
def test_a_stop_request_in_the_last_step_stops_nothing(tmp_path, monkeypatch):
    run = new_run(tmp_path)
    at_step(run, 4, lambda: signal.raise_signal(signal.SIGINT), monkeypatch)
    try:
        train(run, 4)
    except KeyboardInterrupt:
        pytest.fail("stopped, with nothing left to do")
    assert not unfinished(run, 4)


@pytest.mark.usefixtures("undrawn")
def test_a_second_stop_request_stops_at_once_and_the_checkpoint_stays(tmp_path, monkeypatch):
    run = new_run(tmp_path)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")
    try:
        at_step(run, 4, twice, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            train(run, 6, every=2)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert run.step == 3
    assert resumed(run).step == 2


@pytest.mark.usefixtures("undrawn")
def test_a_run_trains_in_a_thread_where_no_signals_arrive(tmp_path):
    run = new_run(tmp_path)
    thread = threading.Thread(target=train, args=(run, 2))
    thread.start()
    thread.join()
    assert resumed(run).step == 2


# --- Numbers that are not finite


def no_trace_of_bad_numbers(run, step):
    """The checkpoint is that of `step` and finite, and no half-written file is left."""
    again = resumed(run)
    assert again.step == step
    assert all(np.isfinite(array).all() for array in again.game.state().values())
    assert not [path for path in run.out.rglob("*") if path.name.startswith(".")]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("play", ["DCGAN", "LSGAN", "VanillaGAN, minimal", "VanillaGAN, dense"])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_bad_parameter_stops_the_run_and_the_last_checkpoint_stays(tmp_path, play, player):
    run = new_run(tmp_path, play)
    train(run, 2, every=2)
    before = run.path.read_bytes()
    getattr(run.game, player).parameters()[0].data.flat[1] = np.nan
    with refused("step 3", "nan", "not finite", " of shape (", run.path, error=FloatingPointError):
        train(run, 4, every=2)
    assert run.path.read_bytes() == before
    assert run.step == 2
    no_trace_of_bad_numbers(run, 2)


def learnt(run):
    """All arrays of a run but the batch statistics, which each look at a batch changes."""
    return {name: array for name, array in bits(run)["arrays"].items() if "BatchNorm" not in name or "moment" in name}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("value", [1e25, 1e30])
def test_a_bad_batch_stops_the_run_before_a_parameter_moves(tmp_path, monkeypatch, value):
    run = new_run(tmp_path, "LSGAN")
    train(run, 2, every=2)
    before = learnt(run)
    monkeypatch.setattr(type(run.game.pixels), "check", lambda *args: None)  # which would refuse it
    step = run.game.step
    monkeypatch.setattr(run.game, "step", lambda batch, labels: step(batch * np.float32(value), labels))
    with refused("step 3", "not finite", " of shape (", run.path, error=FloatingPointError):
        train(run, 4, every=2)
    assert learnt(run) == before
    no_trace_of_bad_numbers(run, 2)


@pytest.mark.usefixtures("undrawn")
def test_a_step_that_spoils_a_parameter_but_not_the_loss_is_not_saved(tmp_path):
    run = new_run(tmp_path)
    train(run, 2, every=2)
    before = contents(tmp_path)
    run.game.g_optimizer.moments[0][0].flat[0] = np.inf
    with refused("step 3", "generator", "finite", run.path, error=FloatingPointError):
        train(run, 3, every=2)
    after = contents(tmp_path)
    assert after.pop("log.csv").startswith(before.pop("log.csv"))
    assert after == before
    no_trace_of_bad_numbers(run, 2)


@pytest.mark.usefixtures("undrawn")
def test_bad_numbers_at_the_start_are_not_saved_either(tmp_path):
    run = new_run(tmp_path)
    run.game.generator.parameters()[0].data[...] = np.inf
    with pytest.raises(FloatingPointError, match=r"^[^\n]*finite[^\n]*$"):
        train(run, 2)
    assert not run.path.exists()


# --- Every game on real digits


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("name", "settings"), [("VanillaGAN", {"variant": v}) for v in VARIANTS]
                         + [(name, {"stage": 2} if name == "StackGAN" else {}) for name in OTHERS])
def test_every_game_trains_on_digits_all_parameters_move_and_it_samples_digits(tmp_path, digits, name, settings):
    game = build(name, settings, np.random.default_rng(0))
    images, labels = digits
    if isinstance(game, SGAN):
        labels = np.where(np.arange(len(labels)) % 100 == 0, labels.astype(int), -1)
    if name == "StackGAN":
        images, labels = images[::20], labels[::20]
        labels = traits(to_images(images), labels)
    before = {key: array.copy() for key, array in game.state().items()}
    kind = CaptionBatches if name == "StackGAN" else ImageBatches
    run = Run(game, kind(images, game.batch_size, np.random.default_rng(1), labels), tmp_path)
    train(run, 2)
    after = game.state()
    assert [key for key in after if not np.isfinite(after[key]).all()] == []
    still = [key for key in after if np.array_equal(after[key], before[key])]
    assert still == [key for key in after if key.startswith("first.")]  # StackGAN's stage 1
    images = game.generate(codes_for(game, 3))
    assert (images.shape, images.dtype) == ((3, 28, 28, 1), np.float32)
    assert -1 <= images.min() < images.max() <= 1
