"""A run: a game, its batches, its history and its folder; how a checkpoint holds them, and how a run is resumed.

What kind of game it is, what a batch holds and what a sheet shows are not known here: see games/game.py, batches.py and
games/looks.py. Read training.py next: the loop that plays a run.
"""

import math
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import checkpoint, games, plotting
from .errors import InputError
from .memory import check_memory
from .network import load_arrays


class Run:
    """A game being played: what a checkpoint holds.

    out      the folder for its files
    about    what else the checkpoint is to remember, as JSON values (where the images come from, ...)
    history  one dict per step: "step" and the figures that game.step returned
    saved    the path of its latest checkpoint, None before the first
    inputs   what all sample sheets of the run are drawn from
    draw     draw(path, run) makes a sample sheet

    Raises InputError if the game cannot be played with these batches. Nothing is written before the first step.
    """

    def __init__(self, game, batches, out, about=None, draw=None):
        check_memory(batches.size * game.bytes_per_item(), f"batches of {batches.size}")
        game.check(*batches.first())
        self.game, self.batches, self.out, self.about = game, batches, Path(out), about or {}
        self.history, self.saved = [], None
        self.inputs = game.looks.inputs(game, np.random.default_rng(0))
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
        arrays |= {"z": self.inputs, "history": np.array([[row[c] for c in columns] for row in self.history], np.float64)}
        own = self.batches.rng.bit_generator is not self.game.rng.bit_generator  # None below: one generator draws both
        about = {"game": type(self.game).__name__, "settings": self.game.settings, "batch": self.batches.size,
                 "rng": {"game": self.game.rng.bit_generator.state,
                         "batches": self.batches.rng.bit_generator.state if own else None},
                 "columns": columns, "run": self.about}
        checkpoint.save(self.path, about, arrays)
        self.saved = self.path

    @classmethod
    def load(cls, path, batches, out, about=None, draw=None):
        """The run that `save` wrote. Resumed, it is bit for bit what it would be had it never stopped.

        `batches` must be made like those that it had; their generator is set to where it was. If that was the game's, they
        share one again. `about` replaces what the checkpoint remembers.

        Raises InputError if the file is not a whole checkpoint of a game that this version knows.
        """
        saved, arrays = checkpoint.load(path)
        with whole(path):
            if batches.size != saved["batch"]:
                raise InputError(f"expected batches of {saved['batch']}, as this run had, got {batches.size}")
            shared = saved["rng"]["batches"] is None
            game = _game(saved, arrays, batches.rng if shared else np.random.default_rng())
            if not shared:
                batches.rng.bit_generator.state = saved["rng"]["batches"]
            run = cls(game, batches, out, about or saved["run"], draw)
            load_arrays({"z": run.inputs}, {"z": arrays["z"]}, "sample sheets")
            run.history = _history(saved["columns"], arrays["history"], game.looks)
            run.saved = Path(path)
        return run


def _history(columns, rows, looks):
    """One dict per row. InputError unless the columns are a step, counted from 1, and at least all figures to be shown."""
    needed = {"step", *looks.progress.values(), *(name for names in looks.panels.values() for name in names)}
    if len(rows) and not (isinstance(columns, list) and columns[0] == "step" and len(set(columns)) == len(columns)
                          and needed <= set(columns)):
        names = ", ".join(sorted(needed - {"step"}))
        raise InputError(f"expected a history with the columns step, {names}, got {columns!s:.80}")
    if rows.dtype != np.float64 or (len(rows) and not np.array_equal(rows[:, 0], np.arange(1, len(rows) + 1))):
        raise InputError("expected a history with a row for each step, got other rows")
    return [dict(zip(columns, row, strict=True)) | {"step": int(row[0])} for row in rows.tolist()]


def load_game(path):
    """The game in a checkpoint, ready to sample from. Raises InputError if it is not a whole checkpoint."""
    about, arrays = checkpoint.load(path)
    with whole(path):
        return _game(about, arrays, np.random.default_rng())


