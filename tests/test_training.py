"""What `numgan.training` promises: runs that resume bit by bit, stop when asked, and leave whole files."""

import csv
import io
import signal
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from numgan import InputError, checkpoint, data, metrics, plotting
from numgan.games import GAMES, VanillaGAN, build
from numgan.training import Batches, Run, findings, load_game, train

SMALL = {"size": 8, "width": 2, "latent_dim": 4}
PLAYS = {f"VanillaGAN, {variant}": ("VanillaGAN", {"variant": variant}) for variant in VanillaGAN.VARIANTS}
OTHERS = [name for name in GAMES if name != "VanillaGAN" and not name.startswith("Mixture")]  # games of images
PLAYS |= {name: (name, SMALL) for name in OTHERS}
PLAYS |= {"DCGAN, d_steps=2": ("DCGAN", SMALL | {"d_steps": 2, "real_label": 0.9, "objective": "saturating", "lr_steps": 8.5,
                                         "average": 0.9}),
          "DCGAN, float64": ("DCGAN", SMALL | {"dtype": "float64"}),
          "DCGAN, lr=0.1": ("DCGAN", SMALL | {"lr": 0.1})}  # with pictures that change


def new_run(out, play="DCGAN", seed=3, size=6, about=None):
    """A run from its beginning, on random images."""
    name, settings = PLAYS[play]
    game = build(name, settings, np.random.default_rng(seed))
    images = np.random.default_rng(7).integers(0, 256, (50, *game.image_shape[:2]), np.uint8)
    labels = np.random.default_rng(6).integers(0, 10, 50)
    if name == "SGAN":
        labels[::2] = -1
    return Run(game, Batches(images, size, np.random.default_rng(seed + 1), labels if game.labelled else None), out, about)


def anew(batches):
    """Batches like these, at their beginning."""
    return Batches(batches.images, batches.size, np.random.default_rng(), batches.labels)


def resumed(run, out=None):
    """The run in another run's checkpoint."""
    return Run.load(run.path, anew(run.batches), out or run.out)


def bits(run):
    """All that the course of a run depends on, to be compared with ==."""
    arrays = run.game.state() | {"z": run.z}
    return {"arrays": {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()},
            "game": (type(run.game), run.game.settings, run.batches.size),
            "rng": (run.game.rng.bit_generator.state, run.batches.rng.bit_generator.state),
            "history": run.history, "step": run.step}


def contents(folder):
    """Relative path -> bytes of every file in a folder; hidden ones, as temporaries are, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(path):
    """The rows of a log as dicts name -> text."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@contextmanager
def refused(*mentions, error=InputError):
    """The block raises `error`, in one line that says all of `mentions`."""
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    assert [mention for mention in mentions if str(mention) not in message] == [], message


