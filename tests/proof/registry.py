"""What a case is, and how its examples are drawn. cases.py lists them.

Hypothesis draws structure (shapes, strides, axes, options) and a seed; the seed's generator draws the values.
"""

import copy
import functools
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st


@dataclass
class Example:
    """One drawn case: float64 arrays, keyword options, and the seed for whatever a property draws on top."""

    inputs: list
    options: dict = field(default_factory=dict)
    seed: int = 0

    def copy(self):
        """The same numbers in arrays of their own, for a property that may be watching broken code."""
        return Example([x.copy() for x in self.inputs], copy.deepcopy(self.options), self.seed)

    def with_inputs(self, inputs):
        """The same options and seed."""
        return Example(inputs, self.options, self.seed)

    def __str__(self):
        return f"{' '.join(str(x.shape).replace(' ', '') for x in self.inputs)} seed {self.seed}"


@dataclass
class Case:
    """An op under test: Tensors -> Tensor, and the same in complex-safe NumPy.

    linear     the inputs in each of which the op is a linear map, for the dot-product identity
    moved      (rng, input) -> the input elsewhere: of another size, far from 0 (keeps_its_digits)
    unit       of the value and of the gradient: the size of the numbers whose difference they are, if they are one. 1 - y² is
               a difference of numbers of size 1, so an error of one last digit of 1 cannot be avoided
    """

    name: str
    op: callable
    reference: callable
    examples: st.SearchStrategy
    linear: tuple = ()
    moved: callable = None
    unit: tuple = (0, 0)


CASES = {}


@functools.cache
def drawn(name):
    """The examples of a case, drawn once for all properties and mutants: to draw takes longer than to look at them."""
    examples = []

    @given(CASES[name].examples)
    def draw(example):
        examples.append(example)

    draw()
    return examples


def moving(largest=np.inf):
    """Another size, from 1e-6 to 1e6, half of the time around 1, and half of the time a spread far below that size."""
    def move(rng, x):
        size = 10 ** (rng.uniform(-6, 6) if rng.random() < 0.5 else rng.uniform(-3, 2))
        size = min(size, largest / 5)
        if rng.random() < 0.5:
            return size * x
        sign = 1 if (x > 0).all() else rng.choice([-1, 1])
        return size * (sign + x * 10 ** rng.uniform(-4, -1))
    return move


ANYWHERE = moving()


def case(name, op, reference, linear=(), moved=ANYWHERE, unit=(0, 0)):
    """Registers a function draw -> (inputs or shapes, options); shapes are filled with standard normal numbers."""
    def register(build):
        @st.composite
        def examples(draw):
            seed = draw(st.integers(0, 2**32 - 1))
            inputs, options = build(draw)
            rng = np.random.default_rng(seed)
            inputs = [x(rng) if callable(x) else x if isinstance(x, np.ndarray) else rng.standard_normal(x) for x in inputs]
            return Example(inputs, options, seed)

        CASES[name] = Case(name, op, reference, examples(), linear, moved, unit)
        return build
    return register


def sides(low=0, high=4):
    """Lengths of axes."""
    return st.integers(low, high)


def shapes(low=0, dims=(0, 3)):
    """Shapes with axes of `low` to 4 elements."""
    return st.lists(sides(low), min_size=dims[0], max_size=dims[1]).map(tuple)


def positive(shape):
    """Values in 0.5 … 2, away from poles."""
    return lambda rng: rng.uniform(0.5, 2, shape)


def spread(shape):
    """Values whose every channel (last axis) has a variance away from 0, where difference quotients fail."""
    def values(rng):
        steps = np.linspace(-1, 1, int(np.prod(shape[:-1])))[:, None]
        return (rng.standard_normal((len(steps), shape[-1])) * 0.5 + steps).reshape(shape)
    return values


def apart(shape):
    """Values no two of which are nearly equal: where the largest two are, a maximum has a kink."""
    return lambda rng: rng.permutation(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape)
