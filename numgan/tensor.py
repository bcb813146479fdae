"""A value that remembers how it was computed, and the one loop that walks back and hands out gradients.

How much does a number L, the loss, change if a value that it was computed from changes a little? The gradient of that value
holds the answer, dL/d(element), for each of its elements. L's own is 1. If y = f(x) and dL/dy is known, only the derivative of
f is needed to find dL/dx: this is the chain rule. Where x is used in several places, a change in x reaches L through each of
them, and dL/dx is the sum of what they contribute. So one walk from L back to its inputs finds all gradients, and no op needs
to know about another. Take two leaves (values that no op computed), x = 3 and w = 2. A vjp, g ↦ …, is an op's derivative as a
function of the incoming gradient g:

    born   value             parents: pairs (parent, vjp)
      0    x = 3             none: a leaf
      1    w = 2             none: a leaf
      2    a = x · w = 6     (x, g ↦ 2 g)  (w, g ↦ 3 g)
      3    L = a · x = 18    (a, g ↦ 3 g)  (x, g ↦ 6 g)

`L.backward()` pops the youngest value first, with the gradient g that it has by then:

    L, g = 1     a gets 3 · 1 = 3       x gets 6 · 1 = 6
    a, g = 3     x gets 2 · 3 more: 12  w gets 3 · 3 = 9
    w, g = 9     a leaf keeps it        L = w x², so dL/dw = x² = 9
    x, g = 12    a leaf keeps it                     dL/dx = 2 w x = 12

When a value is popped, everything computed from it is younger and has been popped already: its g is complete. That is why
the tape, the list of values in the order of their birth, needs no topological sort. Read ops.py next: there every operation
stands beside its derivative.
"""

import functools
import itertools
import numbers
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError, described
from .refusing import Refusing

_births = itertools.count()
_no_grad = ContextVar("no_grad", default=0)  # how many no_grad blocks are open, counted for each thread


