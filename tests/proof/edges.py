"""What ordinary numbers do not show: kinks, ties, 0⁰, the largest and smallest numbers, arrays of one element or none.

No reference can decide what holds at a kink, or for ties: it is written down here as numbers, as the ops' docstrings promise.
"""

from dataclasses import dataclass

import numpy as np

from numgan import Tensor, conv, losses, norm, ops, residual

from . import reference as ref


@dataclass
class Edge:
    """op(*inputs) is `value`, and with the upstream gradient 1, 2, 3, ... the inputs' gradients are `gradients`."""

    op: str
    where: str
    call: callable
    inputs: list
    value: object
    gradients: list

    def holds(self):
        """In float64 and float32."""
        for dtype in np.float64, np.float32:
            leaves = [Tensor(np.array(x, dtype), requires_grad=True) for x in self.inputs]
            y = self.call(*leaves)
            y.backward(np.arange(1, y.size + 1, dtype=dtype).reshape(y.shape))
            for got, expected in zip([y.data, *(leaf.grad for leaf in leaves)], [self.value, *self.gradients], strict=True):
                expected = np.asarray(expected(dtype) if callable(expected) else expected, dtype)
                assert (got.shape, got.dtype) == (expected.shape, dtype), f"{self.where}: {got.dtype} {got.shape}"
                assert np.allclose(got, expected, rtol=4 * np.finfo(dtype).eps, atol=0), f"{self.where}: {got}, not {expected}"


def largest_loss(dtype):
    """-ln of the smallest normal number, what bce makes of -ln 0."""
    return -np.log(np.finfo(dtype).tiny, dtype=dtype)


def image(*rows):
    """One image of one channel."""
    return np.array(rows, float)[None, :, :, None]


def residual_prelu(x, a):
    """The layer PReLU with these slopes."""
    layer = residual.PReLU()
    layer.a = a
    return layer(x)


BOX = np.arange(12.0).reshape(2, 3, 2)
NONE = np.zeros((0, 3))
SMOOTH = {"sub", "mul", "div", "neg", "tanh", "sigmoid", "softplus", "reshape", "pad", "broadcast_to", "conv2d",
          "conv2d_transpose"}  # ops for which no number and no axis is special
