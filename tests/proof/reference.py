"""Every forward pass a second time: naive, independent of the package, and complex-safe.

Complex-safe means that f(x + ih) is the analytic continuation of f, so that imag(f(x + ih)) / h at h = 1e-30 is the
derivative to the last digit: no difference is taken, nothing cancels (Squire & Trapp 1998). So: no abs, var, norm, vdot
or logaddexp of NumPy's, and comparisons look at the real part only.

They keep their digits, too, where a textbook's formula loses them, and run in any precision: at np.longdouble they are what
float32 and float64 are measured with far from 0 and 1 (keeps_its_digits).
"""

import itertools

import numpy as np

H = 1e-30


def derivative(f, inputs, i, direction):
    """The derivative of f(*inputs) when inputs[i] moves along `direction`, by the complex step."""
    shifted = [x + 1j * H * direction if j == i else x for j, x in enumerate(inputs)]
    return np.imag(f(*shifted)) / H


def gradient(f, inputs, i, upstream):
    """d<upstream, f(*inputs)> / d inputs[i], element by element."""
    x = inputs[i]
    result = np.zeros(x.shape, x.dtype)
    for index in np.ndindex(x.shape):
        direction = np.zeros(x.shape)
        direction[index] = 1
        result[index] = np.sum(upstream * derivative(f, inputs, i, direction))
    return result


# ---- elementwise


def magnitude(x):
    """|x|."""
    return np.where(np.real(x) < 0, -x, x)


def log1p(z):
    """ln(1 + z) = 2 artanh(z / (2 + z)), whose argument is as small as z; np.log1p of a complex number is plain ln(1 + z)."""
    small = np.abs(np.real(z)) < 0.5
    return np.where(small, 2 * np.arctanh(np.where(small, z / (2 + z), 0)), np.log(1 + z))


def expm1(z):
    """eᶻ - 1 = 2 e^(z/2) sinh(z/2), whose second factor is as small as z."""
    small = np.abs(np.real(z)) < 1
    half = np.where(small, z / 2, 0)
    return np.where(small, 2 * np.exp(half) * np.sinh(half), np.exp(z) - 1)


def softplus(x):
    """ln(1 + eˣ)."""
    return log1p(np.exp(-magnitude(x))) + np.where(np.real(x) > 0, x, 0)


def sigmoid(x):
    """1 / (1 + e⁻ˣ), for negative x multiplied with eˣ / eˣ."""
    e = np.exp(-magnitude(x))
    return np.where(np.real(x) > 0, 1, e) / (1 + e)


def leaky_relu(x, slope=0.2):
    """x or slope·x; relu with slope 0."""
    return np.where(np.real(x) > 0, x, slope * x)


def relu(x):
    """x or 0."""
    return leaky_relu(x, 0.0)


def elu(x):
    """x or eˣ - 1."""
    return np.where(np.real(x) > 0, x, expm1(np.where(np.real(x) > 0, 0, x)))


# ---- sums


def total(x, axis=None, keepdims=False):
    """Σ x, one element after another."""
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    y = np.zeros(shape, x.dtype)
    for index in np.ndindex(x.shape):
        y[tuple(0 if a in axes else i for a, i in enumerate(index))] += x[index]
    return y if keepdims else y.reshape([n for a, n in enumerate(shape) if a not in axes])


def mean(x, axis=None, keepdims=False):
    """Σ x / n."""
    y = total(x, axis, keepdims)
    return y / (x.size / y.size) if y.size else y


def maximum(x, axis=None, keepdims=False):
    """The element with the largest real part along the axes."""
    axes = tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in np.atleast_1d(axis))
    rest = [a for a in range(x.ndim) if a not in axes]
    rows = x.transpose(*rest, *axes).reshape([x.shape[a] for a in rest] + [-1])
    best = np.take_along_axis(rows, np.real(rows).argmax(-1)[..., None], -1)[..., 0]
    return best.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keepdims else best


def matmul(a, b):
    """Three loops."""
    y = np.zeros((a.shape[0], b.shape[1]), np.result_type(a, b))
    for i, j, k in itertools.product(range(a.shape[0]), range(b.shape[1]), range(a.shape[1])):
        y[i, j] += a[i, k] * b[k, j]
    return y


def concatenate(*tensors, axis=0):
    """Slices written one after another."""
    shape, axis = list(tensors[0].shape), axis % tensors[0].ndim
    shape[axis] = sum(t.shape[axis] for t in tensors)
    y, start = np.zeros(shape, np.result_type(*tensors)), 0
    for t in tensors:
        y[(slice(None),) * axis + (slice(start, start + t.shape[axis]),)] = t
        start += t.shape[axis]
    return y


def pad(x, widths):
    """x in the middle of zeros."""
    y = np.zeros([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)], x.dtype)
    y[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))] = x
    return y


# ---- convolution: plain loops over pixels and taps, and at each a sum over channels


