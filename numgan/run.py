"""A run: a game, its batches, its history and its folder; how a checkpoint holds them, and how a run is resumed.

`Run` does not depend on the kind of game, on what a batch holds or on what a sheet shows: see games/game.py, batches.py and
games/looks.py. Only `_game` knows some games by name, to read the checkpoints of earlier versions. Read training.py next: the
loop that plays a run.
"""

import math
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import checkpoint, games, plotting
from .errors import InputError
from .games.dcgan import ConvolutionalGAN
from .games.gan import GAN
from .memory import check_memory
from .network import load_arrays


class Run:
    """A game in training: all that a checkpoint holds.

    out      the folder for its files
    about    what else the checkpoint records, as JSON values (where the images come from, ...)
    history  one dict per step: "step" and the figures that game.step returned
    saved    the path of its latest checkpoint, None before the first
    inputs   what all sample sheets of the run are drawn from
    draw     draw(path, run) makes a sample sheet

    Raises InputError if the game cannot be played with these batches. Only `save` and training.train write files.
    """

    def __init__(self, game, batches, out, about=None, draw=None):
        check_memory(batches.size * game.bytes_per_item(), f"batches of {batches.size}")
        game.check(*batches.first())
        check_saveable(game)
        for rng in game.rng, batches.rng:
            if not isinstance(rng.bit_generator, np.random.PCG64):  # the kind that load makes
                raise InputError(f"Run: expected rng=numpy.random.default_rng(seed), got {type(rng.bit_generator).__name__}")
        self.game, self.batches, self.out, self.names = game, batches, Path(out), game.state().keys()
        self.about = checkpoint.as_saved(about or {}, "Run: about")
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

    def save(self):
        """Write the checkpoint. If a parameter, buffer or moment is not finite: FloatingPointError, and the old one stays.

        InputError if the game's state has lost or gained an array since the run began: it could not be loaded again.
        """
        state = self.game.state()
        if changed := sorted(state.keys() ^ self.names):
            raise InputError(f"{type(self.game).__name__}: expected the same arrays as when the run began, got other "
                             f"{', '.join(changed):.200}; change an array in place, as in k[...] = 0, so that it stays one")
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise FloatingPointError(f"{name} is not finite")
        arrays = {f"game.{name}": array for name, array in state.items()}
        columns = list(self.history[0]) if self.history else []
        arrays |= {"z": self.inputs, "history": np.array([[row[c] for c in columns] for row in self.history], np.float64)}
        own = self.batches.rng.bit_generator is not self.game.rng.bit_generator  # if not, one serves both, and is saved once
        about = {"game": type(self.game).__name__, "settings": self.game.settings, "batch": self.batches.size,
                 "rng": {"game": self.game.rng.bit_generator.state,
                         "batches": self.batches.rng.bit_generator.state if own else None},
                 "columns": columns, "run": self.about}
        checkpoint.save(self.path, about, arrays)
        self.saved = self.path

    @classmethod
    def load(cls, path, batches, out, about=None, draw=None):
        """The run that `save` wrote. Resumed, it gives bit for bit the same results as without the interruption.

        `batches` must be made like those of the saved run; the state of their rng is restored. If it was also the game's,
        they share it again. `about` replaces what the checkpoint records.

        Raises InputError if the file is not a complete checkpoint of a game that this version knows.
        """
        saved, arrays = _load(path)
        size, rng = batches.size, batches.rng
        with intact(path):
            if not isinstance(saved["run"], dict):
                raise InputError(f"expected a dict of what the run records, got {saved['run']!r:.80}")
            if size != saved["batch"]:
                raise InputError(f"expected batches of {saved['batch']} items, as in the saved run, got {size}")
            shared = saved["rng"]["batches"] is None
            game = _game(saved, arrays, rng if shared else np.random.default_rng())
            if not shared:
                rng.bit_generator.state = saved["rng"]["batches"]
        with intact(path, signs=()):
            run = cls(game, batches, out, about or saved["run"], draw)
        with intact(path):
            load_arrays({"z": run.inputs}, {"z": arrays["z"]}, "sample sheets")
            run.history = _history(saved["columns"], arrays["history"], game.looks)
            run.saved = Path(path)
        return run


