"""The one training loop: step, log, draw, save, resume.

    run = Run(DCGAN(rng=rng), Batches(images, 32, rng), out="runs/dcgan")
    train(run, steps=2000)

A run's folder holds checkpoint.npz, log.csv (a row per step), samples/step_*.png (the same z each time), curves.png and
progress.gif. Every file is replaced only by a complete new one.
"""

import csv
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import checkpoint, games, plotting
from .data import to_images
from .errors import InputError
from .network import load_arrays

SHEET = 25  # images on a sample sheet


class Batches:
    """Random minibatches of images (uint8 (n, H, W)), drawn with replacement: so there is no odd last batch.

    Iterating gives float32 (size, H, W, 1) in [-1, 1]; images stay uint8 until then.
    """

    def __init__(self, images, size, rng):
        if not (isinstance(size, (int, np.integer)) and size >= 1 and len(images)):
            raise InputError(f"Batches: expected a size >= 1 and at least one image, got {size!r} and {len(images)} images")
        self.images, self.size, self.rng = images, size, rng

    def __iter__(self):
        return self

    def __next__(self):
        return to_images(self.images[self.rng.integers(0, len(self.images), self.size)])


class Run:
    """A game being played: what a checkpoint holds.

    out      the folder for its files
    about    what else the checkpoint shall remember, as JSON values (where the images come from, ...)
    history  one dict per step: "step" and what game.step returned
    z        codes of the sample sheets, the same for the whole run
    """

    def __init__(self, game, batches, out, about=None):
        self.game, self.batches, self.out, self.about = game, batches, Path(out), about or {}
        shape = to_images(batches.images[:1]).shape[1:]
        if shape != game.image_shape or batches.size % game.d_steps:
            raise InputError(f"Run: expected images {game.image_shape} in batches of a multiple of d_steps = {game.d_steps}, "
                             f"got {shape} in batches of {batches.size}")
        self.history = []
        self.z = game.latent(SHEET, np.random.default_rng(0))

    @property
    def step(self):
        """Steps done so far."""
        return len(self.history)

    @property
    def path(self):
        """Where the checkpoint is."""
        return self.out / "checkpoint.npz"

    def check(self):
        """Raises FloatingPointError, naming the first parameter, buffer or moment that is not finite, if there is one."""
        for name, array in self.game.state().items():
            if not np.isfinite(array).all():
                raise FloatingPointError(f"{name} is no longer finite")

    def save(self):
        """Write the checkpoint. Raises FloatingPointError, and keeps the old one, if a parameter is not finite."""
        self.check()
        arrays = {f"game.{name}": array for name, array in self.game.state().items()}
        columns = list(self.history[0]) if self.history else []
        arrays |= {"z": self.z, "history": np.array([[row[c] for c in columns] for row in self.history], np.float64)}
        about = {"game": type(self.game).__name__, "settings": self.game.settings, "batch": self.batches.size,
                 "rng": {"game": self.game.rng.bit_generator.state, "batches": self.batches.rng.bit_generator.state},
                 "columns": columns, "run": self.about}
        checkpoint.save(self.path, about, arrays)

    @classmethod
    def load(cls, path, images, out, about=None):
        """The run that `save` wrote, to go on bit by bit as if it had never stopped. `images` must be the same ones.

        `about` replaces what the checkpoint remembers.

        Raises InputError if the file is not a whole checkpoint of a game that this version knows.
        """
        saved, arrays = checkpoint.load(path)
        with _whole(path):
            game, batches_rng = _game(saved, arrays), np.random.default_rng()
            batches_rng.bit_generator.state = saved["rng"]["batches"]
            run = cls(game, Batches(images, saved["batch"], batches_rng), out, about or saved["run"])
            load_arrays({"z": run.z}, {"z": arrays["z"]}, "sample sheets")
            run.history = [dict(zip(saved["columns"], row, strict=True)) | {"step": int(row[0])}
                           for row in arrays["history"].tolist()]
        return run


def load_game(path):
    """The game in a checkpoint, ready to sample from. Raises InputError if it is not a whole checkpoint."""
    about, arrays = checkpoint.load(path)
    with _whole(path):
        return _game(about, arrays)


def _game(about, arrays):
    game = games.build(about["game"], about["settings"], np.random.default_rng())
    saved = {name.removeprefix("game."): array for name, array in arrays.items() if name.startswith("game.")}
    load_arrays(game.state(), saved, about["game"])
    game.rng.bit_generator.state = about["rng"]["game"]
    return game


