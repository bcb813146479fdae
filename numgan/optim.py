"""Optimisers: what to do with a gradient. Each owns the parameters that it was given, and moves no others.

`minimize(loss)` is one training step: forget old gradients, walk back from the loss, move the parameters. The walk also leaves
a gradient in every other leaf of the loss that is not frozen. This file also has a schedule for the learning rate, and the
moving average of a network's weights. Read network.py next.
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from .errors import InputError
from .tensor import Parameter

BLOCK = 65536  # elements that are updated at a time: a few such arrays fit into a core's cache


class Optimizer:
    """What all optimisers share: the parameters, their state (`moments` arrays per parameter) and the number of steps t.

    `lr` is a number or a schedule, a function from the number of steps done to the learning rate, such as LinearDecay.
    """

    def __init__(self, parameters, lr, *, moments, **ranges):
        self.parameters, self.lr = list(parameters), lr
        self.t = np.zeros((), np.int64)  # an array, since it is part of the state
        for p in self.parameters:
            if not isinstance(p, Parameter):
                raise InputError(f"{type(self).__name__}: expected Parameters, such as network.parameters(), "
                                 f"got {type(p).__name__}")
        if not self.parameters or len(set(self.parameters)) < len(self.parameters):
            raise InputError(f"{type(self).__name__}: expected at least one parameter, and each once, "
                             f"got {[p.name for p in self.parameters]}")
        for name, (value, low, high) in {"lr": (self.rate, 0, np.inf), **ranges}.items():
            self.check_range(name, value, low, high)
        self.moments = [[np.zeros(p.shape, p.dtype) for p in self.parameters] for _ in range(moments)]

    @property
    def rate(self):
        """The learning rate of the next step."""
        return self.lr(int(self.t)) if callable(self.lr) else self.lr

    def check_range(self, name, value, low, high):
        """InputError unless low <= value < high."""
        if not low <= value < high:
            raise InputError(f"{type(self).__name__}: expected {low} <= {name} < {high}, got {value}")

    def minimize(self, loss):
        """One step down the gradient of `loss` (a Tensor with one element). Gradients stay readable until the next.

        Raises FloatingPointError, before any parameter has moved, if the loss or a gradient is not finite.
        """
        if loss.size == 1 and not np.isfinite(loss.item()):  # backward refuses any other size
            raise FloatingPointError(f"the loss is {loss.item()}; the first value that is not finite: {loss.first_nonfinite()}")
        for p in self.parameters:
            p.grad = None
        loss.backward()
        self.step()

    def step(self):
        """Move every parameter by its `grad`.

        Before any has moved, raises InputError if a gradient is missing or does not have its parameter's shape and dtype, and
        FloatingPointError if one is not finite; both name the parameter.
        """
        for p in self.parameters:
            if p.grad is None:
                raise InputError(f"{type(self).__name__}: no gradient reached {p.name} {p.shape}: "
                                 "is it part of the loss, was it frozen, has backward() run?")
            if (p.grad.shape, p.grad.dtype) != (p.shape, p.dtype):
                raise InputError(f"{type(self).__name__}: expected the gradient of {p.name} as {p.dtype} {p.shape}, "
                                 f"got {p.grad.dtype} {p.grad.shape}")
            if not np.isfinite(p.grad).all():
                raise FloatingPointError(f"the gradient of {p.name} {p.shape} is not finite")
            p.data = np.require(p.data, requirements="CW")  # so that the blocks below are views of it, and can change
        rate = self.rate
        self.check_range("lr", rate, 0, np.inf)
        self.t += 1
        for p, *state in zip(self.parameters, *self.moments, strict=True):
            arrays = [a.reshape(-1) for a in (p.data, p.grad, *state)]
            for i in range(0, p.size, BLOCK):
                self.update(rate, *(a[i:i + BLOCK] for a in arrays))
            p.moved()

    def state(self):
        """Name -> array (no copy): the step number, and each parameter's moments. A second parameter "w" is named "w#2"."""
        names = [p.name for p in self.parameters]
        names = [f"{name}#{names[:i].count(name) + 1}" if name in names[:i] else name for i, name in enumerate(names)]
        return {"t": self.t} | {f"{name}.moment{i}": moment for i, moments in enumerate(self.moments, 1)
                                for name, moment in zip(names, moments, strict=True)}


