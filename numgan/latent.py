"""The space of codes z: paths from one code to another, and from an image back to a code that generates it.

Read graph.py next.
"""

import numpy as np

from .errors import InputError, check_positive, check_rng, described
from .games import GAN, StackGAN
from .optim import Adam
from .tensor import Parameter

# ---- from code to code


def lerp(a, b, t):
    """Linear interpolation, (1 - t) a + t b: codes (..., d), (..., d) and numbers t (...) -> (..., d), with broadcasting.

    The code half-way between two independent normal ones is about √½ times as long as they are. G was hardly trained on such
    codes.
    """
    a, b, t, dtype = _ends("lerp", a, b, t)
    return ((1 - t) * a + t * b).astype(dtype)


def slerp(a, b, t):
    """Spherical interpolation along the arc from a to b (White 2016), shapes as for `lerp`. Equal lengths are preserved.

        sin((1 - t) Ω) / sin Ω · a + sin(t Ω) / sin Ω · b,    Ω the angle between a and b

    The factors tend to 1 - t and t as Ω tends to 0: parallel codes, and those of length 0, are interpolated linearly. So are
    opposite codes, between which no arc is the shortest.
    """
    a, b, t, dtype = _ends("slerp", a, b, t)
    u, v = a * _length(b), b * _length(a)  # of equal length; then tan(Ω / 2) = |u - v| / |u + v|
    angle = 2 * np.arctan2(_length(u - v), _length(u + v))  # accurate near 0, where arccos loses digits
    straight = np.sin(angle) < 1e-6
    sine = np.where(straight, 1, np.sin(angle))
    from_a = np.where(straight, 1 - t, np.sin((1 - t) * angle) / sine)
    from_b = np.where(straight, t, np.sin(t * angle) / sine)
    return (from_a * a + from_b * b).astype(dtype)


def _length(x):
    return np.linalg.norm(x, axis=-1, keepdims=True)


def _ends(name, a, b, t):
    """Both ends in float64, t with an axis for the d numbers of a code, and the dtype of the result."""
    a, b, t = np.asarray(a), np.asarray(b), np.asarray(t, np.float64)[..., np.newaxis]
    if not (a.dtype.kind == b.dtype.kind == "f" and a.ndim and b.ndim and a.shape[-1] == b.shape[-1] and np.isfinite(t).all()):
        raise InputError(f"{name}: expected float codes (..., d), (..., d) and finite t, got {a.dtype} {a.shape}, "
                         f"{b.dtype} {b.shape} and t = {t[..., 0]!s:.40}")
    return a.astype(np.float64), b.astype(np.float64), t, np.result_type(a, b)


# ---- from image to code


def reconstruct(game, images, *, steps=200, lr=0.1, restarts=1, rng):
    """The codes of the nearest images that G can draw, argmin_z |G(z) - x|²: (n, H, W, C) -> codes (n, d), errors (n,).

    For each image, `descend` looks for a minimum from `restarts` codes that the game draws with `rng`; the best is kept. An
    error is the mean over the pixels of (G(z) - x)², both in [-1, 1]: four times what it is for pixels in [0, 1].

    The error on images that G was not trained on shows how much of their variety it has learnt (Xiang & Li 2017).
    """
    _check_images("reconstruct", game, images)
    check_positive("reconstruct", restarts=restarts)
    check_rng("reconstruct", rng)
    n = len(images)
    starts = game.latent(n * restarts, rng)
    codes, errors = descend(game, starts, np.concatenate([images] * restarts), steps=steps, lr=lr)
    best = errors.reshape(restarts, n).argmin(0) * n + np.arange(n)
    return codes[best], errors[best]


def descend(game, z, images, *, steps=200, lr=0.1, chunk=64):
    """Minimise each image's error with Adam, from the codes z (n, d): -> codes (n, d), errors (n,) as in `reconstruct`.

    Here z is the parameter, and G, in eval mode and frozen, a fixed function: the gradient flows through it, and none is
    computed for its weights (Lipton & Tripathi 2017). Every image has its own code, so the gradient of the sum of all errors
    with respect to one code is the gradient of that code's own error: `chunk` codes descend at once. z may leave the prior:
    the numbers that name a category descend like the others.
    """
    _check_images("descend", game, images)
    check_positive("descend", steps=steps)
    if np.shape(z)[:1] != images.shape[:1]:
        raise InputError(f"descend: expected a code for each of {len(images)} images, got codes {np.shape(z)}")
    generator, wanted = game.drawing_network, game.pixels.inward(images).astype(game.dtype)
    codes, pixels = [], tuple(range(1, images.ndim))
    with generator.frozen(), generator.evaluating():
        for i in range(0, len(z), chunk):
            code = Parameter(np.array(z[i:i + chunk], game.dtype), "z")
            optimizer = Adam([code], lr)
            for _ in range(steps):
                difference = generator(code) - wanted[i:i + chunk]
                optimizer.minimize((difference * difference).mean(pixels).sum())
            codes.append(code.data)
        codes = np.concatenate(codes)
        errors = ((game.generate(codes) - images) ** 2).mean(pixels, dtype=np.float64)
    return codes, errors


def check_codes(where, game):
    """InputError unless the game's generator draws from codes of numbers."""
    if not isinstance(game, GAN) or isinstance(game, StackGAN):  # whose codes hold words
        raise InputError(f"{where}: expected a game whose generator draws from codes z, got {type(game).__name__}")


def _check_images(name, game, images):
    check_codes(name, game)
    if not (isinstance(images, np.ndarray) and images.dtype.kind == "f" and images.shape[1:] == game.image_shape and len(images)
            and -1 <= images.min() and images.max() <= 1):
        raise InputError(f"{name}: expected float images (n, {', '.join(map(str, game.image_shape))}) in [-1, 1], "
                         f"got {described(images)}")