@contextmanager
def _whole(path):
    """What is missing in a checkpoint, or of the wrong type, becomes an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a whole checkpoint: {type(error).__name__}: {error}") from None


# ---- the loop


def train(run, steps, every=200):
    """Go on until `steps` steps are done in all; every `every` steps, and at the end, draw and save. Returns run.history.

    Ctrl-C (or SIGTERM) finishes the step, saves, says how to go on and raises KeyboardInterrupt; a second one stops at
    once. A loss that is not finite raises FloatingPointError; the last good checkpoint stays.
    """
    for name, value in {"steps": steps, "every": every}.items():
        if not (isinstance(value, (int, np.integer)) and value >= 1):
            raise InputError(f"train: expected a whole number {name} >= 1, got {value!r}")
    if steps <= run.step:
        raise InputError(f"train: the run has done {run.step} steps already; steps is the total, got {steps}")
    progress = Progress(run.step, steps)
    with _log(run) as write_row, _stop_requests() as stop:
        if run.step == 0:
            snapshot(run)
        for batch in run.batches:
            with _located(run, run.step + 1):
                row = {"step": run.step + 1, **run.game.step(batch)}
            run.history.append(row)
            write_row(row)
            drawn = run.step % every == 0 or run.step == steps
            progress.show(row, lasting=drawn)
            if drawn or stop:
                snapshot(run)
            if stop and run.step < steps:
                progress.say(f"stopped at step {run.step}; saved {run.path}")
                raise KeyboardInterrupt
            if run.step == steps:
                break
    plotting.save_gif(run.out / "progress.gif", sorted((run.out / "samples").glob("step_*.png")))
    return run.history


@contextmanager
def _located(run, step):
    """In the message of a FloatingPointError, step and last checkpoint are named."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the results are checked instead
            yield
    except FloatingPointError as error:
        kept = f"the last good checkpoint is {run.path}" if run.path.exists() else "there is no checkpoint yet"
        raise FloatingPointError(f"step {step}: {error}; {kept}") from None


def snapshot(run):
    """Draw the sample sheet and the curves, save the checkpoint; none of them if a parameter is not finite."""
    with _located(run, run.step):
        run.check()
    plotting.save_sheet(run.out / "samples" / f"step_{run.step:06d}.png", run.game.generate(run.z))
    if run.history:
        columns = {name: np.array([row[name] for row in run.history]) for name in run.history[0]}
        plotting.save_curves(run.out / "curves.png", columns, run.game.equilibrium())
    run.save()


@contextmanager
def _log(run):
    """log.csv, brought to the state of the run's history; yields a function that appends a row."""
    path = run.out / "log.csv"
    with checkpoint.atomic(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            _write_rows(file, run.history, header=True)
    with open(path, "a", newline="", encoding="utf-8", buffering=1) as file:
        yield lambda row: _write_rows(file, [row], header=row["step"] == 1)


def _write_rows(file, rows, header):
    writer = csv.writer(file, lineterminator="\n")
    if header and rows:
        writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)


@contextmanager
def _stop_requests():
    """Yields a list that the first Ctrl-C or SIGTERM makes true; the second acts as usual."""
    requests, before = [], {}

    def note(number, frame):
        requests.append(number)
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():  # only there can signals be handled
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """The line that says how far a run is: on a terminal one line that is rewritten, elsewhere one per snapshot."""

    def __init__(self, done, total):
        self.first, self.total, self.began, self.shown = done, total, time.monotonic(), 0.0
        self.live = sys.stderr.isatty()

    def show(self, row, lasting):
        """Show the row of the latest step, at most five times a second; `lasting` ones always, and they stay."""
        now = time.monotonic()
        if not lasting and not (self.live and now - self.shown > 0.2):
            return
        self.shown, step = now, row["step"]
        rate = (step - self.first) / max(now - self.began, 1e-6)
        minutes, seconds = divmod(round((self.total - step) / rate), 60)
        line = (f"step {step}/{self.total} {rate:.1f}/s ETA {minutes}:{seconds:02d} "
                f"loss D {row['d_loss']:.3f} G {row['g_loss']:.3f} D(x) {row['d_real']:.2f} D(G(z)) {row['d_fake']:.2f}")
        self.say(line, end="\n" if lasting or not self.live else "")

    def say(self, line, end="\n"):
        """Print a line over the live one."""
        print(f"\r{line:<79}" if self.live else line, end=end, file=sys.stderr, flush=True)