class SGD(Optimizer):
    """v ← μ v + g,  θ ← θ - lr v  (Sutskever et al. 2013, in PyTorch's form). lr >= 0, 0 <= momentum μ < 1.

    v, the velocity, is the sum of all gradients so far, each step keeping the share μ of the old sum: where gradients agree,
    steps grow, and where their signs alternate, they cancel. (Adam's v, below, is a mean of squares.)
    """

    def __init__(self, parameters, lr: float | Callable[[int], float] = 0.01, *, momentum=0.0):
        super().__init__(parameters, lr, moments=1, momentum=(momentum, 0, 1))
        self.momentum = momentum

    def update(self, rate, theta, g, v):
        """One block, in place."""
        v *= self.momentum
        v += g
        theta -= rate * v


class Adam(Optimizer):
    """Kingma & Ba 2015, Algorithm 1:  m ← β1 m + (1 - β1) g,   v ← β2 v + (1 - β2) g²,

        θ ← θ - lr m̂ / (√v̂ + eps)  with  m̂ = m / (1 - β1ᵗ),  v̂ = v / (1 - β2ᵗ).

    The moments start at 0 and so are too small at first: m is the sum of (1 - β1) β1ᵗ⁻ⁱ gᵢ over the steps i = 1 … t, and
    these weights add up to 1 - β1ᵗ. Divided by that, it is a weighted mean of the gradients; likewise v, of their squares.
    lr >= 0, 0 <= β < 1, eps >= 0.
    """

    def __init__(self, parameters, lr: float | Callable[[int], float] = 0.001, *, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(parameters, lr, moments=2, beta1=(beta1, 0, 1), beta2=(beta2, 0, 1), eps=(eps, 0, np.inf))
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def update(self, rate, theta, g, m, v):
        """One block, in place. The comments give the line of Algorithm 1, counted from the t ← t + 1 of its loop.

        Numerator and denominator of line 7 are both multiplied by root = √(1 - β2ᵗ): then √v̂ root = √v, and lines 5 and 6,
        m̂ and v̂, need no arrays of their own.
        """
        t = int(self.t)  # 1, in step()
        root = (1 - self.beta2**t) ** 0.5
        m *= self.beta1  # 3: m ← β1 m + (1 - β1) g
        change = g * (1 - self.beta1)
        m += change
        np.multiply(g, g, out=change)  # 4: v ← β2 v + (1 - β2) g²
        change *= 1 - self.beta2
        v *= self.beta2
        v += change
        np.sqrt(v, out=change)  # 6, 7: (√v̂ + eps) root
        change += self.eps * root
        np.divide(m, change, out=change)
        change *= rate * root / (1 - self.beta1**t)  # 5, 7: lr m̂ root / ((√v̂ + eps) root)
        theta -= change  # 7: θ ← θ - lr m̂ / (√v̂ + eps)


class LinearDecay:
    """A schedule: the learning rate is lr for the first hold · steps steps, then falls linearly to 0.

    Raises InputError unless steps > 0 and 0 <= hold < 1.
    """

    def __init__(self, lr, steps, *, hold=0.5):
        if not (steps > 0 and 0 <= hold < 1):
            raise InputError(f"LinearDecay: expected steps > 0 and 0 <= hold < 1 (lr_steps and lr_hold of a game), "
                             f"got {steps} and {hold}")
        self.lr, self.steps, self.hold = lr, steps, hold

    def __call__(self, t):
        """The learning rate after t steps."""
        return self.lr * min(1, max(0, (1 - t / self.steps) / (1 - self.hold)))


class MovingAverage:
    """`network`: a copy of a network whose parameters and buffers are averages over the steps (Yazici et al. 2019).

    Update t keeps a share of the average, mean ← share mean + (1 - share) value, with share = min(decay, (1 + t) / (10 + t)).
    In the long run that is decay: after n more updates, a value's weight has fallen to decayⁿ of what it was. Early on it is
    less, as in TensorFlow's ExponentialMovingAverage, so that the random initial weights fade within a few steps. Raises
    InputError unless 0 < decay < 1.
    """

    def __init__(self, network, decay):
        if not 0 < decay < 1:
            raise InputError(f"MovingAverage: expected 0 < decay < 1 (average of a game), got {decay!r}")
        self.followed, self.decay, self.network = network, decay, deepcopy(network)
        self.t = np.zeros((), np.int64)  # updates done; an array, since it is part of the state

    def update(self):
        """Move the averages towards the followed network's present values."""
        self.t += 1
        share = min(self.decay, (1 + int(self.t)) / (10 + int(self.t)))
        for mean, array in zip(self.network.state().values(), self.followed.state().values(), strict=True):
            if array.dtype.kind == "f":
                mean += (1 - share) * (array - mean)
            else:
                mean[...] = array  # a counter has no mean
        for p in self.network.parameters():
            p.moved()

    def state(self):
        """Name -> array (no copy): the number of updates and the averages."""
        return {"t": self.t} | self.network.state()