@pytest.fixture
def undrawn(monkeypatch):
    """No curves and no GIFs, which take longer than all the rest."""
    monkeypatch.setattr(plotting, "save_curves", lambda *args: None)
    monkeypatch.setattr(plotting, "save_gif", lambda *args: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of six steps with everything drawn, and what it said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", io.StringIO())
        run = new_run(tmp_path_factory.mktemp("run") / "new" / "folder", "DCGAN, lr=0.1", about={"note": "ä"})
        assert train(run, 6, every=3) is run.history
        return run, sys.stderr.getvalue()


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
    assert Run.load(run.path, anew(run.batches), run.out, {"note": "b"}).about == {"note": "b"}


def test_load_game_gives_the_generator_of_the_checkpoint(finished):
    run, _ = finished
    game = load_game(run.path)
    assert type(game) is type(run.game)
    images = game.sample(3, np.random.default_rng(1))
    np.testing.assert_array_equal(images, run.game.sample(3, np.random.default_rng(1)))
    assert not np.array_equal(images, game.sample(3, np.random.default_rng(2)))


# --- What a run leaves


def test_a_run_makes_these_files_and_leaves_no_temporaries(finished):
    run, _ = finished
    sheets = {f"samples/step_{step:06d}.png" for step in (0, 3, 6)}
    made = {name.replace("\\", "/") for name in contents(run.out)}
    assert made == {"checkpoint.npz", "log.csv", "curves.png", "progress.gif"} | sheets


def test_history_tells_of_every_step_in_numbers(finished):
    run, _ = finished
    assert [row["step"] for row in run.history] == [1, 2, 3, 4, 5, 6]
    for row in run.history:
        assert row.keys() >= {"step", "d_loss", "g_loss", "d_real", "d_fake"}
        assert type(row["step"]) is int
        assert {type(value) for name, value in row.items() if name != "step"} == {float}
        assert np.isfinite(list(row.values())).all()
        assert all(0 <= row[name] <= 1 for name in row if "accuracy" in name or name in ("d_real", "d_fake"))
    assert len({row["d_loss"] for row in run.history}) == 6


def test_the_log_is_the_history_exactly(finished):
    run, _ = finished
    log = rows(run.out / "log.csv")
    assert list(log[0]) == list(run.history[0])
    assert [{name: float(text) for name, text in row.items()} for row in log] == run.history


def test_the_log_has_each_row_as_soon_as_its_step_is_done(tmp_path, undrawn, monkeypatch):
    run, lengths = new_run(tmp_path), []
    step = run.game.step

    def observed(*batch):
        lengths.append(len(rows(run.out / "log.csv")))
        return step(*batch)
    monkeypatch.setattr(run.game, "step", observed)
    train(run, 4)
    assert lengths == [0, 1, 2, 3]


def test_sample_sheets_show_the_images_of_the_run_s_codes(finished):
    from matplotlib.image import imread
    run, _ = finished
    images = run.game.exhibit(run.z, run.batches.examples(len(run.z)))
    assert images.shape[1:] == run.game.image_shape
    np.testing.assert_array_equal(images[:len(run.z)], run.game.generate(run.z))
    h, w = images.shape[1:3]
    sheet = imread(run.out / "samples" / "step_000006.png")[..., :3]
    assert sheet.shape[1] >= run.game.sheet_columns * w
    assert (sheet[..., 0] == sheet[..., 1]).all()
    assert (sheet[..., 0] == sheet[..., 2]).all()
    grey = np.rint(sheet[..., 0] * 255)
    page = plotting.sheet(images, run.game.sheet_columns)
    zoom = len(grey) // len(page)
    np.testing.assert_array_equal(grey, page.repeat(zoom, 0).repeat(zoom, 1))
    tiles = [page[y:y + h, x:x + w] for y in range(2, len(page), h + 2) for x in range(2, page.shape[1], w + 2)]  # border 2
    np.testing.assert_array_equal(tiles, data.to_pixels(images))
    assert page.std() > 1


@pytest.mark.usefixtures("undrawn")
def test_sample_sheets_show_the_same_codes_each_time(tmp_path):
    game = VanillaGAN(variant="minimal", lr=0, rng=np.random.default_rng(0))  # stands still: only z could change
    run = Run(game, Batches(np.zeros((1, 28, 28), np.uint8), 1, np.random.default_rng(1)), tmp_path)
    z = run.z.copy()
    train(run, 2, every=1)
    train(again := resumed(run), 3, every=1)
    sheets = [path.read_bytes() for path in sorted((tmp_path / "samples").iterdir())]
    assert len(sheets) == 4
    assert len(set(sheets)) == 1
    np.testing.assert_array_equal(again.z, z)
    assert len(np.unique(z, axis=0)) == 25


def test_curves_are_a_picture_with_many_colours(finished):
    from matplotlib.image import imread
    run, _ = finished
    picture = imread(run.out / "curves.png")
    assert min(picture.shape[:2]) >= 300
    assert len(np.unique((picture[..., :3] * 255).astype(int) @ [1, 256, 65536])) > 20


def test_the_gif_shows_the_sample_sheets_in_their_order(finished):
    from matplotlib import image
    run, _ = finished
    path = run.out / "progress.gif"
    assert path.read_bytes()[:6] == b"GIF89a"
    sheets = [image.imread(sheet)[..., 0] * 255 for sheet in sorted((run.out / "samples").iterdir())]
    with image.PIL.Image.open(path) as gif:
        assert gif.n_frames >= len(sheets)
        frames = []
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("L"), float))
    for frame, sheet in zip(frames, sheets, strict=False):
        assert frame.shape == sheet.shape
        assert np.abs(frame - sheet).mean() < 2
    assert np.abs(frames[-1] - sheets[-1]).mean() < 2
    assert np.abs(sheets[0] - sheets[1]).mean() > 4


