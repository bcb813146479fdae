"""Convolution and its transpose as matrix multiplication.

Legend, for the whole file: x (N, H, W, C) images: batch, height, width, channels in; w (kh, kw, C, F) kernels: F channels
out, kh·kw "taps"; y, g (N, OH, OW, F) output and its gradient; strides (sh, sw); padding ((top, bottom), (left, right)).

The convolution of neural networks is a cross-correlation, written w ⋆ x here, of an image that is 0 outside its borders:

    y[n, i, j, f] = Σ x[n, p, q, c] w[a, b, c, f]     over a, b, c, where p = sh·i + a - top and q = sw·j + b - left

So <g, y> is one sum of products of three elements, one each of g, x and w. y is linear in w, so dL = <g, dy> = <g, dw ⋆ x> is
the same sum with dw for w, and the factor of dw[a, b, c, f] in it is dL/dw[a, b, c, f]. Likewise for dx:

    correlate(x, w) = y
    correlate_adjoint_x(g, w) = dL/dx      dL/dx[n, p, q, c] = Σ g[n, i, j, f] w[a, b, c, f]     over i, j, a, b, f
    correlate_adjoint_w(x, g) = dL/dw      dL/dw[a, b, c, f] = Σ g[n, i, j, f] x[n, p, q, c]     over n, i, j

where only those i, a and j, b count that give this p and q: every tap that read a pixel sends its share back there. The adjoint
of a linear map A is its transpose, <g, A x> = <Aᵀ g, x>. These three maps are closed under differentiation: the gradients of
each are the other two. conv2d is the first, conv2d_transpose the second. Max pooling, at the end, looks at the same patches.

Each of the three maps is one large GEMM (matrix-matrix product) and a gather (im2col) or scatter (col2im) of the taps;
`mirrored_way` chooses the cheaper side for it. Read norm.py next.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .errors import InputError, check_positive
from .ops import operands
from .tensor import as_tensor, from_op

# ---- geometry


def pair(value):
    """3 -> (3, 3); (2, 3) stays."""
    return (value, value) if np.ndim(value) == 0 else tuple(value)


def images(op, x):
    """x as a Tensor; InputError unless its shape is (N, H, W, C)."""
    x = as_tensor(x)
    if x.ndim != 4:
        raise InputError(f"{op}: expected shape (N, H, W, C), got {x.shape}")
    return x


def resolve_padding(padding, size, kernel, strides):
    """((top, bottom), (left, right)) for "same", "valid" or for these four numbers themselves; size, kernel, strides are pairs.

    "same" is TensorFlow's: ceil(size / stride) outputs, and of an odd padding the extra pixel goes to the end.
    Raises InputError for an unknown padding, and if the kernel does not fit into the padded image.
    """
    if isinstance(padding, np.ndarray):
        padding = padding.tolist()  # to compare it with a word
    if padding == "same":
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, strides, strict=True)]
        padding = tuple((p // 2, p - p // 2) for p in total)
    elif padding == "valid":
        padding = ((0, 0), (0, 0))
    else:
        numbers = np.array(padding, object)  # of any shape; an array of integers must have equal rows
        if numbers.shape != (2, 2) or not all(isinstance(n, (int, np.integer)) and n >= 0 for n in numbers.flat):
            raise InputError(f'padding: expected "same", "valid" or ((top, bottom), (left, right)) >= 0, got {padding!r}')
    padding = tuple(map(tuple, padding))  # a copy: the vjps read it later
    if any(n < 1 or k < 1 or n + sum(p) < k for n, k, p in zip(size, kernel, padding, strict=True)):
        raise InputError(f"a kernel of {kernel} does not fit into {size} pixels with padding {padding}")
    return padding


def mirror(w):
    """The kernels flipped along both axes, with the channels' roles exchanged: (kh, kw, C, F) -> (kh, kw, F, C)."""
    return w[::-1, ::-1].transpose(0, 1, 3, 2)


def mirrored_padding(padding, kernel):
    """The padding with which the adjoint of a stride-1 correlation is a correlation with the mirrored kernels.

    Along one axis, y[i] = Σ x[i + a - before] w[a]: pixel h is read by y[h - a + before], with weight w[a]. So, counting the
    taps from the end, a = k - 1 - a',

        dL/dx[h]          = Σ g[h + a' - (k - 1 - before)] w[k - 1 - a']    over a'
        dL/dw[k - 1 - a'] = Σ g[h + a' - (k - 1 - before)] x[h]             over h
    """
    return tuple((k - 1 - before, k - 1 - after) for k, (before, after) in zip(kernel, padding, strict=True))