EDGES = [
    Edge("power", "0 to the power 0", lambda x: ops.power(x, 0), [[0.0, -2.0]], [1, 1], [[0, 0]]),
    Edge("power", "0 to the power 1", lambda x: ops.power(x, 1), [[0.0, -2.0]], [0, -2], [[1, 2]]),
    Edge("power", "0 to the power 2", lambda x: ops.power(x, 2), [[0.0, -2.0]], [0, 4], [[0, -8]]),
    Edge("power", "negative numbers cubed", lambda x: ops.power(x, 3), [[-2.0]], [-8], [[12]]),
    Edge("power", "negative numbers inverted", lambda x: ops.power(x, -1), [[-2.0]], [-0.5], [[-0.25]]),
    Edge("exp", "large and small", lambda x: ops.exp(x), [[88.0, -87.0]], np.exp([88.0, -87.0]),
         [np.exp([88.0, -87.0]) * [1, 2]]),
    Edge("log", "a tiny number", lambda x: ops.log(x), [[1e-30]], np.log([1e-30]), [[1e30]]),
    Edge("sqrt", "a tiny number", lambda x: ops.sqrt(x), [[1e-30]], [1e-15], [[0.5e15]]),
    Edge("getitem", "pairs, one of them twice", lambda x: x[[0, 1, 0], [1, 0, 1]], [[[1.0, 2.0], [3.0, 4.0]]], [2, 3, 2],
         [[[0, 4], [2, 0]]]),
    Edge("getitem", "a column twice", lambda x: x[:, [1, 1]], [[[1.0, 2.0]]], [[2, 2]], [[[0, 3]]]),
    Edge("sum", "last axis", lambda x: ops.sum(x, -1), [BOX], BOX.sum(2),
         [[[[1, 1], [2, 2], [3, 3]], [[4, 4], [5, 5], [6, 6]]]]),
    Edge("sum", "axes from both ends", lambda x: ops.sum(x, (0, -1)), [BOX], [14, 22, 30], [[[[1, 1], [2, 2], [3, 3]]] * 2]),
    Edge("sum", "nothing", lambda x: ops.sum(x), [NONE], 0, [NONE]),
    Edge("sum", "a number", lambda x: ops.sum(x), [5.0], 5, [1]),
    Edge("mean", "middle axis from the end", lambda x: ops.mean(x, -2), [BOX], [[2, 3], [8, 9]],
         [[[[1 / 3, 2 / 3]] * 3, [[1, 4 / 3]] * 3]]),
    Edge("mean", "one element", lambda x: ops.mean(x), [[[5.0]]], 5, [[[1]]]),
    Edge("max", "last axis, ties", lambda x: ops.max(x, -1), [[[1.0, 1.0], [0.0, -0.0], [2.0, 3.0]]], [1, 0, 3],
         [[[0.5, 0.5], [1, 1], [0, 3]]]),
    Edge("max", "all equal", lambda x: ops.max(x), [np.full((2, 2), 7.0)], 7, [np.full((2, 2), 0.25)]),
    Edge("max", "256 equal", lambda x: ops.max(x), [np.full(256, 7.0)], 7, [np.full(256, 1 / 256)]),
    Edge("max", "one element", lambda x: ops.max(x, -1, True), [[[7.0]]], [[7]], [[[1]]]),
    Edge("concatenate", "last axis", lambda a, b: ops.concatenate([a, b], -1), [[[1.0], [2.0]], [[3.0, 4.0], [5.0, 6.0]]],
         [[1, 3, 4], [2, 5, 6]], [[[1], [4]], [[2, 3], [5, 6]]]),
    Edge("concatenate", "nothing after something", lambda a, b: ops.concatenate([a, b]), [[[1.0, 2.0, 3.0]], NONE],
         [[1, 2, 3]], [[[1, 2, 3]], NONE]),
    Edge("concatenate", "with itself", lambda x: ops.concatenate([x, x]), [[1.0, 2.0]], [1, 2, 1, 2], [[4, 6]]),
    Edge("transpose", "axes from the end", lambda x: ops.transpose(x, -1, 0, 1), [BOX], BOX.transpose(2, 0, 1),
         [[[[1, 7], [2, 8], [3, 9]], [[4, 10], [5, 11], [6, 12]]]]),
    Edge("matmul", "a sum of nothing", lambda a, b: ops.matmul(a, b), [np.zeros((2, 0)), NONE], np.zeros((2, 3)),
         [np.zeros((2, 0)), NONE]),
    Edge("add", "one row with none", lambda a, b: ops.add(a, b), [[[1.0, 2.0, 3.0]], NONE], NONE, [[[0, 0, 0]], NONE]),
    Edge("relu", "the kink", lambda x: ops.relu(x), [[0.0, -0.0]], [0, 0], [[0, 0]]),
    Edge("relu", "tiny numbers", lambda x: ops.relu(x), [[1e-30, -1e-30]], [1e-30, 0], [[1, 0]]),
    Edge("leaky_relu", "the kink", lambda x: ops.leaky_relu(x, 0.5), [[0.0, -0.0]], [0, 0], [[0.5, 1]]),
    Edge("abs", "the kink", lambda x: ops.abs(x), [[0.0, -0.0]], [0, 0], [[0, 0]]),
    Edge("abs", "tiny numbers", lambda x: ops.abs(x), [[1e-30, -1e-30]], [1e-30, 1e-30], [[1, -2]]),
    Edge("PReLU", "the kink", residual_prelu, [[[0.0, -0.0]], [0.25, 0.25]], [[0, 0]], [[[0, 0]], [0, 0]]),
    Edge("elu", "where its pieces meet", lambda x: ops.elu(x), [[0.0, -0.0]], [0, 0], [[1, 2]]),
    Edge("l1", "exact, and one element", lambda x: losses.l1(x, 3.0), [[[3.0]]], 0, [[[0]]]),
    Edge("l1", "a number", lambda x: losses.l1(x, 1.0), [-1.0], 2, [-1]),
    Edge("l2", "one element", lambda x: losses.l2(x, 1.0), [[[3.0]]], 4, [[[4]]]),
    Edge("bce_with_logits", "one element", lambda x: losses.bce_with_logits(x, 1.0), [[[0.0]]], np.log(2), [[[-0.5]]]),
    Edge("bce_with_logits", "sure and right", lambda x: losses.bce_with_logits(x, 1.0), [[1e4, 1e30]], 0, [[0, 0]]),
    Edge("bce_with_logits", "sure and wrong", lambda x: losses.bce_with_logits(x, 0.0), [[[1e4]]], 1e4, [[[1]]]),
    Edge("bce", "sure and right", lambda p: losses.bce(p, np.array([0, 1], p.dtype)), [[0.0, 1.0]], 0, [[0.5, -0.5]]),
    Edge("bce", "p = 0 for 1", lambda p: losses.bce(p, 1.0), [[[0.0]]], largest_loss, [[[0]]]),
    Edge("bce", "p = 1 for 0", lambda p: losses.bce(p, 0.0), [[[1.0]]], largest_loss, [[[0]]]),
    Edge("max_pool2d", "ties", lambda x: conv.max_pool2d(x), [image([7, 7, 0, -0.0], [0, 7, 0, 0])], image([7, 0]),
         [image([1 / 3, 1 / 3, 0.5, 0.5], [0, 1 / 3, 0.5, 0.5])]),
    Edge("max_pool2d", "ties of overlapping windows", lambda x: conv.max_pool2d(x, (1, 2), strides=1), [image([5, 5, 2, 2])],
         image([5, 5, 2]), [image([0.5, 2.5, 1.5, 1.5])]),
    Edge("max_pool2d", "256 equal", lambda x: conv.max_pool2d(x, 16), [np.full((1, 16, 16, 1), 7.0)], image([7]),
         [np.full((1, 16, 16, 1), 1 / 256)]),
    Edge("max_pool2d", "far below 0, with a border", lambda x: conv.max_pool2d(x, padding="same"), [image([-1e30])],
         image([-1e30]), [image([1])]),
    Edge("max_pool2d", "odd sizes, valid", lambda x: conv.max_pool2d(x), [image([1, 2, 9], [4, 3, 0], [9, 9, 9])], image([4]),
         [image([0, 0, 0], [1, 0, 0], [0, 0, 0])]),
    Edge("max_pool2d", "odd sizes, same, negative", lambda x: conv.max_pool2d(x, padding="same"),
         [image([-1, -2, -9], [-4, -3, -5], [-7, -6, -8])], image([-1, -5], [-6, -8]),
         [image([1, 0, 0], [0, 0, 2], [0, 3, 4])]),
    Edge("max_pool2d", "strides that skip pixels", lambda x: conv.max_pool2d(x, 1, strides=(1, 2)), [image([1, 2, 3, 4])],
         image([1, 3]), [image([1, 0, 2, 0])]),
    Edge("max_pool2d", "no images", lambda x: conv.max_pool2d(x), [np.zeros((0, 3, 2, 2))], np.zeros((0, 1, 1, 2)),
         [np.zeros((0, 3, 2, 2))]),
    Edge("softmax", "one class", lambda x: losses.softmax(x), [[[5.0]]], [[1]], [[[0]]]),
    Edge("softmax", "ties, first axis", lambda x: losses.softmax(x, 0), [[9.0, 9.0]], [0.5, 0.5], [[-0.25, 0.25]]),
    Edge("softmax", "sure", lambda x: losses.softmax(x), [[1e30, -1e30]], [1, 0], [[0, 0]]),
    Edge("softmax_cross_entropy", "one class", lambda x: losses.softmax_cross_entropy(x, [0]), [[[5.0]]], 0, [[[0]]]),
    Edge("softmax_cross_entropy", "ties, one row", lambda x: losses.softmax_cross_entropy(x, [1]), [[[9.0, 9.0]]], np.log(2),
         [[[0.5, -0.5]]]),
    Edge("softmax_cross_entropy", "300 classes, sure and right", lambda x: losses.softmax_cross_entropy(x, [200]),
         [1e4 * np.eye(300)[[200]]], 0, [np.zeros((1, 300))]),
    Edge("batch_norm", "one row is its own mean", lambda x, gamma, beta: norm.batch_norm(x, gamma, beta)[0],
         [[[5.0, -1.0]], [2.0, 3.0], [7.0, 8.0]], [[7, 8]], [[[0, 0]], [0, 0], [1, 2]]),
]