class Tensor(Refusing):
    """An array in a graph of computations.

    data           ndarray of floats, not copied: do not change an array after wrapping it, since vjps may read it later.
                   Every op keeps its dtype (float32 to train, float64 to check)
    grad           of a leaf that requires a gradient, once `backward()` of a loss L has run: dL/d(data), an array of its own
                   of the same shape and dtype. None before, and always for values that an op computed
    requires_grad  whether anybody wants that gradient
    born           a running number, larger than that of every value this one was computed from. If an optimiser
                   has updated one of these since, that one has a new, larger number, and `backward()` raises InputError
    parents        () for a leaf or a constant; None once `backward()` has walked through; else one pair (parent, vjp) per
                   input that the value was computed from and that requires a gradient:

        matmul(a, b)  ──parents──▶  (a, g ↦ g Bᵀ)
                                    (b, g ↦ Aᵀ g)

    captured       frozen parameters, to which no pair leads, but whose array a vjp may still read; and parameters whose
                   memory `data` shares (after a reshape). `backward()` raises InputError if one of these has been updated since

    A vjp (vector-Jacobian product) maps dL/d(this value) to the part of dL/d(parent) that flows through this op.
    `x += y` makes a new value, as it does for numbers; and x == y says whether they are the same object. Compare x.data.
    Copying or pickling a leaf makes a new leaf without gradient, born now; a value with a history is refused.

    Raises InputError if `data` is not of a floating-point dtype of at least 32 bits.
    """

    __slots__ = ("__weakref__", "born", "captured", "data", "grad", "parents", "requires_grad")
    grad: np.ndarray | None

    if TYPE_CHECKING:  # for editors: when it is imported, ops.py gives Tensor these operators and methods
        from . import ops
        __add__, __sub__, __mul__, __truediv__, __matmul__ = ops.add, ops.sub, ops.mul, ops.div, ops.matmul
        __radd__, __rsub__, __rmul__, __rtruediv__, __rmatmul__ = ops.add, ops.sub, ops.mul, ops.div, ops.matmul
        __neg__, __pow__, __getitem__ = ops.neg, ops.power, ops.getitem
        sum, mean, max, reshape, transpose = ops.sum, ops.mean, ops.max, ops.reshape, ops.transpose

    def __init__(self, data, *, requires_grad=False):
        self.data = np.asarray(data)
        if self.data.dtype.kind != "f" or self.data.dtype.itemsize < 4:
            raise InputError(f"Tensor: expected floating-point data of 32 bits or more, got {self.data.dtype}; "
                             "use .astype(np.float32)")
        if not self.data.dtype.isnative:  # big-endian, as some files are
            self.data = self.data.astype(self.data.dtype.newbyteorder("="))
        self.grad, self.requires_grad = None, requires_grad
        self.parents = self.captured = ()
        self.born = next(_births)

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    dtype = property(lambda self: self.data.dtype)

    @property
    def op(self):
        """Name of the op that made this value: the function its vjps were written in ("" for a leaf)."""
        vjp = self.parents[0][1] if self.parents else None
        return getattr(vjp, "__qualname__", type(vjp).__name__).partition(".")[0] if vjp else ""

    def __repr__(self):
        origin = f", from {self.op}" if self.op else ", requires_grad=True" if self.requires_grad else ""
        value = np.array2string(self.data, separator=", ", prefix="Tensor(") if self.size <= 12 else f"shape {self.shape}"
        return f"Tensor({value}, {self.dtype}{origin})"

    def __len__(self):
        return len(self.data)

    def __bool__(self):
        return bool(self.item())

    def __reduce__(self):
        if self.parents != ():
            raise InputError("a Tensor with a history cannot be copied or pickled: its vjps are functions; use .detach()")
        return functools.partial(Tensor, requires_grad=self.requires_grad), (self.data.copy(),)

    def item(self):
        """The value as a Python float; only for tensors with one element."""
        return self.data.item()

    __float__ = item

    def detach(self):
        """The same value without its history: no gradient flows through it."""
        with no_grad():
            return from_op(self.data, (self, None))  # no vjp: no_grad drops the pair

    def backward(self, grad=None):
        """Add dL/d(leaf) to the `grad` of every leaf that this value L was computed from.

        Starts from `grad` = dL/dL = 1; pass an array of L's shape to start from another upstream gradient.
        The graph is released on the way, so that its arrays can be freed at once. Leaves get their gradients at the end: if
        a vjp raises an exception, none has changed.

        Raises InputError if L is not a single number and no `grad` is given, if L depends on nothing that requires
        a gradient, if a part of the graph has been released by an earlier `backward()`, and if a parameter that the graph
        was computed from has been updated since.
        """
        if not self.requires_grad:
            raise InputError("backward: this tensor depends on nothing that requires a gradient (detached or no_grad?)")
        if grad is None:
            if self.size != 1:
                raise InputError(f"backward: starts from one number, the loss; this tensor has shape {self.shape}: "
                                 "reduce it with .sum() or .mean(), or pass the upstream gradient")
            grad = np.ones_like(self.data)
        tape, gradients = self._history(), {}
        _add_gradient(gradients, self, np.array(grad), "backward", grad)

        while tape:
            node = tape.pop()  # the youngest: nothing that is left was computed from it, so its gradient is complete
            if node.parents:
                g = gradients.pop(node)
                g.flags.writeable = False  # others may hold it as well: a vjp that changes it ends in an error
                for parent, vjp in node.parents:  # the chain rule
                    _add_gradient(gradients, parent, vjp(g), node.op, g)
                node.parents, node.captured = None, ()

        for leaf, g in gradients.items():
            leaf.grad = g if leaf.grad is None else np.asarray(leaf.grad + g)

    def _history(self):
        """The tape: every tensor that this one was computed from, itself included, oldest first.

        An input is always born before what is computed from it, so sorting by birth sorts the graph.
        """
        seen, stack = {self}, [self]
        while stack:
            node = stack.pop()
            if node.parents is None:
                raise InputError(
                    "backward: this graph has been used already. backward() releases a graph as it walks through it, "
                    "to free its memory; compute the forward pass again, or add the losses and call backward() once")
            for source in *(parent for parent, _ in node.parents), *node.captured:
                if source.born > node.born:
                    raise InputError(f"backward: {node.op} was computed before an optimiser moved {source.name}, and its "
                                     "derivative belongs to the old value; compute the forward pass again")
            for parent, _ in node.parents:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return sorted(seen, key=lambda node: node.born)

    def first_nonfinite(self):
        """Where the first inf or NaN arose among the values on the tape, as text ("exp of shape (3,)"), or "" if nowhere."""
        for node in self._history():
            if not np.isfinite(node.data).all():
                return f"{node.op or getattr(node, 'name', 'an input')} of shape {node.shape}"
        return ""