# --- What a run says


def test_without_a_terminal_there_is_one_readable_line_for_each_sheet(finished):
    run, said = finished
    assert "\r" not in said
    lines = [line for line in said.splitlines() if not line.startswith("  ")]
    assert len(lines) == 2
    for step, line in zip((3, 6), lines, strict=True):
        words = [f"step {step}/6", "/s", "ETA 0:0", *(f" {label} " for label in run.game.shown)]
        assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(("kinds", "contrast", "expected"), [
    (10, 1, ["20 20 20 20 20 20 20 20 20 20; diversity 0.99"]), (8, 1, ["25 0 0; diversity", "collapse: few of 8, 9"]),
    (10, 0.4, ["diversity 0.4", "collapse"]), (1, 1, ["200 0 0 0 0 0 0 0 0 0", "few of 1, 2, 3, 4, 5, 6, 7, 8, 9"])])
def test_what_samples_look_like_is_told_and_collapse_noticed(tmp_path, digits, monkeypatch, kinds, contrast, expected):
    images, labels = digits
    game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    run = Run(game, Batches(images, 4, np.random.default_rng(1)), tmp_path)
    seen = metrics.digit_histogram  # real digits, which the classifier may misread: their labels in its place
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:200 // kinds] for digit in range(kinds)])
    monkeypatch.setattr(game, "sample", lambda n, rng: data.to_images(images[chosen]) * np.float32(contrast))
    monkeypatch.setattr(metrics, "digit_histogram", lambda p: np.bincount(labels[chosen], minlength=10) + 0 * seen(p))
    text = " ".join(findings(run))
    assert [mention for mention in expected if mention not in text] == [], text
    assert ("collapse" in text) == (kinds < 10 or contrast < 1)


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A list of one number, the time in seconds, which only the test moves on."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def timed(run, clock, seconds, monkeypatch):
    """Every step of the run takes that many seconds."""
    step = run.game.step

    def slow(*batch):
        clock[0] += seconds
        return step(*batch)
    monkeypatch.setattr(run.game, "step", slow)