def same_padding(n, k, s):
    """TensorFlow's, for one axis."""
    outputs = -(-n // s)
    missing = max((outputs - 1) * s + k - n, 0)
    return missing // 2, missing - missing // 2


def padding_of(x, w, strides, padding):
    """Numbers for "same" and "valid"."""
    if padding == "same":
        return tuple(same_padding(x.shape[a + 1], w.shape[a], strides[a]) for a in (0, 1))
    return ((0, 0), (0, 0)) if padding == "valid" else padding


def conv2d(x, w, strides=1, padding="same"):
    """y[n, i, j, f] = Σ x[n, s·i + a - top, s·j + b - left, c] w[a, b, c, f]."""
    strides = (strides, strides) if np.ndim(strides) == 0 else strides
    (top, bottom), (left, right) = padding_of(x, w, strides, padding)
    (n, h, width, _), (kh, kw, _, f) = x.shape, w.shape
    oh, ow = (h + top + bottom - kh) // strides[0] + 1, (width + left + right - kw) // strides[1] + 1
    y = np.zeros((n, oh, ow, f), np.result_type(x, w))
    for i, j, a, b in itertools.product(range(oh), range(ow), range(kh), range(kw)):
        row, column = strides[0] * i + a - top, strides[1] * j + b - left
        if 0 <= row < h and 0 <= column < width:
            y[:, i, j] += x[:, row, column] @ w[a, b]  # (n, c), (c, f)
    return y


def conv2d_transpose(x, w, strides=2, padding="same"):
    """Every input pixel adds its multiple of the kernel to the output."""
    strides = (strides, strides) if np.ndim(strides) == 0 else strides
    (n, h, width, _), (kh, kw, c, _) = x.shape, w.shape
    around = ((0, 0), (0, 0)) if padding in ("same", "valid") else padding
    size = [m * s if padding == "same" else (m - 1) * s + max(k, s) - sum(p)
            for m, s, k, p in zip((h, width), strides, (kh, kw), around, strict=True)]
    y = np.zeros((n, *size, c), np.result_type(x, w))
    (top, _), (left, _) = padding_of(y, w, strides, padding)
    for i, j, a, b in itertools.product(range(h), range(width), range(kh), range(kw)):
        row, column = strides[0] * i + a - top, strides[1] * j + b - left
        if 0 <= row < size[0] and 0 <= column < size[1]:
            y[:, row, column] += x[:, i, j] @ w[a, b].T  # (n, f), (f, c)
    return y


def max_pool2d(x, pool_size=2, strides=None, padding="valid"):
    """At each output pixel, of all pixels under the window, the one with the largest real part."""
    kernel = (pool_size, pool_size) if np.ndim(pool_size) == 0 else pool_size
    strides = kernel if strides is None else (strides, strides) if np.ndim(strides) == 0 else strides
    (top, bottom), (left, right) = padding_of(x, np.zeros(kernel), strides, padding)
    n, h, width, c = x.shape
    y = np.zeros((n, (h + top + bottom - kernel[0]) // strides[0] + 1, (width + left + right - kernel[1]) // strides[1] + 1, c),
                 x.dtype)
    for m, i, j, f in np.ndindex(y.shape):
        pixels = [x[m, row, column, f] for row in range(strides[0] * i - top, strides[0] * i - top + kernel[0])
                  for column in range(strides[1] * j - left, strides[1] * j - left + kernel[1])
                  if 0 <= row < h and 0 <= column < width]
        y[m, i, j, f] = max(pixels, key=np.real)
    return y


def upsample(x, factor=2):
    """Pixel by pixel."""
    n, h, w, c = x.shape
    y = np.zeros((n, h * factor, w * factor, c), x.dtype)
    for i, j in itertools.product(range(h * factor), range(w * factor)):
        y[:, i, j] = x[:, i // factor, j // factor]
    return y


def resize_conv2d(x, w):
    """What it shall equal."""
    return conv2d(upsample(x, 2), w)


def depth_to_space(x, block=2):
    """Channel (p, q, c) of pixel (i, j) to pixel (block·i + p, block·j + q)."""
    n, h, w, depth = x.shape
    c = depth // block**2
    y = np.zeros((n, h * block, w * block, c), x.dtype)
    for i, j, p, q in itertools.product(range(h), range(w), range(block), range(block)):
        start = (p * block + q) * c
        y[:, i * block + p, j * block + q] = x[:, i, j, start:start + c]
    return y


# ---- normalisation


def batch_norm(x, gamma, beta, eps=1e-3):
    """γ (x - μ) / √(var + eps) + β over all axes but the last."""
    rows = x.reshape(-1, x.shape[-1])
    mu = sum(rows) / len(rows)
    variance = sum((row - mu) ** 2 for row in rows) / len(rows)
    return gamma * (x - mu) / np.sqrt(variance + eps) + beta


def batch_norm_eval(x, gamma, beta, mean, variance, eps=1e-3):
    """The same with given statistics."""
    return gamma * (x - mean) / np.sqrt(variance + eps) + beta


# ---- losses


def bce_with_logits(x, t):
    """Mean of t softplus(-x) + (1 - t) softplus(x)."""
    return mean(t * softplus(-x) + (1 - t) * softplus(x))


def bce(p, t):
    """Mean of -t ln p - (1 - t) ln(1 - p)."""
    return mean(-t * np.log(p) - (1 - t) * log1p(-p))


def l2(y, t):
    """Mean of (y - t)²."""
    return mean((y - t) * (y - t))


def l1(y, t):
    """Mean of |y - t|."""
    return mean(magnitude(y - t))


def softmax(x, axis=-1):
    """eˣ / Σ eˣ, both divided by the largest."""
    exponentials = np.exp(x - maximum(x, axis, keepdims=True))
    return exponentials / total(exponentials, axis, keepdims=True)


def softmax_cross_entropy(x, labels):
    """Mean of -ln softmax(x)[label] = largest - x[label] + ln(1 + Σ exp(x - largest)), a sum over all but the largest."""
    loss = 0
    for row, label in zip(x, labels, strict=True):
        top = np.real(row).argmax()
        loss = loss + row[top] - row[label] + log1p(sum(np.exp(value - row[top]) for i, value in enumerate(row) if i != top))
    return np.asarray(loss / len(labels))


# ---- Adam, one number at a time


def adam(theta, gradients, lr, beta1, beta2, eps):
    """Kingma & Ba 2015, Algorithm 1, for one number and the sequence of its gradients."""
    m = v = 0.0
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        theta -= lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)) ** 0.5 + eps)
    return theta
