"""A run: a game, its batches, its history and its folder; how a checkpoint holds them, and how a run is resumed.

Nothing here depends on the kind of game, on what a batch holds or on what a sheet shows: see games/game.py, batches.py and
games/looks.py. Read training.py next: the loop that plays a run.
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import checkpoint, games, plotting
from .errors import InputError
from .network import load_arrays


class Run:
    """A game in training: all that a checkpoint holds.

    out      the folder for its files
    about    what else the checkpoint records, as JSON values (where the images come from, ...)
    history  one dict per step: "step" and the figures that game.step returned
    inputs   the array that all sample sheets of the run are drawn from
    draw     draw(path, run) makes a sample sheet

    Raises InputError if the game cannot be played with these batches. Nothing is written before the first step.
    """

    def __init__(self, game, batches, out, about=None, draw=None):
        game.check(*batches.first())
        self.game, self.batches, self.out, self.about = game, batches, Path(out), about or {}
        self.history = []
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
        """Raises FloatingPointError if a parameter, buffer or moment is not finite; it names the first one."""
        for name, array in self.game.state().items():
            if not np.isfinite(array).all():
                raise FloatingPointError(f"{name} is no longer finite")

    def save(self):
        """Write the checkpoint. Raises FloatingPointError, and keeps the old one, if a parameter is not finite."""
        self.check()
        arrays = {f"game.{name}": array for name, array in self.game.state().items()}
        columns = list(self.history[0]) if self.history else []
        arrays |= {"z": self.inputs, "history": np.array([[row[c] for c in columns] for row in self.history], np.float64)}
        own = self.batches.rng is not self.game.rng  # None below if game and batches share one rng
        about = {"game": type(self.game).__name__, "settings": self.game.settings, "batch": self.batches.size,
                 "rng": {"game": self.game.rng.bit_generator.state,
                         "batches": self.batches.rng.bit_generator.state if own else None},
                 "columns": columns, "run": self.about}
        checkpoint.save(self.path, about, arrays)

    @classmethod
    def load(cls, path, batches, out, about=None, draw=None):
        """The run that `save` wrote. Resumed, it gives bit for bit the same results as without the interruption.

        `batches` must be made like those of the saved run; the state of their rng is restored. If it was also the game's,
        they share it again. `about` replaces what the checkpoint records.

        Raises InputError if the file is not a complete checkpoint of a game that this version knows.
        """
        saved, arrays = checkpoint.load(path)
        with whole(path):
            if batches.size != saved["batch"]:
                raise InputError(f"expected batches of {saved['batch']} items, as in the saved run, got {batches.size}")
            shared = saved["rng"]["batches"] is None
            game = _game(saved, arrays, batches.rng if shared else np.random.default_rng())
            if not shared:
                batches.rng.bit_generator.state = saved["rng"]["batches"]
            run = cls(game, batches, out, about or saved["run"], draw)
            load_arrays({"z": run.inputs}, {"z": arrays["z"]}, "sample sheets")
            run.history = [dict(zip(saved["columns"], row, strict=True)) | {"step": int(row[0])}
                           for row in arrays["history"].tolist()]
        return run


def load_game(path):
    """The game in a checkpoint, ready to sample from. Raises InputError if the file is not a complete checkpoint."""
    about, arrays = checkpoint.load(path)
    with whole(path):
        return _game(about, arrays, np.random.default_rng())


def continued(run, may_differ=()):
    """The run whose checkpoint is in this new run's folder, or the new run itself if there is none.

    Raises InputError if the saved run differs in its game, in the game's settings, or in `about`. In `about`, the names in
    `may_differ` may differ, and the new run's values apply.
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
    """InputError unless `found`, a dict that a checkpoint records, has the wanted values; names in `may_differ` are ignored."""
    for name, value in wanted.items():
        if name not in may_differ and found.get(name) != value:
            raise InputError(f"{path}: expected a run with {name} {value}, got one with {found.get(name, 'none')!s:.40}; "
                             "choose another --out for this one")


def recorded(path, options, defaults, may_differ):
    """The `about` in the checkpoint of a script's run, updated with the options given to resume it.

    Raises InputError if `about` lacks one of the script's `defaults`, or if an option differs from it and is not in
    `may_differ`.
    """
    about = checkpoint.load(path)[0].get("run")
    if not isinstance(about, dict) or (missing := defaults.keys() - about.keys()):
        missing = defaults if not isinstance(about, dict) else missing
        raise InputError(f"{path}: expected a run of this script, got one that does not record {', '.join(sorted(missing))}")
    for name in options.keys() - set(may_differ):
        if options[name] != about.get(name):
            raise InputError(f"--{name.replace('_', '-')} {options[name]}: the run in {path} was started with "
                             f"{about.get(name, 'the default')!s:.40}, which cannot be changed")
    return about | options


FORMER_SETTINGS = {  # that earlier versions saved, with the only value they could have
    "LSGAN": {"objective": "non-saturating"}, "MixtureLSGAN": {"objective": "non-saturating"},
    "BEGAN": {"objective": "reconstruction", "real_label": 1.0}}
FORMER_NAMES = {"game.sampler.": "game.g_average."}


def _game(about, arrays, rng):
    """The game that a checkpoint describes, even if an earlier version wrote it."""
    former = FORMER_SETTINGS.get(about["game"], {}).items()
    settings = {name: value for name, value in about["settings"].items() if (name, value) not in former}
    game = games.build(about["game"], settings, rng)
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
    """A block in which a missing or mistyped entry of a checkpoint raises an InputError that names the file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: expected a complete checkpoint, got a {type(error).__name__} from it: {error}") from None


def draw_sheet(path, run):
    """Draw the default sample sheet: that of the game's looks."""
    looks = run.game.looks
    plotting.save_sheet(path, looks.sheet(run.game, run.inputs, run.batches.examples), looks.columns)
