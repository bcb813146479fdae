"""Runs that are killed, locked out, starved of disk, or fed with foreign files: nothing is lost, locked, or left hanging."""

import io
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from numgan import InputError, checkpoint, plotting
from numgan.batches import ImageBatches
from numgan.files import alone_in, atomic
from numgan.games import build
from numgan.run import Rationed, Run, load_game
from numgan.training import train, unfinished

from .errors import refused
from .runs import SMALL, anew, at_step, bits, contents, new_run, resumed
from .scripts import ENVIRONMENT, ROOT

TRAIN = ROOT / "demos" / "mnist_gan.py"
WAITS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and locks")


# --- Killed


def started(*options, cwd):
    """The training script in a process of its own."""
    return subprocess.Popen([sys.executable, str(TRAIN), "--game", "minimal", "--batch", "8", *options], cwd=cwd,
                            env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(path, process, seconds=60):
    """Until the file is there."""
    end = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    assert path.exists(), process.stderr.read() if process.poll() is not None else "timeout"


@WAITS
@pytest.mark.parametrize("awaited", ["log.csv", "samples/step_000000.png"])
def test_a_run_that_was_killed_can_be_started_again_or_resumed(tmp_path, awaited):
    first = started("--steps", "100000", "--out", "run", cwd=tmp_path)
    wait_for(tmp_path / "run" / awaited, first)
    first.kill()
    first.communicate()
    saved = (tmp_path / "run" / "checkpoint.npz").exists()
    again = ["--resume", "run/checkpoint.npz"] if saved else ["--out", "run"]
    second = started("--steps", "3", *again, cwd=tmp_path)
    _, errors = second.communicate()
    assert second.returncode == 0, errors
    names = {name.replace("\\\\", "/") for name in contents(tmp_path / "run")}
    assert not [name for name in names if os.path.basename(name).startswith(".")]
    assert names >= {"checkpoint.npz", "log.csv", "curves.png", "progress.gif", "samples/step_000003.png"}


@pytest.mark.usefixtures("undrawn")
def test_only_a_checkpoint_makes_a_run(tmp_path):
    (tmp_path / "log.csv").touch()
    run = new_run(tmp_path)
    train(run, 1)
    assert (tmp_path / "log.csv").read_text().count("\n") == 2
    before = contents(tmp_path)
    with refused(tmp_path, "checkpoint.npz"):
        train(new_run(tmp_path), 1)
    assert contents(tmp_path) == before


def test_a_run_killed_over_its_last_pictures_is_completed(tmp_path):
    run = new_run(tmp_path)
    train(run, 2, every=1)
    whole = contents(tmp_path)
    for missing in ("progress.gif", "curves.png", "log.csv"):
        (tmp_path / missing).unlink()
        again = resumed(run)
        assert unfinished(again, again.step)
        train(again, 2)
        assert contents(tmp_path) == whole
        assert not unfinished(again, again.step)
    with refused("2 steps already done", "--steps"):
        train(resumed(run), 2)


@pytest.mark.usefixtures("undrawn")
def test_a_film_older_than_the_last_checkpoint_is_made_anew(tmp_path):
    run = new_run(tmp_path)
    train(run, 2)
    os.utime(tmp_path / "progress.gif", (0, 0))  # as if only an earlier part of the run had come to its end
    again = resumed(run)
    assert unfinished(again, 2)
    train(again, 2)
    assert not unfinished(again, 2)


@pytest.mark.usefixtures("undrawn")
def test_a_run_killed_between_its_checkpoint_and_its_sheet_draws_that_sheet(tmp_path):
    straight, run = new_run(tmp_path / "straight"), new_run(tmp_path / "killed")
    train(straight, 6, every=2)
    drawn = []
    run.draw = lambda *args: drawn.append(1) if len(drawn) < 2 else sys.exit()  # what a kill looks like from inside
    with pytest.raises(SystemExit):
        train(run, 6, every=2)
    again = resumed(run)
    assert again.step == 4
    train(again, 6, every=2)
    sheets = sorted((tmp_path / "straight" / "samples").iterdir())
    for sheet in sheets[2:]:  # the first two were not drawn by this test's own draw
        assert (tmp_path / "killed" / "samples" / sheet.name).read_bytes() == sheet.read_bytes()
    assert bits(again) == bits(straight)


def test_members_that_overlap_are_refused(tmp_path):
    run = new_run(tmp_path)
    run.save()
    with zipfile.ZipFile(run.path) as archive:
        info = archive.infolist()[1]
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        for name in ("about.json", *(f"{i}.npy" for i in range(50))):
            archive.writestr(name, b"x" * 100)
        first = archive.infolist()[1]
        for member in archive.infolist()[2:]:
            member.header_offset, member.file_size, member.compress_size = first.header_offset, 10**6, 10**6
    with refused(tmp_path / "bomb.npz", "got a file whose members overlap"):
        checkpoint.load(tmp_path / "bomb.npz")
    assert info.filename.endswith(".npy")


@pytest.mark.parametrize("header", ["-" * 9000 + "1", "(" * 5000])
def test_a_header_that_only_a_parser_would_love_is_refused(tmp_path, header):
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    about = b'{"format": "numgan checkpoint 1", "arrays": ["a"]}'
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("about.json", about)
        archive.writestr("a.npy", raw)
    with refused(tmp_path / "odd.npz"):
        checkpoint.load(tmp_path / "odd.npz")


@pytest.mark.parametrize("columns", [["foo"], ["\ud800"], ["a\nb"], [7]])
def test_columns_that_a_step_does_not_report_are_refused(tmp_path, undrawn, columns):
    run = new_run(tmp_path / "run")
    train(run, 2)
    about, arrays = checkpoint.load(run.path)
    about["columns"] += columns
    arrays["history"] = np.pad(arrays["history"], ((0, 0), (0, 1)))
    checkpoint.save(tmp_path / "changed.npz", about, arrays)
    with refused(tmp_path / "changed.npz", "history"):
        train(Run.load(tmp_path / "changed.npz", anew(run.batches), tmp_path / "out"), 3)


def test_what_a_killed_run_left_half_written_or_drew_after_its_checkpoint_goes(tmp_path, undrawn):
    run = new_run(tmp_path)
    train(run, 2, every=1)
    before = contents(tmp_path)
    left = [tmp_path / ".numgan-4711.checkpoint.npz", tmp_path / ".numgan-4711.progress.gif",
            tmp_path / "samples" / ".numgan-9.step_000003.png",
            tmp_path / "samples" / "step_000003.png", tmp_path / "samples" / "step_1000000.png"]
    kept = [tmp_path / ".hidden", tmp_path / "samples" / "step_mine.png", tmp_path / "notes.txt"]
    for path in left + kept:
        path.write_bytes(b"?")
    again = resumed(run)
    train(again, 4, every=2)
    after = contents(tmp_path)
    assert [path for path in left if path.exists() and path.read_bytes() == b"?"] == []
    assert [path for path in kept if not path.exists()] == []
    assert after.keys() - before.keys() == {str(path.relative_to(tmp_path)) for path in kept} | {
        os.path.join("samples", "step_000004.png")}


# --- Two in one place


@WAITS
@pytest.mark.usefixtures("undrawn")
def test_a_second_run_in_a_folder_gets_one_line_and_changes_nothing(tmp_path):
    run = new_run(tmp_path)
    train(run, 1)
    second = resumed(run)
    with alone_in(tmp_path):
        before = contents(tmp_path)
        with refused(tmp_path, "another run is at work"):
            train(second, 2)
        assert contents(tmp_path) == before
    train(second, 2)


# --- Disks, folders, viewers


@pytest.mark.parametrize("what", ["save_sheet", "save_curves"])
def test_a_picture_that_cannot_be_written_costs_no_step(tmp_path, monkeypatch, what):
    run = new_run(tmp_path)
    train(run, 2, every=2)

    def full(path, *args, **options):
        with atomic(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(plotting, what, full)
    with pytest.raises(OSError, match=r"step 4: .*No space left.*(samples|curves).*the last good checkpoint is"):
        train(run, 9, every=2)
    monkeypatch.undo()
    again = resumed(run)
    assert again.step == 4
    assert not [name for name in contents(tmp_path) if os.path.basename(name).startswith(".")]
    straight = new_run(tmp_path / "straight")
    train(straight, 6, every=2)
    train(again, 6, every=2)
    assert bits(again) == bits(straight)


@pytest.mark.usefixtures("undrawn")
def test_a_folder_that_is_removed_under_a_run_is_an_error(tmp_path, monkeypatch):
    run = new_run(tmp_path / "run")
    step = run.game.step

    def removing(*batch):
        if run.step == 2:
            for path in sorted((tmp_path / "run").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        return step(*batch)

    monkeypatch.setattr(run.game, "step", removing)
    with pytest.raises(OSError, match=r"step 4: .*folder was removed"):
        train(run, 6, every=2)


def test_a_damaged_sheet_is_named_when_the_film_is_made(tmp_path):
    run = new_run(tmp_path)
    train(run, 1)
    sheet = tmp_path / "samples" / "step_000000.png"
    for damage in (b"", b"\x89PNG\r\n\x1a\n damaged", sheet.read_bytes()[:60]):
        sheet.write_bytes(damage)
        with refused(sheet, "PNG"):
            train(resumed(run), run.step + 1)
        run = resumed(run)


def test_a_log_that_cannot_be_written_says_where_and_what_is_left(tmp_path, undrawn, monkeypatch):
    run = new_run(tmp_path)
    full = "no"

    class Disk(io.RawIOBase):
        def writable(self):
            return True

        def write(self, row):
            if full == "yes":
                raise OSError(28, "No space left on device")
            return len(row)

    def opened(path, mode, *args, **options):
        if mode == "a":
            return io.TextIOWrapper(io.BufferedWriter(Disk()), line_buffering=True)
        return open(path, mode, *args, **options)

    def fill():
        nonlocal full
        full = "yes"

    monkeypatch.setattr("numgan.training.open", opened, raising=False)
    at_step(run, 3, fill, monkeypatch)
    with pytest.raises(OSError, match=r"step 3: .*No space.*; the last good checkpoint is"):
        train(run, 9, every=2)


def test_a_log_that_cannot_be_rewritten_stays_as_it_was(tmp_path, undrawn, monkeypatch):
    def full(file, rows, header):
        file.write("half a r")
        raise OSError(28, "No space left on device")

    run = new_run(tmp_path)
    train(run, 2)
    before = contents(tmp_path)
    monkeypatch.setattr("numgan.training._write_rows", full)
    with refused("step 2", "No space", "log.csv", run.path, error=OSError):
        train(resumed(run), 4)
    assert contents(tmp_path) == before


def test_a_run_that_fails_before_it_has_saved_elsewhere_names_the_checkpoint_that_it_came_from(tmp_path):
    run = new_run(tmp_path / "run")
    run.save()
    (tmp_path / "file").touch()
    with refused("step 0", f"the last good checkpoint is {run.path}", error=OSError):
        train(resumed(run, tmp_path / "file" / "out"), 2)


# --- Checkpoints that ask for more than they hold


@pytest.mark.parametrize("changed", [
    {"width": 3000}, {"width": 10**7}, {"latent_dim": 10**7}, {"size": 4000}, {"size": 4 * 10**8}, {"width": 10**30},
    {"d_steps": 10**9}])
def test_settings_of_larger_networks_are_refused_without_building_them(tmp_path, changed):
    game = build("DCGAN", SMALL, np.random.default_rng(0))
    run = Run(game, ImageBatches(np.zeros((5, 8, 8), np.uint8), 4, np.random.default_rng(1)), tmp_path)
    run.save()
    about, arrays = checkpoint.load(run.path)
    about["settings"] |= changed
    checkpoint.save(tmp_path / "hostile.npz", about, arrays)
    tracemalloc.start()
    began = time.process_time()
    try:
        with refused(tmp_path / "hostile.npz"):
            Run.load(tmp_path / "hostile.npz", anew(run.batches), tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 100e6
        assert time.process_time() - began < 5
    finally:
        tracemalloc.stop()


def test_a_pack_of_millions_is_refused_without_building_it(tmp_path):
    game = build("MixtureGAN", {"width": 4}, np.random.default_rng(0))
    path = tmp_path / "hostile.npz"
    about = {"game": "MixtureGAN", "settings": game.settings | {"pack": 10**7}, "rng": {"game": game.rng.bit_generator.state}}
    checkpoint.save(path, about, {f"game.{name}": array for name, array in game.state().items()})
    with refused(path, "larger networks"):
        load_game(path)


def test_a_rationed_generator_draws_what_numpy_s_does():
    one, other = Rationed(np.random.PCG64(3)), np.random.default_rng(3)
    for draw in (lambda rng: rng.uniform(-1, 1, (2, 3)), lambda rng: rng.normal(0, 2, 4),
                 lambda rng: rng.standard_normal((2, 2)), lambda rng: rng.standard_normal(3, np.float32),
                 lambda rng: rng.integers(0, 9, 5)):
        np.testing.assert_array_equal(draw(one), draw(other))
    one.left = 5
    one.uniform(0, 1, 5)
    for draw in one.uniform, one.normal, one.standard_normal:
        with pytest.raises(InputError, match="larger networks"):
            draw(size=1)


def test_messages_do_not_quote_without_end(tmp_path):
    for about in ({"game": "x" * 10**6, "settings": {}}, {"game": "DCGAN", "settings": {"norm": "y" * 10**6}},
                  {"game": "DCGAN", "settings": {"z" * 10**6: 1}}):
        checkpoint.save(tmp_path / "long.npz", about, {})
        with pytest.raises(InputError) as caught:
            load_game(tmp_path / "long.npz")
        assert len(str(caught.value)) < 700


@WAITS
def test_a_pipe_or_a_folder_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with refused(path, "folder or a device"):
            checkpoint.load(path)


@WAITS
def test_a_pipe_is_not_opened_to_see_whether_it_is_a_checkpoint(tmp_path, monkeypatch):
    def opened(path):
        raise AssertionError("whoever opens a pipe waits for its writer")

    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(zipfile, "ZipFile", opened)
    assert not checkpoint.is_checkpoint(tmp_path / "pipe")
