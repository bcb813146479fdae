"""The one training loop: step, log, draw, save.

    import numpy as np
    from numgan import data
    from numgan.batches import ImageBatches
    from numgan.games import DCGAN
    from numgan.run import Run
    from numgan.training import train

    images, _ = data.digits_10k()
    rng = np.random.default_rng(0)
    run = Run(DCGAN(rng=rng), ImageBatches(images, 32, rng), out="runs/dcgan")
    train(run, steps=2000)

A run's folder holds checkpoint.npz, log.csv (a row per step), samples/step_*.png (from the same codes each time), curves.png
and progress.gif. A file is only ever replaced by a complete new one. Read data.py next.
"""

import csv
import io
import signal
import sys
import threading
from contextlib import contextmanager, suppress

import numpy as np

from . import console, plotting
from .errors import InputError
from .files import alone_in, atomic, remove_leftovers
from .progress import Progress

HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none


def train(run, steps, every=200, remarks=None):
    """Train until the run has done `steps` steps in all; draw and save every `every` steps and at the end.

    remarks(run), lines of text, are printed after each sheet except that of step 0. Ctrl-C (or SIGTERM, SIGHUP) finishes the
    step, saves, reports where, and raises KeyboardInterrupt; a second Ctrl-C or SIGTERM stops at once. A signal that the
    process was started to ignore (`nohup`) stays ignored. A loss that is not finite raises FloatingPointError; the last good
    checkpoint stays. A run that has done all its steps, but was killed before its last picture, draws it.

    Raises InputError for bad arguments, if another process is at work in the run's folder, and if the folder holds files that
    the run would replace but did not make.
    """
    for name, value in {"steps": steps, "every": every}.items():
        if not (isinstance(value, (int, np.integer)) and 1 <= value <= 10**12):
            raise InputError(f"train: expected an integer {name} from 1 to 10¹², got {value!r:.60}")
    if steps < run.step or not unfinished(run, steps):
        raise InputError(f"train: expected more than the {run.step} steps already done (steps is the total, as is a script's "
                         f"--steps), got {steps}")
    if steps > (run.game.last_step or steps):
        raise InputError(f"train: expected steps <= {run.game.last_step}, after which the game's learning rate is 0 "
                         f"(lr_steps), got {steps}")
    progress = Progress(run.step, steps, run.game.looks.progress)
    with _folder(run), _log(run) as write_row, _stop_requests() as stop:
        killed = run.path.exists() and run.step % every == 0 and not sheet_path(run).exists()  # after saving, before drawing
        if run.step in (0, steps) or killed:
            snapshot(run)
        while run.step < steps:
            with _located(run, run.step + 1):
                figures = run.game.step(*next(run.batches))
                row = {"step": run.step + 1} | {name: float(figure) for name, figure in figures.items()}
                _check_figures(run, row)
                row = {name: row[name] for name in run.history[0]} if run.history else row  # in one order
                write_row(row)
            run.history.append(row)
            drawn = run.step % every == 0 or run.step == steps
            try:
                progress.show(row, lasting=drawn)
            except OSError:  # nobody can read it: a terminal or a pipe was closed
                with _located(run, run.step):
                    run.save()
                raise
            if drawn or stop:
                snapshot(run)
                for line in remarks(run) if remarks else ():
                    progress.say(line)
            if stop and run.step < steps:
                progress.say(f"stopped at step {run.step}; saved {run.path}")
                raise KeyboardInterrupt
        with _located(run, run.step):
            plotting.save_gif(run.out / "progress.gif", sheets(run))


def _check_figures(run, row):
    """InputError unless a step has returned the figures of the steps before, and all that the game's looks show."""
    where, looks, before = f"{type(run.game).__name__}.step", run.game.looks, run.history[0] if run.history else row
    if row.keys() != before.keys():
        raise InputError(f"{where}: expected the figures of the steps before (see the history in {run.saved}), "
                         f"{', '.join(map(str, before)):.200}; got {', '.join(row):.200}")
    if missing := looks.figures() - row.keys():
        raise InputError(f"{where}: expected the figures that looks shows, got none called {', '.join(sorted(missing)):.200}")


def sheet_path(run):
    """Where the sample sheet of the run's present step belongs."""
    return run.out / "samples" / f"step_{run.step:06d}.png"


def sheets(run):
    """The sample sheets in the run's folder, in order."""
    return sorted((run.out / "samples").glob("step_*.png"), key=lambda path: (len(path.name), path.name))


def unfinished(run, steps):
    """Whether `train` has something left to do: steps, or pictures. It draws the GIF last, after the last checkpoint."""
    gif = run.out / "progress.gif"
    there = all(path.exists() for path in (run.path, gif, run.out / "curves.png", run.out / "log.csv"))
    return run.step < steps or not there or gif.stat().st_mtime < run.path.stat().st_mtime


