"""Optimisers: what to do with a gradient. Each owns the parameters that it was given, and touches no others.

`minimize(loss)` is one training step: forget old gradients, walk back from the loss, move the parameters.
Read gradcheck.py next, then games/.
"""

import numpy as np

from .errors import InputError

BLOCK = 32768  # elements that are updated at a time: a few such arrays fit into a core's cache


class Optimizer:
    """Common to all: the parameters, their state (one array per parameter and name), the number of steps t."""

    def __init__(self, parameters, lr, **ranges):
        self.parameters, self.lr = list(parameters), lr
        self.t = np.zeros((), np.int64)  # an array, since it is part of the state
        if not self.parameters or len({id(p) for p in self.parameters}) < len(self.parameters):
            raise InputError(f"{type(self).__name__}: expected at least one parameter, and each once, "
                             f"got {[p.name for p in self.parameters]}")
        for name, (value, low, high) in {"lr": (lr, 0, np.inf), **ranges}.items():
            if not low <= value < high:
                raise InputError(f"{type(self).__name__}: expected {low} <= {name} < {high}, got {value}")

    def minimize(self, loss):
        """One step down the gradient of `loss` (a Tensor with one element). Gradients stay readable until the next.

        Raises FloatingPointError, before anything has changed, if the loss is not finite.
        """
        if not np.isfinite(loss.data).all():
            raise FloatingPointError(f"the loss is {loss.item()}; the first value that is not finite: {loss.first_nonfinite()}")
        for p in self.parameters:
            p.grad = None
        loss.backward()
        self.step()

    def step(self):
        """Move every parameter by its `grad`. Raises InputError, before any has moved, if one has none."""
        for p in self.parameters:
            if p.grad is None:
                raise InputError(f"{type(self).__name__}: no gradient reached {p.name} {p.shape}: "
                                 "is it part of the loss, was it frozen, has backward() run?")
        self.t += 1
        for p, *state in zip(self.parameters, *self.moments, strict=True):
            p.data = np.asarray(p.data, order="C")  # so that the blocks below are views of it
            arrays = [a.reshape(-1) for a in (p.data, p.grad, *state)]
            for i in range(0, p.size, BLOCK):
                self.update(*(a[i:i + BLOCK] for a in arrays))
            p.moved()

    def state(self):
        """Name -> array (no copy): the step number and every parameter's moments. InputError if two share a name."""
        if len({p.name for p in self.parameters}) < len(self.parameters):
            raise InputError(f"{type(self).__name__}.state: expected distinct names, got {[p.name for p in self.parameters]}")
        return {"t": self.t} | {f"{p.name}.moment{i}": moment for i, moments in enumerate(self.moments, 1)
                                for p, moment in zip(self.parameters, moments, strict=True)}

    def _zeros(self):
        return [np.zeros_like(p.data) for p in self.parameters]


class SGD(Optimizer):
    """v ← μ v + g,  θ ← θ - lr v  (Sutskever et al. 2013, in PyTorch's form). lr >= 0, 0 <= momentum μ < 1."""

    def __init__(self, parameters, lr=0.01, *, momentum=0.0):
        super().__init__(parameters, lr, momentum=(momentum, 0, 1))
        self.momentum = momentum
        self.moments = (self._zeros(),)

    def update(self, theta, g, v):
        """One block, in place."""
        v *= self.momentum
        v += g
        theta -= self.lr * v


class Adam(Optimizer):
    """Kingma & Ba 2015, Algorithm 1:  m ← β1 m + (1 - β1) g,   v ← β2 v + (1 - β2) g²,

        θ ← θ - lr m̂ / (√v̂ + eps)  with  m̂ = m / (1 - β1ᵗ),  v̂ = v / (1 - β2ᵗ).

    The moments start at 0 and so are too small at first: m is the sum of (1 - β1) β1ᵗ⁻ⁱ gᵢ over the steps i = 1 … t, and
    these weights add up to 1 - β1ᵗ. Divided by that, it is a weighted mean of the gradients; likewise v, of their squares.
    lr >= 0, 0 <= β < 1, eps >= 0.
    """

    def __init__(self, parameters, lr=0.001, *, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(parameters, lr, beta1=(beta1, 0, 1), beta2=(beta2, 0, 1), eps=(eps, 0, np.inf))
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.moments = (self._zeros(), self._zeros())

    def update(self, theta, g, m, v):
        """One block, in place. Numerator and denominator are multiplied by √(1 - β2ᵗ), which leaves v as it is."""
        t = int(self.t)
        root = (1 - self.beta2**t) ** 0.5
        m *= self.beta1
        change = g * (1 - self.beta1)
        m += change
        np.multiply(g, g, out=change)
        change *= 1 - self.beta2
        v *= self.beta2
        v += change
        np.sqrt(v, out=change)
        change += self.eps * root
        np.divide(m, change, out=change)
        change *= self.lr * root / (1 - self.beta1**t)
        theta -= change
