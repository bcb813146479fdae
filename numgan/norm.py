"""Batch normalisation: one mean and standard deviation for every channel of a batch; its gradient is worth deriving by hand.

Read resize.py next, or leave it for a second reading and go on to residual.py.
"""

import numpy as np

from .errors import InputError
from .ops import operands
from .tensor import from_op

ROWS = 8192  # that are added up at a time


def batch_norm(x, gamma, beta, eps=1e-3):
    """y = γ x̂ + β with x̂ = (x - μ) / σ, σ² = var + eps. Each channel (last axis) gets mean β and standard deviation near |γ|.

    Shapes (..., C), (C,), (C,) -> (..., C). Returns y and, as arrays, the batch's mean and (biased) variance.
    Ioffe & Szegedy 2015, Algorithm 1. Below, mean(·) is the mean over all M rows, one number per channel:

        dx̂ = (dx - dμ) / σ - x̂ dσ / σ,   dμ = mean(dx),   dσ = mean(x̂ dx)   (from σ² = mean((x - μ)²) + eps)

    To read off dL/dx, dx must stand alone on the right. A mean moves over to the other side, since every row gets the same
    one, and so does the mean with weights x̂:

        <g, mean(dx)>    = Σᵢ gᵢ (1/M) Σⱼ dxⱼ          = Σⱼ ((1/M) Σᵢ gᵢ) dxⱼ          = <mean(g), dx>
        <g, x̂ mean(x̂ dx)> = Σᵢ gᵢ x̂ᵢ (1/M) Σⱼ x̂ⱼ dxⱼ    = Σⱼ ((1/M) Σᵢ gᵢ x̂ᵢ) x̂ⱼ dxⱼ    = <x̂ mean(g x̂), dx>

    With dy = γ dx̂ for a change in x alone, and γ and σ the same for all rows of a channel:

        dL = <g, γ dx̂> = <γ / σ (g - mean(g) - x̂ mean(g x̂)), dx>

    For γ and β, dy = x̂ dγ + dβ; they serve all rows, so dL/dγ = Σ g x̂ and dL/dβ = Σ g over the rows.

    In words: a shift of the whole channel does not reach y, so g loses its component along (1, …, 1). Nor would a stretch if
    eps were 0, so g loses its component along x̂: not quite all of it, since mean(x̂²) = var / (var + eps) is a little below 1.
    Raises InputError for other shapes, and for mixed dtypes.
    """
    x, gamma = operands("batch_norm", x, gamma)
    x, beta = operands("batch_norm", x, beta)
    if not x.ndim or gamma.shape != x.shape[-1:] or beta.shape != x.shape[-1:]:
        raise InputError(f"batch_norm: expected shapes (..., C), (C,), (C,), got {x.shape}, {gamma.shape}, {beta.shape}")
    shape, scale = x.shape, gamma.data
    X = x.data.reshape(-1, shape[-1])  # (M, C)
    M = X.dtype.type(len(X))
    mean = column_sum(X) / M
    xhat = X - mean
    variance = column_dot(xhat, xhat) / M
    inverse = 1 / np.sqrt(variance + X.dtype.type(eps))  # 1 / σ
    xhat *= inverse
    y = xhat * scale
    y += beta.data

    def vjp_x(g):
        g = g.reshape(X.shape)
        dx = xhat * (column_dot(g, xhat) / -M)  # - x̂ mean(g x̂)
        dx += g
        dx -= column_sum(g) / M
        dx *= scale * inverse  # γ / σ
        return dx.reshape(shape)

    y = from_op(y.reshape(shape),
                (x, vjp_x),
                (gamma, lambda g: column_dot(g.reshape(X.shape), xhat)),
                (beta, lambda g: column_sum(g.reshape(X.shape))))
    return y, mean, variance


def column_sum(a):
    """Σ a over the rows, (M, C) -> (C,): as a matrix product, for many rows several times as quick as a.sum(0)."""
    return np.ones(len(a), a.dtype) @ a


def column_dot(a, b):
    """Σ a b over the rows, shapes (M, C), (M, C) -> (C,), without writing down the product.

    In blocks: a float32 that has grown to millions of times the next term would lose that term's digits.
    """
    return sum(np.einsum("ij,ij->j", a[i:i + ROWS], b[i:i + ROWS]) for i in range(0, max(len(a), 1), ROWS))
