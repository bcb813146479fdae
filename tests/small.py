"""Small tensors and networks for the tests of what must never be silently wrong."""

import numpy as np

import numgan as ng
from numgan import Tensor


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def net(*layers, shape=(3,), seed=0, **options):
    return ng.Sequential(*layers, input_shape=shape, rng=np.random.default_rng(seed), **options)


def batch(n=4, d=3, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def states(network):
    return {name: array.copy() for name, array in network.state().items()}