def check_saveable(game):
    """InputError if a checkpoint of this game could not be loaded again, or would lack a part of it."""
    kind = type(game).__name__
    if games.GAMES.get(kind) is not type(game):
        raise InputError(f"{kind}: expected a game that can be loaded again: first numgan.games.GAMES[{kind!r}] = {kind}")
    checkpoint.as_saved(game.settings, f"{kind}: settings")
    for name, value in vars(game).items():
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple, set)) else ()
        if any(hasattr(part, "state") or isinstance(part, np.ndarray) for part in parts):
            raise InputError(f"{kind}.{name}: expected networks, optimisers and arrays as attributes of their own, which are "
                             f"saved; got a {type(value).__name__} of them, which is not")


def _history(columns, rows, looks):
    """One dict per row. InputError unless the columns are a step, counted from 1, and at least all figures to be shown."""
    needed = {"step"} | looks.figures()
    if len(rows) and not (isinstance(columns, list) and columns[0] == "step" and len(set(columns)) == len(columns)
                          and needed <= set(columns) and all(str(name).isprintable() for name in columns)):
        names = ", ".join(sorted(needed - {"step"}))
        raise InputError(f"expected a history with the columns step, {names}, got {columns!s:.80}")
    if rows.dtype != np.float64 or (len(rows) and not np.array_equal(rows[:, 0], np.arange(1, len(rows) + 1))):
        raise InputError("expected a history with a row for each step, got other rows")
    return [dict(zip(columns, row, strict=True)) | {"step": int(row[0])} for row in rows.tolist()]


def _load(path):
    """(about, arrays) of a run's checkpoint."""
    about, arrays = checkpoint.load(path)
    if "game" not in about:
        raise InputError(f"{path}: expected a run's checkpoint, got a saved {about.get('network', about)!r:.80}")
    return about, arrays


def load_game(path):
    """The game in a checkpoint, ready to sample from. Raises InputError if the file is not a complete checkpoint."""
    about, arrays = _load(path)
    with intact(path):
        return _game(about, arrays, np.random.default_rng())


def load_record(path):
    """(game, history, images, about) in a checkpoint: images, how many items the run has seen; about, what else it records.

    Raises InputError as load_game.
    """
    saved, arrays = _load(path)
    with intact(path):
        game = _game(saved, arrays, np.random.default_rng())
        history = _history(saved["columns"], arrays["history"], game.looks)
        return game, history, len(history) * int(saved["batch"]), dict(saved["run"])


def continued(run, may_differ=()):
    """The run whose checkpoint is in this new run's folder, or the new run itself if there is none.

    Raises InputError if the saved run differs in its game, in the game's settings, or in `about`. In `about`, the names in
    `may_differ` may differ, and the new run's values apply.
    """
    if not run.path.exists():
        return run
    found = Run.load(run.path, run.batches, run.out, draw=run.draw)
    wanted, saved = ({"game": type(game).__name__, **checkpoint.as_saved(game.settings, "settings")}
                     for game in (run.game, found.game))
    same_run(run.path, wanted, saved)
    same_run(run.path, dict.fromkeys(found.about) | run.about, found.about, may_differ)
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
    if missing := defaults.keys() - (about if isinstance(about, dict) else ()):
        raise InputError(f"{path}: expected a run of this script, got one that does not record {', '.join(sorted(missing))}")
    for name, value in defaults.items():
        if value is not None and not isinstance(about[name], type(value)):
            raise InputError(f"{path}: expected a run whose {name} is a value like {value!r}, got {about[name]!r:.80}")
    for name in options.keys() - set(may_differ):
        if name not in about or options[name] != about[name]:
            raise InputError(f"--{name.replace('_', '-')} {options[name]}: the run in {path} was started with "
                             f"{about.get(name, 'the default')!s:.40}, which cannot be changed")
    return about | options