def test_on_a_terminal_one_line_is_rewritten_and_each_sheet_s_stays(tmp_path, undrawn, monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", Terminal())
    run = new_run(tmp_path)
    timed(run, clock, 0.5, monkeypatch)
    train(run, 6, every=3)
    said = sys.stderr.getvalue()
    shown = said.split("\r")[1:]
    assert [text.split()[1] for text in shown] == [f"{step}/6" for step in (1, 2, 3, 4, 5, 6)]
    assert [text.endswith("\n") for text in shown] == [False, False, True, False, False, True]
    assert len({len(text.rstrip("\n")) for text in shown}) == 1  # each covers the one before
    assert said.startswith("\r")


def test_on_a_terminal_of_80_columns_the_line_of_a_long_run_does_not_wrap(tmp_path, undrawn, monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(plotting, "save_sheet", lambda *args: None)
    run, row = new_run(tmp_path), {"d_loss": 0.1234, "g_loss": 1.2345, "d_real": 0.9876, "d_fake": 0.1234}
    run.history = [{"step": step, **row} for step in range(1, 12_345)]
    monkeypatch.setattr(run.game, "step", lambda *batch: row)
    timed(run, clock, 0.1, monkeypatch)
    train(run, 20_000, every=20_000)
    shown = [text.strip() for text in sys.stderr.getvalue().split("\r")]
    assert shown[-1].startswith("step 20000/20000 ")
    assert max(map(len, shown)) < 80


def test_a_fast_run_rewrites_the_terminal_s_line_a_few_times_a_second_only(tmp_path, undrawn, monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", Terminal())
    run = new_run(tmp_path)
    timed(run, clock, 2**-5, monkeypatch)
    train(run, 64, every=64)  # two seconds
    assert 4 <= sys.stderr.getvalue().count("\r") <= 15


@pytest.mark.parametrize("done", [0, 3])
def test_rate_and_remaining_time_are_those_of_this_process(tmp_path, undrawn, monkeypatch, capsys, clock, done):
    run = new_run(tmp_path)
    timed(run, clock, 50, monkeypatch)
    if done:
        train(run, done)
        clock[0] += 1e6
    capsys.readouterr()
    train(run, done + 6, every=3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "ETA 2:30 " in lines[0]
    assert "ETA 0:00 " in lines[1]
    run = new_run(tmp_path / "fast")
    timed(run, clock, 0.25, monkeypatch)
    train(run, 3, every=3)
    assert " 4.0/s " in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn", "clock")
def test_steps_that_take_no_time_on_a_coarse_clock_end_well(tmp_path):
    train(new_run(tmp_path), 2, every=1)


# --- Stop requests


def at_step(run, number, action, monkeypatch):
    """Let `action` happen in the midst of a run's step with this number."""
    step = run.game.step

    def interrupted(*batch):
        if run.step + 1 == number:
            action()
        return step(*batch)
    monkeypatch.setattr(run.game, "step", interrupted)


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


# --- Bad arguments


@pytest.mark.parametrize("arguments", [
    {"steps": 0}, {"steps": -1}, {"steps": 1.5}, {"steps": "7"}, {"steps": None}, {"steps": float("nan")},
    {"steps": 5, "every": 0}, {"steps": 5, "every": -3}, {"steps": 5, "every": 0.5}, {"steps": 5, "every": None}])
def test_bad_numbers_of_steps_are_refused_before_anything_is_written(tmp_path, arguments):
    run = new_run(tmp_path / "run")
    name = "every" if "every" in arguments else "steps"
    with refused(name, repr(arguments[name])):
        train(run, **arguments)
    assert not run.out.exists()
    assert run.step == 0


@pytest.mark.parametrize("steps", [1, 5, 6])
def test_as_many_steps_as_are_done_or_fewer_are_refused_and_nothing_is_touched(finished, steps):
    run, _ = finished
    before = contents(run.out)
    with refused("6 steps already", f"got {steps}"):
        train(resumed(run), steps)
    assert contents(run.out) == before


WRONG_IMAGES = {"size": np.zeros((5, 28, 28), np.uint8), "floats": np.zeros((5, 8, 8)),
                "axes": np.zeros((5, 64), np.uint8)}


@pytest.mark.parametrize("kind", WRONG_IMAGES)
@pytest.mark.usefixtures("undrawn")
def test_images_that_do_not_suit_the_game_are_refused_before_anything_is_written(tmp_path, finished, kind):
    run, _ = finished
    before = contents(run.out)
    with refused():
        train(Run.load(run.path, Batches(WRONG_IMAGES[kind], 6, np.random.default_rng(0)), run.out), 7)
    assert contents(run.out) == before
    with refused():
        train(Run(run.game, Batches(WRONG_IMAGES[kind], 6, np.random.default_rng(0)), tmp_path / "out"), 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_batch_that_d_steps_does_not_divide_is_refused_before_anything_is_written(tmp_path):
    with refused("d_steps"):
        train(new_run(tmp_path / "out", "DCGAN, d_steps=2", size=5), 1)
    assert not (tmp_path / "out").exists()


# --- Checkpoints of something else


def set_about(name, value):
    """A change of a checkpoint: about[name] = value; without the entry for ..."""
    def change(about, arrays):
        del about[name]
        if value is not ...:
            about[name] = value
    return change


def set_array(name, function):
    """A change of a checkpoint: arrays[name] = function(arrays[name]); without the array for None."""
    def change(about, arrays):
        array = arrays.pop(name)
        if function:
            arrays[name] = function(array)
    return change


WEIGHT = "game.generator.0_Dense.w"
CHANGES = {
    "another game": set_about("game", "VanillaGAN"), "unknown game": set_about("game", "NoGAN"),
    "a game of the same networks but another's settings": set_about("settings", SMALL | {"variant": "dense"}),
    "another size": set_about("settings", SMALL | {"size": 12}),
    "another width": set_about("settings", SMALL | {"width": 3}),
    "another dtype": set_about("settings", SMALL | {"dtype": "float64"}),
    "impossible size": set_about("settings", SMALL | {"size": -4}),
    "size of text": set_about("settings", SMALL | {"size": "8"}),
    **{f"no {name}": set_about(name, ...) for name in ("game", "settings", "batch", "rng", "columns", "run")},
    **{f"{name} of a wrong type": set_about(name, 7) for name in ("game", "settings", "rng", "columns")},
    "settings in a list": set_about("settings", [1]), "game in a list": set_about("game", ["DCGAN"]),
    "batch 0": set_about("batch", 0), "batch of text": set_about("batch", "6"),
    "empty rng": set_about("rng", {}), "rng of nothing": set_about("rng", {"game": None, "batches": None}),
    "another rng": set_about("rng", {"game": {"bit_generator": "MT19937", "state": {}}, "batches": {}}),
    "fewer columns": set_about("columns", ["step"]), "no columns": set_about("columns", []),
    "no weights": set_array(WEIGHT, None), "weights of another shape": set_array(WEIGHT, lambda a: a.T),
    "weights of another dtype": set_array(WEIGHT, lambda a: a.astype(np.float64)),
    "one array more": lambda about, arrays: arrays.update({"game.more": np.zeros(3)}),
    "no number of Adam steps": set_array("game.d_optimizer.t", None),
    "no batch statistics": set_array("game.generator.2_BatchNorm.mean", None),
    "no codes": set_array("z", None), "codes of another shape": set_array("z", lambda a: a[:, :2]),
    "codes of whole numbers": set_array("z", lambda a: a.astype(np.int64)),
    "no history": set_array("history", None), "history of one axis": set_array("history", lambda a: a[:, 0]),
    "history of no columns": set_array("history", lambda a: a[:, :0]),
    "history of nothing": lambda about, arrays: (about.update(columns=[]), arrays.update(history=np.zeros((6, 0)))),
    "history with bad steps": set_array("history", lambda a: a * np.inf),
    "history of complex numbers": set_array("history", lambda a: a * 1j),
}


def changed_checkpoint(run, change, folder):
    """The run's checkpoint with one of CHANGES made to it, in a file of its own."""
    about, arrays = checkpoint.load(run.path)
    CHANGES[change](about, arrays)
    path = folder / "changed.npz"
    checkpoint.save(path, about, arrays)
    return path


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_checkpoint_of_something_else_is_refused_in_one_line_that_names_it(finished, tmp_path, change):
    run, _ = finished
    path = changed_checkpoint(run, change, tmp_path)
    with refused(path):
        Run.load(path, anew(run.batches), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [
    "another game", "unknown game", "another size", "no settings", "no weights", "no rng"])
def test_load_game_refuses_a_checkpoint_of_something_else(finished, tmp_path, change):
    path = changed_checkpoint(finished[0], change, tmp_path)
    with refused(path):
        load_game(path)


def test_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "foreign.npz").write_text("no checkpoint")
    checkpoint.save(tmp_path / "empty.npz", {}, {})
    for name in ("missing.npz", "foreign.npz", "empty.npz"):
        with refused(tmp_path / name):
            load_game(tmp_path / name)
        with refused(tmp_path / name):
            Run.load(tmp_path / name, Batches(np.zeros((1, 8, 8), np.uint8), 1, np.random.default_rng(0)), tmp_path)


# --- Batches


def test_batches_are_float32_images_in_the_range_of_the_networks():
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 5), np.uint8)
    before = images.copy()
    batches = Batches(images, 4, np.random.default_rng(1))
    known = {image.tobytes() for image in data.to_images(images)}
    for _, (batch, labels) in zip(range(20), batches, strict=False):
        assert labels is None
        assert (batch.shape, batch.dtype) == ((4, 3, 5, 1), np.float32)
        assert {image.tobytes() for image in batch} <= known
        assert batch.min() >= -1
        assert batch.max() <= 1
    np.testing.assert_array_equal(images, before)


def test_batches_are_drawn_with_replacement_evenly_from_all_images():
    images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    batch, _ = next(Batches(images, 5000, np.random.default_rng(0)))  # more than there are
    counts = np.unique(batch[:, 0, 0, 0], return_counts=True)[1]
    assert len(counts) == 5
    assert (np.abs(counts - 1000) < 150).all()  # five standard deviations


def test_batches_depend_on_the_seed_only():
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 5), np.uint8)
    first, same, other = (Batches(images, 4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    drawn = [[next(batches)[0].tobytes() for _ in range(5)] for batches in (first, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 5


def test_labels_stay_with_their_images():
    images = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    batch, labels = next(Batches(images, 500, np.random.default_rng(0), np.arange(9)))
    np.testing.assert_array_equal(data.to_pixels(batch)[:, 0, 0], labels)
    assert labels.dtype == np.int64
    assert len(np.unique(labels)) == 9


def test_where_labels_are_unknown_half_of_a_minibatch_has_known_ones():
    images = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    own = np.where(np.arange(9) % 4 == 0, np.arange(9), -1)
    batch, labels = next(Batches(images, 1001, np.random.default_rng(0), own))
    digits = data.to_pixels(batch)[:, 0, 0]
    np.testing.assert_array_equal(labels[:500], digits[:500])
    assert set(labels[:500]) == {0, 4, 8}
    assert set(labels[500:]) == {-1}
    assert len(np.unique(digits[500:])) == 9
    assert (own >= 0).sum() == 3  # the data set's labels are as they were


@pytest.mark.parametrize("labels", [np.zeros(2, int), np.full(3, -1)])
def test_labels_that_do_not_suit_the_images_are_refused(labels):
    with refused("Batches"):
        Batches(np.zeros((3, 8, 8), np.uint8), 2, np.random.default_rng(0), labels)


def test_examples_are_the_same_every_time_and_from_everywhere():
    images = np.arange(90, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    batches = Batches(images, 4, np.random.default_rng(0))
    state = batches.rng.bit_generator.state
    np.testing.assert_array_equal(data.to_pixels(batches.examples(10))[:, 0, 0], [0, 9, 19, 29, 39, 49, 59, 69, 79, 89])
    assert batches.rng.bit_generator.state == state


def test_a_game_of_labelled_images_is_refused_without_labels(tmp_path):
    game = build("ACGAN", SMALL, np.random.default_rng(0))
    with refused("ACGAN", "labels"):
        Run(game, Batches(np.zeros((3, 8, 8), np.uint8), 2, np.random.default_rng(0)), tmp_path)


def test_another_batch_size_is_refused(finished):
    run, _ = finished
    with refused(run.path, "batches of 6", "got 5"):
        Run.load(run.path, Batches(run.batches.images, 5, np.random.default_rng(0), run.batches.labels), run.out)


@pytest.mark.parametrize(("n", "size"), [(3, 0), (3, -1), (3, 1.5), (3, "2"), (3, None), (0, 2)])
def test_batches_of_nothing_are_refused(n, size):
    with refused("Batches", repr(size), f"{n} images"):
        Batches(np.zeros((n, 8, 8), np.uint8), size, np.random.default_rng(0))


# --- Every game on real digits


@pytest.fixture(scope="module")
def digits():
    return data.digits_10k()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("name", "settings"), [("VanillaGAN", {"variant": v}) for v in VanillaGAN.VARIANTS]
                         + [(name, {}) for name in OTHERS])
def test_every_game_trains_on_digits_all_parameters_move_and_it_samples_digits(tmp_path, digits, name, settings):
    game = build(name, settings, np.random.default_rng(0))
    images, labels = digits
    if name == "SGAN":
        labels = np.where(np.arange(len(labels)) % 100 == 0, labels.astype(int), -1)
    before = {key: array.copy() for key, array in game.state().items()}
    run = Run(game, Batches(images, game.batch, np.random.default_rng(1), labels), tmp_path)
    train(run, 2)
    after = game.state()
    assert [key for key in after if not np.isfinite(after[key]).all()] == []
    assert [key for key in after if np.array_equal(after[key], before[key])] == []
    images = game.sample(3)
    assert (images.shape, images.dtype) == ((3, 28, 28, 1), np.float32)
    assert -1 <= images.min() < images.max() <= 1
