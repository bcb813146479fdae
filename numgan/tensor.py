"""A value that remembers how it was computed, and the one loop that walks back and hands out gradients.

Backpropagation tells how much a number L, the loss, changes with each of the values that it was computed from: the gradient
of a value holds dL/d(element) for each of its elements. L's own is 1. Where y = f(x) and dL/dy is known, the derivative of f
alone gives dL/dx (the chain rule); where x is used in several places, a change of it reaches L through each, and dL/dx is the
sum of what they give. So one walk from L back to its inputs finds all gradients, and no op needs to know any other.

Read this first, then ops.py: there every operation stands beside its derivative.
"""

import itertools
from contextlib import contextmanager

import numpy as np

from .errors import InputError

_births = itertools.count()
_recording = True


class Tensor:
    """An array in a graph of computations.

    data           ndarray of floats; its dtype is kept by every op (float32 to train, float64 to check)
    grad           dL/d(data), an ndarray of the same shape and dtype, once `backward()` of a loss L has run; else None
    requires_grad  whether anybody wants that gradient
    born           a running number: whatever a value was computed from has a smaller one
    parents        one pair (parent, vjp) per input that the value was computed from and that requires a gradient:

        matmul(a, b)  ──parents──▶  (a, g ↦ g Bᵀ)
                                    (b, g ↦ Aᵀ g)

    A vjp (vector-Jacobian product) maps dL/d(this value) to the part of dL/d(parent) that flows through this op.

    Raises InputError if `data` is not of a floating-point dtype.
    """

    __slots__ = ("__weakref__", "born", "data", "grad", "parents", "requires_grad")
    __array_ufunc__ = None  # lets `ndarray * tensor` reach Tensor.__rmul__ instead of looping over elements

    def __init__(self, data, *, requires_grad=False):
        self.data = np.asarray(data)
        if not np.issubdtype(self.data.dtype, np.floating):
            raise InputError(f"Tensor: expected floating-point data, got {self.data.dtype}; use .astype(np.float32)")
        self.grad = None
        self.requires_grad = requires_grad
        self.parents = ()
        self.born = next(_births)

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    dtype = property(lambda self: self.data.dtype)

    @property
    def op(self):
        """Name of the op that made this value: the function its vjps were written in ("" for a leaf)."""
        return self.parents[0][1].__qualname__.partition(".")[0] if self.parents else ""

    def __repr__(self):
        origin = f", from {self.op}" if self.op else ", requires_grad=True" if self.requires_grad else ""
        value = np.array2string(self.data, separator=", ", prefix="Tensor(") if self.size <= 12 else f"shape {self.shape}"
        return f"Tensor({value}, {self.dtype}{origin})"

    def __len__(self):
        return len(self.data)

    def item(self):
        """The value as a Python float; only for tensors with one element."""
        return self.data.item()

    def detach(self):
        """The same value without its history: no gradient flows through it."""
        return Tensor(self.data)

    def backward(self, grad=None):
        """Add dL/d(leaf) to the `grad` of every leaf that this value L was computed from.

        Starts from `grad` = dL/dL = 1; pass an array of L's shape to start from another upstream gradient.
        The graph is released on the way, so that its arrays can be freed at once.

        Raises InputError if L is not a single number and no `grad` is given, if L depends on nothing that requires
        a gradient, and if a part of the graph has been released by an earlier `backward()`.
        """
        if not self.requires_grad:
            raise InputError("backward: this tensor depends on nothing that requires a gradient (detached or no_grad?)")
        if grad is None:
            if self.size != 1:
                raise InputError(f"backward: starts from one number, the loss; this tensor has shape {self.shape}: "
                                 "reduce it with .sum() or .mean(), or pass the upstream gradient")
            grad = np.ones_like(self.data)
        nodes = self._history()
        _add_gradient(self, np.array(grad), "backward", self.data)

        while nodes:  # youngest first: all contributions to a node's gradient come from younger nodes
            node = nodes.pop()
            for parent, vjp in node.parents:  # the chain rule
                _add_gradient(parent, _like(vjp(node.grad), parent), node.op, node.grad)
            if node.parents:
                node.parents = node.grad = None

    def _history(self):
        """Every tensor that this one was computed from, itself included, oldest first.

        An input is always born before what is computed from it, so sorting by birth sorts the graph.
        """
        seen, stack = {id(self): self}, [self]
        while stack:
            node = stack.pop()
            if node.parents is None:
                raise InputError(
                    "backward: this graph has been used already. backward() releases a graph as it walks through it, "
                    "to free its memory; compute the forward pass again, or add the losses and call backward() once")
            for parent, _ in node.parents:
                if parent.born > node.born:
                    raise InputError(f"backward: {node.op} was computed before an optimiser moved {parent.name}, and its "
                                     "derivative belongs to the old value; compute the forward pass again")
                if id(parent) not in seen:
                    seen[id(parent)] = parent
                    stack.append(parent)
        return sorted(seen.values(), key=lambda node: node.born)

    def first_nonfinite(self):
        """Where the first inf or NaN on the way to this value arose, as text ("exp of shape (3,)"), or "" if nowhere."""
        for node in self._history():
            if not np.isfinite(node.data).all():
                return f"{node.op or getattr(node, 'name', 'an input')} of shape {node.shape}"
        return ""


class Parameter(Tensor):
    """A leaf that is trained. `name` says where in a network it sits, as "2_Conv2D.w"."""

    __slots__ = ("name",)

    def __init__(self, data, name="parameter"):
        super().__init__(data, requires_grad=True)
        self.name = name

    def moved(self):
        """To be called when `data` has changed: what was computed from the old value is then known to be stale."""
        self.born = next(_births)


def _add_gradient(tensor, g, op, upstream):
    """tensor.grad += g, out of place: `g` may be the very array that another tensor got (`add` gives it to both)."""
    if g.shape != tensor.shape or g.dtype != tensor.dtype:
        raise TypeError(f"{op}: gradient is {g.dtype} {g.shape}, its tensor is {tensor.dtype} {tensor.shape}")
    if tensor.grad is not None:
        g = np.asarray(tensor.grad + g)
    elif tensor.parents == () and np.may_share_memory(g, upstream):
        g = g.copy()  # a leaf's gradient belongs to the user: no other one may change with it
    tensor.grad = g


def _like(value, tensor):
    """value as an array; a single number takes the tensor's dtype, since NumPy 1 computes those in float64."""
    return np.asarray(value) if np.ndim(value) else np.asarray(value, tensor.dtype)


def from_op(value, *inputs):
    """The result of an op: its value, and one pair (tensor, vjp) per input.

    An input that needs no gradient is dropped here, and with it its vjp and the arrays that the vjp captured. Constants,
    frozen parameters, detached values and no_grad are all this one filter, and no op has to think of them.
    """
    y = Tensor(_like(value, inputs[0][0]))
    if any(tensor.dtype != y.dtype for tensor, _ in inputs):
        raise TypeError(f"an op on {[str(tensor.dtype) for tensor, _ in inputs]} made {y.dtype}: ops must keep the dtype")
    if _recording:
        y.parents = tuple(pair for pair in inputs if pair[0].requires_grad)
        y.requires_grad = bool(y.parents)
    return y


def as_tensor(x, dtype=None):
    """x itself if it is a Tensor, else a constant; a plain number takes `dtype`."""
    if isinstance(x, Tensor):
        return x
    return Tensor(np.asarray(x, dtype) if np.ndim(x) == 0 else x)


@contextmanager
def no_grad():
    """Within this block nothing is recorded: values only, and no memory for a backward pass."""
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before