def continued(run, may_differ=()):
    """The run whose checkpoint lies in this new run's folder, as far as it got; the new run itself if there is none.

    Raises InputError if that is a run of something else: if it differs in the game's settings, or in what it is about except
    for `may_differ`, names of which the new run's values hold.
    """
    if not run.path.exists():
        return run
    found = Run.load(run.path, run.batches, run.out, draw=run.draw)
    same_run(run.path, {"game": type(run.game).__name__, **run.game.settings},
             {"game": type(found.game).__name__, **found.game.settings})
    same_run(run.path, run.about, found.about, may_differ)
    found.about = run.about
    return found


def same_run(path, wanted, found, may_differ=()):
    """InputError unless what a checkpoint records, a dict, has the wanted values (but for the names that may differ)."""
    for name, value in wanted.items():
        if name not in may_differ and found.get(name) != value:
            raise InputError(f"{path}: expected a run with {name} {value}, got one with {found.get(name, 'none')!s:.40}; "
                             "choose another --out for this one")


def recorded(path, options, defaults, may_differ):
    """What the checkpoint of a script's run says it is about, with the options of a resumed run in their place.

    Raises InputError if it lacks one of the script's `defaults`, and for an option with another value than the run has,
    unless its name is among `may_differ`.
    """
    about = checkpoint.load(path)[0].get("run")
    if not isinstance(about, dict) or (missing := defaults.keys() - about.keys()):
        missing = defaults if not isinstance(about, dict) else missing
        raise InputError(f"{path}: not from a run of this script: it does not record {', '.join(sorted(missing))}")
    for name in options.keys() - set(may_differ):
        if options[name] != about.get(name):
            raise InputError(f"--{name.replace('_', '-')} {options[name]}: the run in {path} was started with "
                             f"{about.get(name, 'the default')!s:.40}, and is resumed with it")
    return about | options


class Rationed(np.random.Generator):
    """Draws initial weights, `left` numbers at most: a checkpoint whose settings ask for more than it holds is refused at once.

    Otherwise networks of any size would be built before they are compared with the arrays that are there.
    """

    left = math.inf

    def _take(self, size):
        self.left -= math.prod(np.atleast_1d(size).tolist())
        if self.left < 0:
            raise InputError("expected settings that suit the arrays, got settings of larger networks")

    def uniform(self, low=0.0, high=1.0, size=1):
        """As NumPy's."""
        self._take(size)
        return super().uniform(low, high, size)

    def normal(self, loc=0.0, scale=1.0, size=1):
        """As NumPy's."""
        self._take(size)
        return super().normal(loc, scale, size)

    def standard_normal(self, size=1, *args, **options):
        """As NumPy's."""
        self._take(size)
        return super().standard_normal(size, *args, **options)


FORMER_SETTINGS = {  # with the one value that they could have
    "LSGAN": {"objective": "non-saturating"}, "MixtureLSGAN": {"objective": "non-saturating"},
    "BEGAN": {"objective": "reconstruction", "real_label": 1.0}}
FORMER_NAMES = {"game.sampler.": "game.g_average."}


def _game(about, arrays, rng):
    """The game that a checkpoint describes, also one that an earlier version wrote."""
    former = FORMER_SETTINGS.get(about["game"], {}).items()
    settings = {name: value for name, value in about["settings"].items() if (name, value) not in former}
    rationed = Rationed(rng.bit_generator)
    rationed.left = sum(array.size for array in arrays.values())
    game = games.build(about["game"], settings, rationed)
    rationed.left = math.inf
    saved = {}
    for name, array in arrays.items():
        for old, new in FORMER_NAMES.items():
            name = name.replace(old, new)
        if name.startswith("game."):
            saved[name.removeprefix("game.")] = array
    game.load_state(saved)
    rng.bit_generator.state = about["rng"]["game"]
    return game


@contextmanager
def whole(path):
    """A block in which what is missing in a checkpoint, or of the wrong type, becomes an InputError that names the file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error!s:.400}") from None  # a file may hold any text
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a whole checkpoint: {type(error).__name__}: {error!s:.200}") from None


def draw_sheet(path, run):
    """The usual sample sheet: what the game's looks show."""
    looks = run.game.looks
    plotting.save_sheet(path, looks.sheet(run.game, run.inputs, run.batches.examples), looks.columns)