def mirrored_way(pays, kernel, strides, padding):
    """The padding with which a map below is computed as its mirrored map, or None if it is computed as defined.

    As defined: if the other way does not pay (`pays`), if the stride is not 1, or if that padding would be negative.

    The GEMM costs the same either way (with "same" padding). A gather or scatter moves kh·kw numbers per pixel and channel, so
    it belongs on the side with fewer channels. At stride 1 there is a choice: a correlation is also the adjoint of another
    one, whose kernels are mirrored and have C and F exchanged.

        map                    as defined                mirrored                  the mirrored way pays if
        correlate              gather x (C channels)     scatter y (F channels)    F < C
        correlate_adjoint_x    scatter x (C)             gather g (F)              F <= C
        correlate_adjoint_w    gather x (C)              gather g (F)              F < C

    Hence the <=: where F = C, a gather, which only writes, is cheaper than a scatter, which also reads and adds. There is no
    choice if the padding is wider than the kernel less one pixel, since the mirrored one would be negative.
    """
    mirrored = mirrored_padding(padding, kernel)
    return mirrored if pays and strides == (1, 1) and min(map(min, mirrored)) >= 0 else None


# ---- gather and scatter: im2col and its transpose, col2im


def im2col(x, kernel, strides, padding):
    """The patch under the kernel at every output pixel, as rows: (N, H, W, C) -> (N, OH, OW, kh·kw·C)."""
    n, rows, columns, c = x.shape
    (top, bottom), (left, right) = padding
    if any(map(any, padding)):
        padded = np.zeros((n, top + rows + bottom, left + columns + right, c), x.dtype)
        padded[:, top:top + rows, left:left + columns] = x
        x = padded
    patches = sliding_window_view(x, kernel, axis=(1, 2))[:, ::strides[0], ::strides[1]]  # (N, OH, OW, C, kh, kw)
    return patches.transpose(0, 1, 2, 4, 5, 3).reshape(*patches.shape[:3], kernel[0] * kernel[1] * c)


def col2im(columns, size, kernel, strides, padding):
    """The transpose of im2col: adds every patch back to where it was read, (N, OH, OW, kh·kw·C) -> (N, H, W, C).

    It is added up in the memory layout of `columns`, whichever that is, so that both are walked through in the same order.
    """
    (h, w), (kh, kw), (sh, sw), ((top, bottom), (left, right)) = size, kernel, strides, padding
    n, oh, ow, width = columns.shape
    c = width // (kh * kw)
    taps = columns.reshape(n, oh, ow, kh, kw, c)
    x = np.zeros_like(taps[:, :, :, 0, 0], shape=(n, top + h + bottom, left + w + right, c))
    for a in range(kh):
        for b in range(kw):
            x[:, a:a + sh * (oh - 1) + 1:sh, b:b + sw * (ow - 1) + 1:sw] += taps[:, :, :, a, b]
    return np.ascontiguousarray(x[:, top:top + h, left:left + w])


# ---- the three maps, on arrays


def correlate(x, w, strides, padding):
    """y = w ⋆ x: gather the patches, then one GEMM. Shapes as in the legend."""
    kh, kw, c, f = w.shape
    if mirrored := mirrored_way(f < c, (kh, kw), strides, padding):
        size = [n + sum(p) - k + 1 for n, p, k in zip(x.shape[1:3], padding, (kh, kw), strict=True)]
        return scatter_product(x, mirror(w), size, strides, mirrored)
    return rows_times(im2col(x, (kh, kw), strides, padding), w.reshape(-1, f))


def correlate_adjoint_x(g, w, size, strides, padding):
    """dL/dx, for which <dL/dx, dx> = <g, w ⋆ dx> whatever dx is: one GEMM, then scatter. `size` is x's (H, W)."""
    kh, kw, c, f = w.shape
    if mirrored := mirrored_way(f <= c, (kh, kw), strides, padding):
        return rows_times(im2col(g, (kh, kw), strides, mirrored), mirror(w).reshape(-1, c))
    return scatter_product(g, w, size, strides, padding)


def scatter_product(g, w, size, strides, padding):
    """A GEMM that gives every output pixel's share in each of its patch's pixels, then col2im, which adds them up.

    NumPy adds quickest along the axis that is contiguous in memory, if it is long. This is the axis of x's channels; if x has
    fewer channels than g is wide, the GEMM is transposed, and it is the axis of g's width.
    """
    kernels = w.reshape(-1, w.shape[3])
    if w.shape[2] < g.shape[2]:
        columns = rows_times(kernels, g.reshape(-1, g.shape[3]).T).T.reshape(*g.shape[:3], len(kernels))
    else:
        columns = rows_times(g, kernels.T)
    return col2im(columns, size, w.shape[:2], strides, padding)


def rows_times(x, matrix):
    """x @ matrix over the last axis as one GEMM, (..., k), (k, m) -> (..., m); `@` itself would make many small ones."""
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return (rows @ matrix).reshape(*x.shape[:-1], matrix.shape[1])


def correlate_adjoint_w(x, g, kernel, strides, padding):
    """dL/dw, for which <dL/dw, dw> = <g, dw ⋆ x> whatever dw is: gather, then one GEMM that sums over images and pixels."""
    c, f = x.shape[-1], g.shape[-1]
    if mirrored := mirrored_way(f < c, kernel, strides, padding):
        return mirror(correlate_adjoint_w(g, x, kernel, strides, mirrored))
    columns = im2col(x, kernel, strides, padding)
    return rows_times(columns.reshape(-1, columns.shape[-1]).T, g.reshape(-1, f)).reshape(*kernel, c, f)


