"""What a run needs of any game: networks, optimisers, a step, a state, and something to show.

Nothing here knows how many networks there are or what a batch holds, and training.py knows no more than this.
Read gan.py next: Algorithm 1.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from ..errors import InputError
from ..memory import keep_freed_memory
from ..network import Layer, load_arrays
from ..tensor import Tensor, no_grad


@dataclass(kw_only=True, eq=False, repr=False)
class Game:
    """A game that `training.train` can play. A subclass is a dataclass as well, and defines `build`, `check` and `step`.

    Its fields are its settings: values that JSON can hold, from which a checkpoint rebuilds the game. `build` makes the
    networks, the optimisers and the `looks`, and keeps them as attributes. What has a `state()`, and every array among the
    attributes, is saved and restored under its attribute's name.

    dtype   "float32" to train, "float64" to check
    rng     numpy.random.Generator: for the initial weights, and for everything random in a step
    """

    dtype: str = "float32"
    rng: np.random.Generator

    batch_size = 32  # of a minibatch, unless the user wants another
    last_step = None  # the number of steps after which nothing is left to learn, None if there is no such number

    def __post_init__(self):
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"{type(self).__name__}: expected dtype float32 or float64, got {self.dtype!r}")
        if not isinstance(self.rng, np.random.Generator):
            raise InputError(f"{type(self).__name__}: expected rng=numpy.random.default_rng(seed), got {self.rng!r}")
        keep_freed_memory()
        try:
            self.build()
        except InputError as error:
            raise InputError(f"{type(self).__name__}: {error}") from None

    def build(self):
        """Make what the game is played with, from the settings and `rng`. Raises InputError if a setting is out of range."""
        raise NotImplementedError

    def check(self, *batch):
        """InputError unless `step` can take this batch. Nothing else happens: no network moves, no number is drawn."""

    def step(self, *batch):
        """One round of the game with a batch as `batches` yields it. Returns its figures, name -> float."""
        raise NotImplementedError

    @property
    def settings(self):
        """The arguments, except rng, that rebuild this game."""
        return {setting.name: getattr(self, setting.name) for setting in fields(self) if setting.name != "rng"}

    def networks(self):
        """Name -> network."""
        return {name: part for name, part in vars(self).items() if isinstance(part, Layer)}

    def bytes_per_item(self):
        """How much memory a step takes for each item of its batch, roughly: values, gradients and patches of all layers."""
        shapes = [shape for network in self.networks().values() for shape in getattr(network, "output_shapes", [])]
        return 4 * np.dtype(self.dtype).itemsize * sum(math.prod(shape) for shape in shapes)

    def state(self):
        """Name -> array (no copy): parameters, buffers, moments, averages, counters. The generator `rng` is not among them."""
        parts = {name: part.state() for name, part in vars(self).items() if hasattr(part, "state")}
        own = {name: part for name, part in vars(self).items() if isinstance(part, np.ndarray)}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()} | own

    def load_state(self, state):
        """Copy what `state()` of an equal game returned. InputError if it differs, and then nothing has changed."""
        load_arrays(self.state(), state, type(self).__name__)
        for network in self.networks().values():
            for p in network.parameters():
                p.moved()


def evaluate(network, function, x, chunk=200):
    """function(x), an array, `chunk` rows at a time, while `network` is in eval mode and nothing is recorded."""
    with network.evaluating(), no_grad():
        return np.concatenate([function(Tensor(x[i:i + chunk])).data for i in range(0, max(len(x), 1), chunk)])
