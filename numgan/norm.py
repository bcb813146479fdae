"""Batch normalisation, whose gradient is worth deriving by hand. Read losses.py next."""

import numpy as np

from .errors import InputError
from .ops import operands
from .tensor import from_op


def batch_norm(x, gamma, beta, eps=1e-3):
    """y = γ x̂ + β with x̂ = (x - μ) / σ, σ² = var + eps: every channel (last axis) of the batch to mean β and deviation γ.

    Shapes (..., C), (C,), (C,) -> (..., C). Returns y and, as arrays, the batch's mean and (biased) variance.
    Ioffe & Szegedy 2015, Algorithm 1. With M rows, means over these rows, and h = γ g = dL/dx̂:

        dx̂ = (dx - dμ) / σ - x̂ dσ / σ,   dμ = mean(dx),   dσ = mean(x̂ dx)   (from σ² = mean((x - μ)²) + eps)
        dL = <h, dx̂> = <h - mean(h) - x̂ mean(h x̂), dx> / σ

    and dL = <g, x̂ dγ + dβ>: γ and β serve all rows, so dL/dγ = Σ g x̂ and dL/dβ = Σ g over the rows. γ is the same in all
    rows, too, so the code multiplies by it last, and takes g where the formula has h.

    In words: a shift or a stretch of the whole channel does not reach y, so h loses its components along 1 and x̂.
    """
    x, gamma = operands("batch_norm", x, gamma)
    x, beta = operands("batch_norm", x, beta)
    if not x.ndim or gamma.shape != x.shape[-1:] or beta.shape != x.shape[-1:]:
        raise InputError(f"batch_norm: expected shapes (..., C), (C,), (C,), got {x.shape}, {gamma.shape}, {beta.shape}")
    shape, scale = x.shape, gamma.data
    X = x.data.reshape(-1, shape[-1])  # (M, C)
    M = X.dtype.type(len(X))
    mean = X.mean(0)
    xhat = X - mean
    variance = column_dot(xhat, xhat) / M
    inverse = 1 / np.sqrt(variance + X.dtype.type(eps))  # 1 / σ
    xhat *= inverse
    y = xhat * scale
    y += beta.data

    def vjp_x(g):
        g = g.reshape(X.shape)
        dx = xhat * (column_dot(g, xhat) / -M)
        dx += g
        dx -= g.mean(0)
        dx *= scale * inverse
        return dx.reshape(shape)

    y = from_op(y.reshape(shape),
                (x, vjp_x),
                (gamma, lambda g: column_dot(g.reshape(X.shape), xhat)),
                (beta, lambda g: g.reshape(X.shape).sum(0)))
    return y, mean, variance


def column_dot(a, b):
    """Σ a b over the rows, shapes (M, C), (M, C) -> (C,), without writing down the product."""
    return np.einsum("ij,ij->j", a, b)