# ---- the ops


def conv2d(x, w, *, strides=1, padding="same"):
    """y = w ⋆ x, shapes (N, H, W, C), (kh, kw, C, F) -> (N, OH, OW, F).

    dL = <g, w ⋆ dx> = <correlate_adjoint_x(g, w), dx>;   dL = <g, dw ⋆ x> = <correlate_adjoint_w(x, g), dw>.

    Raises InputError if the channels do not match, or the kernel does not fit.
    """
    x, w = operands("conv2d", x, w)
    if x.ndim != 4 or w.ndim != 4 or x.shape[3] != w.shape[2]:
        raise InputError(f"conv2d: expected shapes (N, H, W, C) and (kh, kw, C, F), got {x.shape} and {w.shape}")
    check_positive("conv2d", pairs=True, strides=strides)
    X, W, size, kernel, strides = x.data, w.data, x.shape[1:3], w.shape[:2], pair(strides)
    padding = resolve_padding(padding, size, kernel, strides)
    return from_op(correlate(X, W, strides, padding),
                   (x, lambda g: correlate_adjoint_x(g, W, size, strides, padding)),
                   (w, lambda g: correlate_adjoint_w(X, g, kernel, strides, padding)))


def conv2d_transpose(x, w, *, strides=2, padding="same"):
    """The transpose of conv2d as a linear map, shapes (N, H, W, F), (kh, kw, C, F) -> (N, H', W', C).

    H' = H·sh for "same", else (H - 1)·sh + max(kh, sh) - top - bottom. Zeiler et al. 2010; Dumoulin & Visin 2016, chapter 4.

    y = correlate_adjoint_x(x, w), so <g, y> = <w ⋆ g, x>: what x is multiplied by is dL/dx = w ⋆ g = correlate(g, w); and
    dL/dw = correlate_adjoint_w(g, x), since g now has the image's place, and x that of the incoming gradient.
    """
    x, w = operands("conv2d_transpose", x, w)
    if x.ndim != 4 or w.ndim != 4 or x.shape[3] != w.shape[3]:
        raise InputError(f"conv2d_transpose: expected shapes (N, H, W, F) and (kh, kw, C, F), got {x.shape} and {w.shape}")
    check_positive("conv2d_transpose", pairs=True, strides=strides)
    X, W, kernel, strides = x.data, w.data, w.shape[:2], pair(strides)
    size = tuple(n * s for n, s in zip(x.shape[1:3], strides, strict=True))
    if padding != "same":
        full = tuple((n - 1) * s + max(k, s) for n, s, k in zip(x.shape[1:3], strides, kernel, strict=True))
        padding = resolve_padding(padding, full, kernel, strides)
        size = tuple(n - sum(p) for n, p in zip(full, padding, strict=True))
    padding = resolve_padding(padding, size, kernel, strides)
    return from_op(correlate_adjoint_x(X, W, size, strides, padding),
                   (x, lambda g: correlate(g, W, strides, padding)),
                   (w, lambda g: correlate_adjoint_w(g, X, kernel, strides, padding)))


# ---- max pooling: the same patches, and of each channel in a patch only the largest pixel


def max_pool2d(x, pool_size=2, *, strides=None, padding="valid"):
    """y = the largest pixel of each window, channel by channel, (N, H, W, C) -> (N, OH, OW, C).

    pool_size and strides: a number or a pair; strides are the pool_size by default: windows side by side. With "valid",
    pixels left over at the end of an axis are in no window. A border from `padding` is never the largest.

    Each y moves as the largest pixel p of its window does: dy = dx[p], so dL = Σ g dx[p] over all windows. Each window
    sends its g to its largest pixel. A pixel that is the largest in several windows gets the sum, which col2im adds up; one
    that is the largest in none gets 0. Equal largest pixels share g equally, as in `max`.

    Raises InputError if a window does not fit into the padded image, or if the padding is as wide as a window, which could then
    lie in the padding alone.
    """
    x = images("max_pool2d", x)
    strides = pool_size if strides is None else strides
    check_positive("max_pool2d", pairs=True, pool_size=pool_size, strides=strides)
    size, kernel, strides = x.shape[1:3], pair(pool_size), pair(strides)
    padding = resolve_padding(padding, size, kernel, strides)
    if any(max(p) >= k for p, k in zip(padding, kernel, strict=True)):
        raise InputError(f"max_pool2d: expected padding narrower than the window {kernel}, got {padding}")
    padded = np.pad(x.data, ((0, 0), *padding, (0, 0)), constant_values=-np.inf)
    columns = im2col(padded, kernel, strides, ((0, 0), (0, 0)))
    shape = columns.shape  # (N, OH, OW, kh·kw·C)
    windows = columns.reshape(*shape[:3], math.prod(kernel), x.shape[3])  # (N, OH, OW, kh·kw, C)
    y = windows.max(3)
    largest = windows == y[:, :, :, None]

    def vjp(g):
        share = largest * (g / largest.sum(3, dtype=g.dtype))[:, :, :, None]
        return col2im(share.reshape(shape), size, kernel, strides, padding)

    return from_op(y, (x, vjp))
