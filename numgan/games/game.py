"""What a run needs from any game: networks, optimisers, a step, a state, and something to show.

Nothing here depends on how many networks there are or what a batch holds, and training.py relies on nothing else.
tests/test_own_game.py adds a game with two generators and two discriminators. Read gan.py next: Algorithm 1.
"""

from dataclasses import dataclass, fields

import numpy as np

from ..errors import InputError, check_rng
from ..memory import keep_freed_memory
from ..network import Layer, load_arrays, values_per_item


@dataclass(kw_only=True, eq=False, repr=False)
class Game:
    """A game that `training.train` can play. A subclass is a dataclass as well, and defines `build`, `check` and `step`.

    Its fields are its settings: values that JSON can hold, from which a checkpoint rebuilds the game. (eq=False: two games with
    the same settings are not the same.) `build` makes the networks, the optimisers and the `looks` (what a run shows of the
    game: looks.py), and keeps them as attributes. Every attribute that is an array or has a `state()` is saved and restored
    under its name.

    dtype   "float32" to train, "float64" to check
    rng     numpy.random.Generator: for the initial weights, and for everything random in a step
    """

    dtype: str = "float32"
    rng: np.random.Generator

    batch_size = 32  # the default
    last_step = None  # the number of steps after which the game can learn no more, or None

    def __post_init__(self):
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"{type(self).__name__}: expected dtype float32 or float64, got {self.dtype!r}")
        check_rng(type(self).__name__, self.rng)
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, np.generic):  # a resumed game must compute with the same: JSON holds Python's numbers
                setattr(self, setting.name, value.item())
        keep_freed_memory()
        try:
            self.build()
        except InputError as error:
            raise InputError(f"{type(self).__name__}: {error}") from None

    def build(self):
        """Make what the game is played with, from the settings and `rng`. Raises InputError if a setting is out of range."""
        raise NotImplementedError

    def check(self, *batch):
        """InputError unless `step` can take this batch. It changes no network and draws no random number."""

    def step(self, *batch):
        """One round of the game with one batch (see batches.py). Returns its figures (numbers to log), name -> float."""
        raise NotImplementedError

    @property
    def settings(self):
        """The arguments, except rng, that rebuild this game. NumPy's numbers have become Python's."""
        return {setting.name: getattr(self, setting.name) for setting in fields(self) if setting.name != "rng"}

    def networks(self):
        """Name -> network."""
        return {name: part for name, part in vars(self).items() if isinstance(part, Layer)}

    def bytes_per_item(self):
        """How much memory a step takes for each item of its batch, roughly: values, gradients and patches of all layers."""
        return 4 * np.dtype(self.dtype).itemsize * sum(map(values_per_item, self.networks().values()))

    def state(self):
        """Name -> array (no copy): parameters, buffers, moments, averages, counters; not `rng`."""
        parts = {name: part.state() for name, part in vars(self).items() if hasattr(part, "state")}
        own = {name: part for name, part in vars(self).items() if isinstance(part, np.ndarray)}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()} | own

    def load_state(self, state):
        """Copy in what `state()` of an equal game returned. InputError if it does not fit; then nothing has changed."""
        load_arrays(self.state(), state, type(self).__name__)
        for part in vars(self).values():
            network = getattr(part, "network", part)  # a moving average has one as well
            for p in network.parameters() if isinstance(network, Layer) else ():
                p.moved()
