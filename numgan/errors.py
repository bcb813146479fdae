"""The one error that numgan raises for bad input, and two checks that many modules share.

This is the last module: now read the tests, from tests/proof/README.md.
"""

import numpy as np


class InputError(ValueError):
    """Bad input. The message is one line, whatever the input holds: what was expected, what was given instead, and where.

    The scripts in `demos/` print it without a traceback. A mistake that NumPy reports itself, such as shapes that do not
    broadcast, keeps NumPy's exception. Any other exception is a bug in numgan and keeps its traceback.
    """

    def __init__(self, message):
        super().__init__("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message))


def check_positive(where, *, pairs=False, **values):
    """InputError unless every value is a positive integer, or with `pairs` a pair of such."""
    for name, value in values.items():
        numbers = value if pairs and np.shape(value) == (2,) else (value,)
        if not all(isinstance(v, (int, np.integer)) and v > 0 for v in numbers):
            raise InputError(f"{where}: expected a positive integer{' or a pair' if pairs else ''} as {name}, got {value!r}")


def check_rng(where, rng):
    """InputError unless rng is a numpy.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        raise InputError(f"{where}: expected rng=numpy.random.default_rng(seed), got {rng!r:.80}")


def described(x):
    """An array's dtype and shape, or another value's type, for a message."""
    return f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