class Parameter(Tensor):
    """A leaf that is trained. `name` says where in a network it sits, such as "2_Conv2D.w".

    It requires a gradient if `trainable` is true (assigning to `requires_grad` sets it) and no `frozen()` block is open:
    `frozen` counts the open ones.
    """

    __slots__ = ("frozen", "name", "trainable")

    def __init__(self, data, name="parameter", *, requires_grad=True):
        self.frozen, self.name = 0, name
        super().__init__(data, requires_grad=requires_grad)

    requires_grad = property(lambda self: self.trainable and not self.frozen,
                             lambda self, wanted: setattr(self, "trainable", wanted))

    def __reduce__(self):
        return functools.partial(Parameter, requires_grad=self.trainable), (self.data.copy(), self.name)

    def moved(self):
        """To be called when `data` has changed: what was computed from the old value is then known to be stale."""
        self.born = next(_births)


def _add_gradient(gradients, tensor, g, op, upstream):
    """gradients[tensor] += g, out of place: `g` may be the very array that another tensor got (`add` gives it to both)."""
    if isinstance(g, (np.ndarray, numbers.Real)):  # anything else (None, a Tensor, a list) is refused below
        g = _like(g, tensor)
    if not isinstance(g, np.ndarray) or g.shape != tensor.shape or g.dtype != tensor.dtype:
        raise TypeError(f"{op}: expected a gradient of the input's dtype and shape, {tensor.dtype} {tensor.shape}, "
                        f"got {described(g)}")
    if tensor in gradients:
        g = np.asarray(gradients[tensor] + g)
    elif tensor.parents == () and (np.may_share_memory(g, upstream) or not g.flags.writeable):
        g = g.copy()  # a leaf's gradient belongs to the user: no other one may change with it
    gradients[tensor] = g


def _like(value, tensor):
    """value as an array; a single number takes the tensor's dtype, since NumPy 1 computes those in float64."""
    return np.asarray(value) if np.ndim(value) else np.asarray(value, tensor.dtype)


def from_op(value, *inputs):
    """The result of an op: its value, and one pair (tensor, vjp) per input. A vjp returns g, a view of g or a new array, and
    never changes g.

    An input that needs no gradient is dropped here, and with it its vjp and the arrays that the vjp captured. This one filter
    handles constants, frozen parameters, detached values and no_grad, and no op has to deal with them. The other vjps may still
    read a dropped parameter's memory: `captured` remembers it, so that `backward()` notices if it was updated.
    """
    y = Tensor(_like(value, inputs[0][0]))
    if any(tensor.dtype != y.dtype for tensor, _ in inputs):
        raise TypeError(f"an op on {[str(tensor.dtype) for tensor, _ in inputs]} made {y.dtype}: ops must keep the dtype")
    if not _no_grad.get():
        y.parents = tuple(pair for pair in inputs if pair[0].requires_grad)
        y.requires_grad = bool(y.parents)
    for tensor, _ in inputs:
        for p in (tensor,) if isinstance(tensor, Parameter) else tensor.captured:
            read_by_vjps = y.parents and not tensor.requires_grad
            if read_by_vjps or np.may_share_memory(p.data, y.data):
                y.captured += (p,)
    return y


def as_tensor(x, dtype=None, *, cast=False):
    """x itself if it is a Tensor, else a constant; a plain number takes `dtype`, and with `cast` an array does, too.

    An array is copied: a vjp may read it later, after its owner has changed it. To save the copy, wrap it in a Tensor.
    Raises InputError for what is neither an array of floats (with `cast`, of real numbers) nor a real number.
    """
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, numbers.Real) and np.asarray(x).dtype.kind not in "biuf":
        raise InputError(f"expected a Tensor, an array of real numbers or one such number, got {type(x).__name__}")
    return Tensor(np.array(x, dtype if cast or not np.ndim(x) else None))


@contextmanager
def no_grad():
    """Within this block, this thread records no graph: ops compute values only, and keep nothing for a backward pass."""
    _no_grad.set(_no_grad.get() + 1)
    try:
        yield
    finally:
        _no_grad.set(_no_grad.get() - 1)