def resume_hint(run):
    """The command that resumes a run of this script, as text; "" if nothing has been saved."""
    if run.saved is None:
        return ""
    elsewhere = [] if run.saved.parent.resolve() == run.out.resolve() else ["--out", run.out]
    return f"resume with: {console.command(sys.argv[0], '--resume', run.saved, *elsewhere)}"


@contextmanager
def _folder(run):
    """The run's folder, locked for this run and cleared of what a killed run left half-written or drew after its checkpoint."""
    with _located(run, run.step):
        run.out.mkdir(parents=True, exist_ok=True)
    with alone_in(run.out, wait=False):
        if run.path.exists() and not (run.saved and run.saved.exists() and run.path.samefile(run.saved)):
            raise InputError(f"{run.out}: expected a folder without a run, or this one's, got another run's {run.path.name}")
        if foreign := _foreign(run):
            raise InputError(f"{run.out}: expected a folder without files of your own or another run's, got {foreign.name}")
        with _located(run, run.step):
            for folder in (run.out, run.out / "samples"):
                remove_leftovers(folder)
            for sheet in _later_sheets(run):
                sheet.unlink()
        yield


def _later_sheets(run):
    """The sheets of steps that the run has still to do."""
    numbers = {sheet: sheet.stem.removeprefix("step_") for sheet in sheets(run)}
    return [sheet for sheet, number in numbers.items() if number.isdigit() and int(number) > run.step]


def _foreign(run):
    """A file in the run's folder that `train` would replace, though the run has not made it; None if there is none."""
    log = run.out / "log.csv"
    if run.path.exists():
        return None
    rows = io.StringIO()
    _write_rows(rows, run.history, header=True)
    own = rows.getvalue().encode() or b"step,"
    with suppress(OSError), open(log, "rb") as file:
        start = file.read(len(own))
        if start and not (run.saved and start == own):  # a new run saves before it writes a row
            return log
    if log.exists() and run.saved and run.saved.parent.resolve() == run.out.resolve():  # the checkpoint was renamed
        return next(iter(_later_sheets(run)), None)  # a later checkpoint has been renamed, too
    pictures = [*sheets(run), run.out / "curves.png", run.out / "progress.gif"]  # a run saves before it draws
    return next((path for path in pictures if path.exists()), None)


@contextmanager
def _located(run, step):
    """Adds the step and the last checkpoint to the message of a FloatingPointError, OSError or MemoryError."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the results are checked instead
            yield
    except (FloatingPointError, OSError, MemoryError) as error:
        kept = f"the last good checkpoint is {run.saved}" if run.saved and run.saved.exists() else "there is no checkpoint yet"
        kind = next(kind for kind in (FloatingPointError, OSError, MemoryError) if isinstance(error, kind))
        raise kind(f"step {step}: {error}; {kept}") from None


def snapshot(run):
    """Save the checkpoint, then draw the sample sheet and the curves. None of them if a parameter is not finite."""
    looks = run.game.looks
    with _located(run, run.step):
        if not (run.out / "log.csv").exists():
            raise FileNotFoundError(f"{run.out}: the folder was removed, or its log.csv, while the run was at work in it")
        run.save()
        run.draw(sheet_path(run), run)
        if run.history:
            columns = {name: np.array([row[name] for row in run.history]) for name in run.history[0]}
            plotting.save_curves(run.out / "curves.png", columns, looks.panels, looks.references)


@contextmanager
def _log(run):
    """Rewrite log.csv from the run's history; yield a function that appends a row."""
    path = run.out / "log.csv"
    with _located(run, run.step), atomic(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            _write_rows(file, run.history, header=True)
    file = open(path, "a", newline="", encoding="utf-8", buffering=1)  # noqa: SIM115
    try:
        yield lambda row: _write_rows(file, [row], header=row["step"] == 1)
    finally:
        with suppress(OSError):  # all rows are written, or an error that says why not is being raised
            file.close()


def _write_rows(file, rows, header):
    writer = csv.writer(file, lineterminator="\n")
    if header and rows:
        writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)


@contextmanager
def _stop_requests():
    """Yields a list that the first Ctrl-C, SIGTERM or SIGHUP makes true; a second Ctrl-C or SIGTERM acts as usual."""
    requests, before = [], {}

    def note(number, frame):
        requests.append(number)
        if number != HANG_UP:  # a closed terminal sends it twice
            signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():  # only there can signals be handled
        for number in {signal.SIGINT, signal.SIGTERM, HANG_UP} - {None}:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: set by a library in C; it could not be put back
                before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