# ---- batch norm adds up rows in blocks


def many_rows_have_the_statistics_and_gradients_of_all_of_them():
    """Also of those that do not fill a block."""
    rng = np.random.default_rng(0)
    x, g, direction = rng.standard_normal((3, 2 * norm.ROWS + 1000, 2))
    leaf, gamma, beta = (Tensor(a, requires_grad=True) for a in (x, np.ones(2), np.zeros(2)))
    y, mean, variance = norm.batch_norm(leaf, gamma, beta)
    y.backward(g)
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-9)
    np.testing.assert_allclose(variance, x.var(0), rtol=1e-12)
    np.testing.assert_allclose(gamma.grad, (g * y.data).sum(0), rtol=1e-9)
    np.testing.assert_allclose(beta.grad, g.sum(0), rtol=1e-9)
    expected = np.sum(g * ref.derivative(lambda x: ref.batch_norm(x, 1, 0, 1e-3), [x], 0, direction))
    np.testing.assert_allclose((leaf.grad * direction).sum(), expected, rtol=1e-9)


def variances_of_many_rows_keep_their_digits():
    """As those of large images: they are 5e-7 off, and 5e-4 if all rows are added up one after the other."""
    x = np.random.default_rng(0).standard_normal((2**20, 2)).astype(np.float32)
    _, _, variance = norm.batch_norm(*(Tensor(array) for array in (x, np.ones(2, np.float32), np.zeros(2, np.float32))))
    np.testing.assert_allclose(variance, x.var(0, dtype=np.float64), rtol=1e-5)


MANY_ROWS = [many_rows_have_the_statistics_and_gradients_of_all_of_them, variances_of_many_rows_keep_their_digits]