class Rationed(np.random.Generator):
    """Draws initial weights, `left` numbers at most: a checkpoint whose settings ask for far more than it holds is refused.

    Otherwise networks of any size would be built before they are compared with the arrays that are there. Somewhat more may be
    right: a `build` need not keep all that it draws.
    """

    left = math.inf

    def _take(self, size):
        self.left -= math.prod(np.atleast_1d(1 if size is None else size).tolist())
        if self.left < 0:
            raise InputError("expected settings that suit the arrays, got settings of larger networks")

    def uniform(self, low=0.0, high=1.0, size=None):
        """As NumPy's."""
        self._take(size)
        return super().uniform(low, high, size)

    def normal(self, loc=0.0, scale=1.0, size=None):
        """As NumPy's."""
        self._take(size)
        return super().normal(loc, scale, size)

    def standard_normal(self, size=None, *args, **options):
        """As NumPy's."""
        self._take(size)
        return super().standard_normal(size, *args, **options)


FORMER_SETTINGS = {  # with the one value that they could have
    "LSGAN": {"objective": "non-saturating"}, "MixtureLSGAN": {"objective": "non-saturating"},
    "BEGAN": {"objective": "reconstruction", "real_label": 1.0}}
FORMER_DEFAULTS = {"dropout": 0.3, "categories": 0}  # of ConvolutionalGAN's settings that an earlier version did not record


def _game(about, arrays, rng):
    """The game that a checkpoint describes, even if an earlier version wrote it."""
    former = FORMER_SETTINGS.get(about["game"], {}).items()
    settings = {name: value for name, value in about["settings"].items() if (name, value) not in former}
    kind = games.GAMES.get(about["game"], object)
    if issubclass(kind, GAN):
        arrays = {name.replace("game.sampler.", "game.g_average."): array for name, array in arrays.items()}  # its former name
    if issubclass(kind, ConvolutionalGAN):
        settings = FORMER_DEFAULTS | settings
    if issubclass(kind, GAN) and not any(name.startswith("game.g_average.") for name in arrays):
        settings.setdefault("average", None)
    for name, value in settings.items():
        if isinstance(value, int) and abs(value) >= 2**63:
            raise InputError(f"expected a number below 2⁶³ as {name:.40}, got a larger one")
    rationed = Rationed(rng.bit_generator)
    rationed.left = 10**6 + 10 * sum(array.size for array in arrays.values())
    game = games.build(about["game"], settings, rationed)
    rationed.left = math.inf
    saved = {name.removeprefix("game."): array for name, array in arrays.items() if name.startswith("game.")}
    for name, array in saved.items():
        if name.endswith(".t") and not ((array >= 0) & (array < 2**53)).all():
            raise InputError(f"{name}: expected a number of steps >= 0, got {array.min()} … {array.max()}")
    if "g_average.t" in game.state():  # earlier versions' averages had no warm-up: it is over
        saved.setdefault("g_average.t", np.array(2**52))
    game.load_state(saved)
    rng.bit_generator.state = about["rng"]["game"]
    return game


@contextmanager
def intact(path, signs=(AttributeError, LookupError, MemoryError, TypeError, ValueError, OverflowError)):
    """A block in which InputErrors name the checkpoint, and `signs` of a missing or mistyped entry become such errors."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error!s:.400}") from None  # a file may hold any text
    except signs as error:
        problem = f"{type(error).__name__}: {error!s:.200}"
        raise InputError(f"{path}: expected a complete checkpoint, got one that raises {problem}") from error


def draw_sheet(path, run):
    """Draw the default sample sheet: that of the game's looks."""
    looks = run.game.looks
    plotting.save_sheet(path, looks.sheet(run.game, run.inputs, run.batches.examples), looks.columns)
