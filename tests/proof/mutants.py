"""Planted faults: every derivative of the package broken on purpose, one at a time, in ways that people break them.

Generic mutants wrap one vjp (op, number of the input); textual ones replace a piece of one function's source. Both are
undone when the block ends. A replacement that no longer finds its text raises, so the list cannot go stale.
"""

import functools
import warnings
from dataclasses import dataclass

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from numgan import conv, embedding, losses, norm, ops, optim, residual, resize, tensor
from numgan.rewrite import rewritten

from . import graphs, optimisers, properties
from .cases import CASES
from .tape import from_op_replaced, name_of


def check_few(holds, *strategies):
    """holds(*examples) on a dozen drawn ones; whatever it raises comes out."""
    @settings(max_examples=12, phases=[Phase.generate], database=None, derandomize=True)
    @given(st.tuples(*strategies))
    def check(examples):
        holds(*examples)

    check()


def op_checks(name):
    """All properties of an op, the one that finds most first."""
    cases = [case for case in CASES.values() if case.name.partition(" (")[0] == name]  # "l1" and "l1 (target)"
    order = dict.fromkeys([properties.vjp_equals_complex_step, *properties.PROPERTIES])
    return [functools.partial(properties.demand, holds, case) for holds in order for case in cases
            if holds in properties.properties_of(case)]


@dataclass
class Mutant:
    """A fault: its name, the op under which the report counts it, a context that plants it, the checks to find it.

    `control` goes through the same motions and changes nothing: the checks must then pass.
    """

    name: str
    op: str
    plant: callable
    control: callable
    checks: list

    def found_by(self):
        """While the fault is in place, the first check that fails: its name and what it raised. None if all pass."""
        with self.plant(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=RuntimeWarning)  # broken code divides by zero, too
            for check in self.checks:
                try:
                    check()
                except Exception as exception:  # a comparison's AssertionError, or whatever broken code runs into
                    return property_of(check), exception
        return None

    def run_control(self, checks):
        """These checks, on a few examples each, going through the motions of the fault: they must pass."""
        with self.control():
            for check in checks:
                check(enough=3) if getattr(check, "func", None) is properties.demand else check()


def property_of(check):
    """The name of the property that a check looks at: the innermost function that has been bound to a case."""
    while isinstance(check, functools.partial):
        check = check.args[0] if check.func in (properties.demand, check_few) else check.func
    return check.__name__


# ---- generic mutants of every vjp


