"""The one training loop: step, log, draw, save.

    from numgan import data
    from numgan.batches import ImageBatches
    from numgan.games import DCGAN
    from numgan.run import Run

    images, _ = data.digits_10k()
    rng = np.random.default_rng(0)
    run = Run(DCGAN(rng=rng), ImageBatches(images, 32, rng), out="runs/dcgan")
    train(run, steps=2000)

A run's folder holds checkpoint.npz, log.csv (a row per step), samples/step_*.png (from the same codes each time), curves.png
and progress.gif. A file is only ever replaced by a complete new one. Read data.py next.
"""

import csv
import signal
import threading
from contextlib import contextmanager

import numpy as np

from . import checkpoint, plotting
from .errors import InputError
from .progress import Progress


def train(run, steps, every=200, remarks=None):
    """Train until the run has done `steps` steps in all; draw and save every `every` steps and at the end. Returns run.history.

    remarks(run) yields lines to print after each sheet. Ctrl-C (or SIGTERM) finishes the step, saves, reports where, and
    raises KeyboardInterrupt; a second one stops at once. A loss that is not finite raises FloatingPointError; the last good
    checkpoint is kept.
    """
    for name, value in {"steps": steps, "every": every}.items():
        if not (isinstance(value, (int, np.integer)) and value >= 1):
            raise InputError(f"train: expected an integer {name} >= 1, got {value!r}")
    if steps <= run.step:
        raise InputError(f"train: expected more than the {run.step} steps already done (steps is the total), got {steps}")
    if steps > (run.game.last_step or steps):
        raise InputError(f"train: expected steps <= {run.game.last_step}, after which the game's learning rate is 0 "
                         f"(lr_steps), got {steps}")
    progress = Progress(run.step, steps, run.game.looks.progress)
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
                for line in remarks(run) if remarks else ():
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
    """Add the step and the last checkpoint to the message of a FloatingPointError."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the results are checked instead
            yield
    except FloatingPointError as error:
        kept = f"the last good checkpoint is {run.path}" if run.path.exists() else "there is no checkpoint yet"
        raise FloatingPointError(f"step {step}: {error}; {kept}") from None


def snapshot(run):
    """Draw the sample sheet and the curves, and save the checkpoint; none of these if a parameter is not finite."""
    with _located(run, run.step):
        run.check()
    run.draw(run.out / "samples" / f"step_{run.step:06d}.png", run)
    looks = run.game.looks
    if run.history:
        columns = {name: np.array([row[name] for row in run.history]) for name in run.history[0]}
        plotting.save_curves(run.out / "curves.png", columns, looks.panels, looks.references)
    run.save()


@contextmanager
def _log(run):
    """Rewrite log.csv from the run's history; yield a function that appends a row."""
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
    """Yield a list that is empty until the first Ctrl-C or SIGTERM; the second acts as usual."""
    requests, before = [], {}

    def note(number, frame):
        requests.append(number)
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():  # the only one that may set signal handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
