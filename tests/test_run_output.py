"""What a run leaves in its folder, and what it prints."""

import io
import sys
import time

import numpy as np
import pytest

from numgan import data, metrics, plotting
from numgan.batches import ImageBatches
from numgan.doctor import Doctor
from numgan.games import VanillaGAN
from numgan.run import Run
from numgan.training import train

from .runs import contents, new_run, resumed, rows

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
    images = run.game.looks.sheet(run.game, run.inputs, run.batches.examples)
    assert images.shape[1:] == run.game.image_shape
    np.testing.assert_array_equal(images[:len(run.inputs)], run.game.generate(run.inputs))
    h, w = images.shape[1:3]
    sheet = imread(run.out / "samples" / "step_000006.png")[..., :3]
    assert sheet.shape[1] >= run.game.looks.columns * w
    assert (sheet[..., 0] == sheet[..., 1]).all()
    assert (sheet[..., 0] == sheet[..., 2]).all()
    grey = np.rint(sheet[..., 0] * 255)
    page = plotting.sheet(images, run.game.looks.columns)
    zoom = len(grey) // len(page)
    np.testing.assert_array_equal(grey, page.repeat(zoom, 0).repeat(zoom, 1))
    tiles = [page[y:y + h, x:x + w] for y in range(2, len(page), h + 2) for x in range(2, page.shape[1], w + 2)]  # border 2
    np.testing.assert_array_equal(tiles, data.to_pixels(images))
    assert page.std() > 1


def test_a_sheet_has_as_many_columns_as_the_game_s_looks_say(tmp_path, monkeypatch):
    columns = []
    monkeypatch.setattr(plotting, "save_sheet", lambda path, images, n=None: columns.append(n))
    for play in "DCGAN", "BEGAN":
        run = new_run(tmp_path, play)
        run.draw(tmp_path / "sheet.png", run)
    assert columns == [5, 10]


@pytest.mark.usefixtures("undrawn")
def test_sample_sheets_show_the_same_codes_each_time(tmp_path):
    game = VanillaGAN(variant="minimal", lr=0, rng=np.random.default_rng(0))  # stands still: only z could change
    run = Run(game, ImageBatches(np.zeros((1, 28, 28), np.uint8), 1, np.random.default_rng(1)), tmp_path)
    inputs = run.inputs.copy()
    train(run, 2, every=1)
    train(again := resumed(run), 3, every=1)
    sheets = [path.read_bytes() for path in sorted((tmp_path / "samples").iterdir())]
    assert len(sheets) == 4
    assert len(set(sheets)) == 1
    np.testing.assert_array_equal(again.inputs, inputs)
    assert len(np.unique(inputs, axis=0)) == 25


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
    shown = [*range(len(sheets)), *[len(sheets) - 1] * (len(frames) - len(sheets))]
    for frame, own in zip(frames, shown, strict=True):
        distances = [np.abs(frame - sheet).mean() for sheet in sheets]  # a GIF has 256 colours: chosen better or worse
        assert distances[own] < 3
        assert distances[own] == min(distances)
    assert np.abs(sheets[0] - sheets[1]).mean() > 4


# --- What a run says


def test_without_a_terminal_there_is_one_readable_line_for_each_sheet(finished):
    run, said = finished
    assert "\r" not in said
    lines = [line for line in said.splitlines() if not line.startswith("  ")]
    assert len(lines) == 2
    for step, line in zip((3, 6), lines, strict=True):
        words = [f"step {step}/6", "/s", "ETA 0:0", *(f" {label} " for label in run.game.looks.progress)]
        assert [word for word in words if word not in line] == []


def test_remarks_follow_every_sheet_but_the_first(tmp_path, undrawn, capsys):
    train(new_run(tmp_path), 5, every=2, remarks=lambda run: [f"at {run.step}", "and so on"])
    said = [line.split("/")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == [line for step in (2, 4, 5) for line in (f"step {step}", f"at {step}", "and so on")]


@pytest.mark.parametrize(("kinds", "contrast", "expected"), [
    (10, 1, ["20 20 20 20 20 20 20 20 20 20; diversity 0.99"]), (8, 1, ["25 0 0; diversity", "collapse: few of 8, few of 9"]),
    (10, 0.4, ["diversity 0.4", "collapse"]), (1, 1, ["200 0 0 0 0 0 0 0 0 0", "collapse: few of 1, few of 2, few of 3"])])
def test_what_samples_look_like_is_told_and_collapse_noticed(tmp_path, digits, monkeypatch, kinds, contrast, expected):
    images, labels = digits
    game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    run = Run(game, ImageBatches(images, 30_000, np.random.default_rng(1)), tmp_path)
    seen = metrics.digit_histogram  # real digits, which the classifier may misread: their labels in its place
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:200 // kinds] for digit in range(kinds)])
    monkeypatch.setattr(game, "sample", lambda n, rng: data.to_images(images[chosen]) * np.float32(contrast))
    monkeypatch.setattr(metrics, "digit_histogram", lambda p: np.bincount(labels[chosen], minlength=10) + 0 * seen(p))
    remarks, texts = Doctor(), []
    for step in 0, 1, 2, 3:
        run.history = [{}] * step
        texts.append(" ".join(remarks(run)))
    assert [mention for mention in expected if mention not in texts[-1]] == [], texts
    assert ["collapse" in text for text in texts] == [False, False, False, kinds < 10 or contrast < 1]


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
    run, row = new_run(tmp_path), dict.fromkeys(new_run(tmp_path).game.looks.figures(), 1.2345)
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


def test_pictures_stand_upright_whatever_a_matplotlibrc_says(tmp_path):
    import matplotlib
    images = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1).repeat(2, 0)
    for origin in "upper", "lower":
        with matplotlib.rc_context({"image.origin": origin}):
            plotting.save_sheet(tmp_path / f"{origin}.png", images)
            plotting.save_gif(tmp_path / f"{origin}.gif", [tmp_path / "upper.png"])
            plotting.save_rows(tmp_path / f"{origin}-rows.png", {"a": images})
    for name in ".png", ".gif", "-rows.png":
        assert (tmp_path / f"upper{name}").read_bytes() == (tmp_path / f"lower{name}").read_bytes()


@pytest.mark.parametrize("frames", [0, 1])
def test_ctrl_c_while_the_film_is_made_is_ctrl_c(tmp_path, monkeypatch, frames):
    from matplotlib.animation import PillowWriter
    grab, grabbed = PillowWriter.grab_frame, []

    def stopped(writer, **options):
        if len(grabbed) == frames:
            raise KeyboardInterrupt
        grabbed.append(grab(writer, **options))

    plotting.save_sheet(tmp_path / "a.png", np.zeros((1, 8, 8, 1), np.float32))
    monkeypatch.setattr(PillowWriter, "grab_frame", stopped)
    with pytest.raises(KeyboardInterrupt):
        plotting.save_gif(tmp_path / "a.gif", [tmp_path / "a.png"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