def one_element(g):
    """One wrong element in an array."""
    g = np.array(g)
    if g.size:
        g.flat[g.size // 2] += 1e-3 * np.abs(g).max()
    return g


def changes_upstream(vjp, g):
    """The right gradient, but g is not what it was."""
    result = vjp(g) + 0
    g *= 2
    return result


GENERIC = {
    "× 1.001": lambda vjp, g: vjp(g) * g.dtype.type(1.001),
    "sign": lambda vjp, g: -vjp(g),
    "zero": lambda vjp, g: vjp(g) * 0,
    "ignores g": lambda vjp, g: vjp(np.ones_like(g)),
    "one wrong element": lambda vjp, g: one_element(vjp(g)),
    "float32 inside": lambda vjp, g: vjp(g).astype(np.float32).astype(g.dtype),
    "changes g in place": changes_upstream,
}


def vjp_mutant(op, index, change):
    """The context in which vjp number `index` of `op` is change(vjp, g)."""
    def make(from_op):
        def broken(value, *inputs):
            inputs = list(inputs)
            if len(inputs) > index and name_of(inputs[index][1]) == op:
                parent, vjp = inputs[index]
                inputs[index] = parent, functools.wraps(vjp)(functools.partial(change, vjp))
            return from_op(value, *inputs)
        return broken
    return lambda: from_op_replaced(make)


@functools.cache
def all_vjps():
    """{(op, number of the input)} of every vjp that the registered cases run."""
    seen = set()

    def make(from_op):
        def recording(value, *inputs):
            seen.update((name_of(vjp), i) for i, (_, vjp) in enumerate(inputs))
            return from_op(value, *inputs)
        return recording

    with from_op_replaced(make):
        for case in CASES.values():
            properties.demand(properties.gradients_have_shape_and_dtype_of_inputs, case)
    return sorted(seen)


def generic_mutants():
    """Every change of every vjp."""
    return [Mutant(f"{op}, input {i}: {name}", op, vjp_mutant(op, i, change), vjp_mutant(op, i, lambda vjp, g: vjp(g)),
                   op_checks(op)) for op, i in all_vjps() for name, change in GENERIC.items()]


# ---- textual mutants


def textual(op, checks, *rewrites):
    """Mutants (function, old, new) of one op."""
    return [Mutant(f"{function.__qualname__}: {old} → {new or 'nothing'}", op,
                   functools.partial(rewritten, function, old, new), functools.partial(rewritten, function, old, old), checks)
            for function, old, new in rewrites]


ADAM = [functools.partial(check_few, optimisers.adam_equals_scalar_loop, st.integers(0, 999),
                          st.fixed_dictionaries(optimisers.ADAM)), optimisers.adam_s_corrections_never_end]
SGD = [functools.partial(check_few, optimisers.sgd_equals_scalar_loop, st.integers(0, 999), st.just(0.1), st.just(0.9))]


def textual_mutants():
    """What people get wrong in batch norm, convolution, losses, Adam and the tape."""
    graph = graphs.PROPERTIES
    convolution = [check for name in ("conv2d", "conv2d_transpose", "resize_conv2d") for check in op_checks(name)]
    return [
        *textual("batch_norm", op_checks("batch_norm"),
                 (norm.batch_norm, "dx = xhat * (column_dot(g, xhat) / -M)", "dx = xhat * 0"),
                 (norm.batch_norm, "/ -M", "/ M"),
                 (norm.batch_norm, "/ -M", "/ -(M - 1)"),
                 (norm.batch_norm, "dx -= column_sum(g) / M", "pass"),
                 (norm.batch_norm, "dx *= scale * inverse", "dx *= inverse"),
                 (norm.batch_norm, "dx *= scale * inverse", "dx *= scale"),
                 (norm.batch_norm, "dx *= scale * inverse", "dx *= scale / np.sqrt(variance)"),
                 (norm.batch_norm, "variance = column_dot(xhat, xhat) / M", "variance = column_dot(xhat, xhat) / (M - 1)"),
                 (norm.batch_norm, "column_dot(g.reshape(X.shape), xhat)", "column_dot(g.reshape(X.shape), X)"),
                 (norm.batch_norm, "column_sum(g.reshape(X.shape))", "column_sum(g.reshape(X.shape)) / M")),
        *textual("conv2d", convolution,
                 (conv.resolve_padding, "(p // 2, p - p // 2)", "(p - p // 2, p // 2)"),
                 (conv.im2col, "0, 1, 2, 4, 5, 3", "0, 1, 2, 5, 4, 3"),
                 (conv.im2col, "::strides[0], ::strides[1]", "::strides[1], ::strides[0]"),
                 (conv.im2col, "padded[:, top:top + rows", "padded[:, bottom:bottom + rows"),
                 (conv.col2im, "+= taps", "= taps"),
                 (conv.col2im, "x[:, top:top + h", "x[:, bottom:bottom + h"),
                 (conv.col2im, "taps[:, :, :, a, b]", "taps[:, :, :, kh - 1 - a, b]"),
                 (conv.scatter_product, "rows_times(kernels,", "rows_times(kernels[::-1],"),
                 (conv.scatter_product, "rows_times(g, kernels.T)", "rows_times(g, kernels[::-1].T)"),
                 (conv.mirror, "w[::-1, ::-1]", "w[::-1]"),
                 (conv.mirror, "w[::-1, ::-1]", "w"),
                 (conv.mirrored_padding, "(k - 1 - before, k - 1 - after)", "(k - 1 - after, k - 1 - before)"),
                 (conv.correlate_adjoint_w, "mirror(correlate_adjoint_w(g, x", "(correlate_adjoint_w(x, g")),
        *textual("max_pool2d", op_checks("max_pool2d"),
                 (conv.max_pool2d, "constant_values=-np.inf", "constant_values=0"),
                 (conv.max_pool2d, "x.shape[3])", "x.shape[3], order='F')"),
                 (conv.max_pool2d, "pool_size if strides is None", "1 if strides is None"),
                 (conv.max_pool2d, "g / largest.sum(3, dtype=g.dtype)", "g"),
                 (conv.max_pool2d, "windows == y", "windows >= np.abs(y)"),
                 (conv.col2im, "+= taps", "= taps")),
        *textual("softmax", op_checks("softmax"),
                 (losses.softmax, "y * (g - (g * y).sum(axis, keepdims=True))", "y * g"),
                 (losses.softmax, "y * (g - (g * y).sum(axis, keepdims=True))", "y * (g - g.sum(axis, keepdims=True))"),
                 (losses.softmax, "y * (g - (g * y).sum(axis, keepdims=True))", "g * y * (1 - y)"),
                 (losses.softmax, "(g * y).sum(axis, keepdims=True)", "(g * y).sum(-1, keepdims=True)"),
                 (losses.softmax, "exponentials.sum(axis, keepdims=True)", "exponentials.sum(-1, keepdims=True)")),
        *textual("resize_conv2d", op_checks("resize_conv2d"),
                 (resize.phase_sums, "(taps - 1) // 2", "taps // 2"),
                 (resize.phase_sums, "(-offset.min(), offset.max())", "(offset.max(), -offset.min())"),
                 (resize.phase_kernels, '"pma,qnb->mnpqab"', '"pma,qnb->mnqpab"')),
        *textual("depth_to_space", op_checks("depth_to_space"),
                 (resize.depth_to_space, "0, 1, 3, 2, 4, 5", "0, 1, 4, 2, 3, 5")),
        *textual("PixelShuffle", op_checks("PixelShuffle"), (residual.PixelShuffle.forward, "self.factor", "2")),
        *textual("PReLU", op_checks("PReLU"),
                 (residual.PReLU.forward, "- self.a", "+ self.a"),
                 (residual.PReLU.forward, "self.a *", "0.25 *"),
                 (residual.PReLU.forward, "ops.relu(-x)", "ops.relu(x)")),
        *textual("Residual", op_checks("Residual"),
                 (residual.Residual.forward, "x + self.body(x)", "self.body(x)"),
                 (residual.Residual.forward, "x + self", "x.detach() + self")),
        *textual("Embedding", op_checks("Embedding"),
                 (embedding.Embedding.forward, "sum(1)", "mean(1)"),
                 (embedding.Embedding.forward, "self.table[words].sum(1)", "self.table[words[:, :1]].sum(1)")),
        *textual("Beside", op_checks("Beside"),
                 (embedding.Beside.forward, "[left, right]", "[right, left]"),
                 (embedding.Beside.forward, "right.reshape(", "right.detach().reshape("),
                 (embedding.Beside.forward, "x[:, -self.last:]", "x[:, :self.last]")),
        *textual("upsample", op_checks("upsample"),
                 (resize.upsample, "n, h, 1, w, 1, c), (n, h, factor,", "n, 1, h, w, 1, c), (n, factor, h,")),
        *textual("add", op_checks("add"), (ops.unbroadcast, "g.sum(axis=repeated)", "g.mean(axis=repeated)"),
                 (ops.unbroadcast, "if g.shape == shape:", "if True:"),
                 (ops.unbroadcast, "if n == 1", "if n == -1")),
        *textual("getitem", op_checks("getitem"), (ops.getitem, "np.may_share_memory(X, y)", "True")),
        *textual("max", op_checks("max"), (ops.repeat, "not keepdims", "keepdims")),
        *textual("bce_with_logits", op_checks("bce_with_logits"),
                 (losses.bce_with_logits, "(logistic(X) - t)", "(logistic(X) + t)"),
                 (losses.bce_with_logits, "/ X.size", ""),
                 (losses.bce_with_logits, "loss.mean()", "loss.sum()"),
                 (losses.bce_with_logits, "logistic(X)", "logistic(-X)")),
        *textual("bce", op_checks("bce"), (losses.bce, "(1 - t) / no", "(1 - t) / yes"),
                 (losses.bce, "- t / yes", "+ t / yes"), (losses.bce, "/ P.size", "")),
        *textual("l2", op_checks("l2"), (losses.l2, "g * 2 * E", "g * E"), (losses.l2, "/ E.size", "")),
        *textual("l1", op_checks("l1"), (losses.l1, "np.sign(E)", "E"), (losses.l1, "/ E.size", "")),
        *textual("softmax_cross_entropy", op_checks("softmax_cross_entropy"),
                 (losses.softmax_cross_entropy, "dx[rows, labels] -= 1", "pass"),
                 (losses.softmax_cross_entropy, "g / len(X)", "g / X.size")),
        *textual("Adam", ADAM,
                 (optim.Optimizer.step, "self.t += 1", "pass"),
                 (optim.Optimizer.step, "self.t += 1", "self.t += 2"),
                 (optim.Adam.update, "t = int(self.t)", "t = int(self.t) + 1"),
                 (optim.Adam.update, "t = int(self.t)", "t = min(int(self.t), 1000)"),
                 (optim.Adam.update, "change += self.eps * root", "change += self.eps"),
                 (optim.Adam.update, "np.sqrt(v, out=change)", "np.sqrt(v + self.eps * root, out=change)"),
                 (optim.Adam.update, "/ (1 - self.beta1**t)", ""),
                 (optim.Adam.update, "root = (1 - self.beta2**t) ** 0.5", "root = 1"),
                 (optim.Adam.update, "v *= self.beta2", "v *= self.beta1"),
                 (optim.Adam.update, "change = g * (1 - self.beta1)", "change = g"),
                 (optim.Adam.update, "theta -= change", "theta += change")),
        *textual("SGD", SGD, (optim.SGD.update, "v *= self.momentum", "pass"), (optim.SGD.update, "v += g", "v = g")),
        *textual("backward", graph,
                 (tensor._add_gradient, "g = np.asarray(gradients[tensor] + g)", "pass"),
                 (tensor._add_gradient, "g = g.copy()", "pass"),
                 (tensor.Tensor._history, "node.born", "-node.born"),
                 (tensor.from_op, "if pair[0].requires_grad", ""),
                 (tensor.Tensor.backward, "node.parents, node.captured = None, ()", "pass"),
                 (tensor.Tensor.backward, "np.array(grad)", "np.ones_like(self.data)")),
    ]
