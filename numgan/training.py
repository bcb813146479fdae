"""The one training loop: step, log, draw, save, resume.

    run = Run(DCGAN(rng=rng), Batches(images, 32, rng), out="runs/dcgan")
    train(run, steps=2000)

A run's folder holds checkpoint.npz, log.csv (a row per step), samples/step_*.png (the same z each time), curves.png and
progress.gif. Every file is replaced only by a complete new one.
"""

import csv
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import checkpoint, games, plotting
from .data import to_images
from .errors import InputError
from .network import load_arrays
from .progress import Progress


class Batches:
    """Random minibatches of images (uint8 (n, H, W)), drawn with replacement: so there is no odd last batch.

    Iterating gives pairs: float32 (size, H, W, 1) in [-1, 1], images stay uint8 until then; and their labels, if there are
    any, else None. A label -1 means unknown. Where some are, the first half of a minibatch is drawn from the labelled
    images, the other from all, and without their labels.
    """

    def __init__(self, images, size, rng, labels=None):
        if not (isinstance(size, (int, np.integer)) and size >= 1 and len(images)):
            raise InputError(f"Batches: expected a size >= 1 and at least one image, got {size!r} and {len(images)} images")
        if labels is not None and len(labels) != len(images):
            raise InputError(f"Batches: expected a label for each of {len(images)} images, got {len(labels)}")
        self.images, self.size, self.rng = images, size, rng
        self.labels = None if labels is None else np.asarray(labels, np.int64)
        self.known = np.arange(len(images)) if labels is None else np.flatnonzero(self.labels >= 0)
        if not len(self.known):
            raise InputError("Batches: expected at least one labelled image, got only unknown labels (-1)")
        self.shape = to_images(images[:1]).shape[1:]

    def __iter__(self):
        return self

    def __next__(self):
        half = self.size // 2 if len(self.known) < len(self.images) else 0
        chosen = np.concatenate([self.known[self.rng.integers(0, len(self.known), half)],
                                 self.rng.integers(0, len(self.images), self.size - half)])
        labels = None if self.labels is None else self.labels[chosen]
        if half:
            labels[half:] = -1
        return to_images(self.images[chosen]), labels

    def examples(self, n):
        """n images spread over the whole data set, in [-1, 1]: the same ones every time."""
        return to_images(self.images[np.linspace(0, len(self.images) - 1, n).astype(int)])


class Run:
    """A game being played: what a checkpoint holds.

    out      the folder for its files
    about    what else the checkpoint shall remember, as JSON values (where the images come from, ...)
    history  one dict per step: "step" and what game.step returned
    z        codes of the sample sheets, the same for the whole run
    draw     draw(path, run) makes the sample sheet
    """

    def __init__(self, game, batches, out, about=None, draw=None):
        self.game, self.batches, self.out, self.about = game, batches, Path(out), about or {}
        if batches.shape != game.image_shape or batches.size % (game.d_steps * game.pack):
            raise InputError(f"Run: expected images {game.image_shape} in batches of a multiple of d_steps · pack = "
                             f"{game.d_steps} · {game.pack}, got {batches.shape} in batches of {batches.size}")
        if game.labelled and batches.labels is None:
            raise InputError(f"Run: {type(game).__name__} plays with labelled images, expected Batches(..., labels=labels)")
        self.history = []
        self.z = game.sheet_latent(np.random.default_rng(0))
        self.draw = draw or draw_sheet

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
    def load(cls, path, batches, out, about=None, draw=None):
        """The run that `save` wrote, to go on bit by bit as if it had never stopped.

        `batches` must be made like those that it had; their generator is set to where it was. `about` replaces what the
        checkpoint remembers.

        Raises InputError if the file is not a whole checkpoint of a game that this version knows.
        """
        saved, arrays = checkpoint.load(path)
        with _whole(path):
            if batches.size != saved["batch"]:
                raise InputError(f"expected batches of {saved['batch']}, as this run had, got {batches.size}")
            batches.rng.bit_generator.state = saved["rng"]["batches"]
            run = cls(_game(saved, arrays), batches, out, about or saved["run"], draw)
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
    if steps > (run.game.settings["lr_steps"] or steps):
        raise InputError(f"train: expected steps <= {run.game.settings['lr_steps']}, where the game's learning rate falls to "
                         f"0 (lr_steps), got {steps}")
    progress = Progress(run.step, steps, run.game.shown)
    with _log(run) as write_row, _stop_requests() as stop:
        if run.step == 0:
            snapshot(run)
        for batch in run.batches:
            with _located(run, run.step + 1):
                row = {"step": run.step + 1, **run.game.step(*batch)}
            run.history.append(row)
            write_row(row)
            drawn = run.step % every == 0 or run.step == steps
            progress.show(row, lasting=drawn)
            if drawn or stop:
                snapshot(run)
                for line in findings(run):
                    progress.say(line)
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
    run.draw(run.out / "samples" / f"step_{run.step:06d}.png", run)
    if run.history:
        columns = {name: np.array([row[name] for row in run.history]) for name in run.history[0]}
        plotting.save_curves(run.out / "curves.png", columns, run.game.panels, run.game.equilibrium())
    run.save()


def findings(run, n=200):
    """What a classifier sees in n samples of a game of digits, as lines: how many of each digit, diversity, warnings.

    Fewer than a quarter of its share of a digit, or half the diversity of real digits, look like mode collapse.
    """
    if run.game.image_shape != (28, 28, 1):
        return
    from . import metrics
    images = run.game.sample(n, np.random.default_rng(0))
    counts = metrics.digit_histogram(metrics.load_classifier().probabilities(images))
    real = metrics.diversity(run.batches.examples(n))
    spread = metrics.diversity(images) / real if real else np.nan  # a data set of one image has no diversity
    yield f"  {n} samples read as 0 … 9: {' '.join(map(str, counts))}; diversity {spread:.2f} of real digits'"
    missing = np.flatnonzero(counts < n / 40)
    if len(missing) or spread < 0.5:
        yield f"  looks like mode collapse: {'few of ' + ', '.join(map(str, missing)) if len(missing) else 'samples are alike'}"


def draw_sheet(path, run):
    """The usual sample sheet: what the game exhibits."""
    plotting.save_sheet(path, run.game.exhibit(run.z, run.batches.examples(len(run.z))), run.game.sheet_columns)


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
