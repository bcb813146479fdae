"""Layers of networks that read: words as vectors, captions with noise, and a caption beside an image.

All are composed of known ops: there is nothing new to differentiate. Read games/game.py next.
"""

import numpy as np

from .errors import InputError, check_positive
from .layers import Dense
from .network import Layer, Sequential
from .ops import broadcast_to, concatenate, exp
from .tensor import Parameter


class Embedding(Layer):
    """The sum of the vectors of a caption's words, (words,) -> (d,). The words are numbers 0 … vocabulary - 1, as floats;
    a number for "no word" has a vector like the others.

    The vectors are the rows of a table T (vocabulary, d), and are trained. y = Σⱼ T[wⱼ], so dL = <g, Σⱼ dT[wⱼ]>: the vector of
    a word gets the sum of g over all places where the word stands. The numbers of the words have no gradient.
    """

    def __init__(self, vocabulary, d):
        check_positive("Embedding", vocabulary=vocabulary, d=d)
        self.vocabulary, self.d = vocabulary, d

    def build(self, shape, rng, dtype):
        """The table, normal with standard deviation 1."""
        if len(shape) != 1:
            raise InputError(f"expected captions (words,), got {shape}")
        self.table = Parameter(rng.standard_normal((self.vocabulary, self.d)).astype(dtype))

    def forward(self, x):
        words = np.rint(x.data).astype(np.intp)
        if words.size and not 0 <= words.min() <= words.max() < self.vocabulary:
            raise InputError(f"Embedding: expected words 0 … {self.vocabulary - 1}, got {words.min()} … {words.max()}")
        return self.table[words].sum(1)


class Augmentation(Layer):
    """Conditioning augmentation, (d + words,) -> (d,): c = μ(φ) + σ(φ) ε, with noise ε, and φ the caption's embedding.

    Zhang et al. 2017, section 3.2: one caption stands for a whole neighbourhood of vectors c, so that few captions can train a
    generator. μ and ln σ² are linear in φ. The noise is a part of the input, x = (ε, words), and so c is a function of μ and σ:
    dc = dμ + ε dσ, and they get the gradients g and g ε (the reparameterisation trick, Kingma & Welling 2014).
    """

    def __init__(self, vocabulary, d):
        self.reader = Sequential(Embedding(vocabulary, d), Dense(2 * d))
        self.d = d

    def build(self, shape, rng, dtype):
        """The parameters of φ, μ and ln σ²."""
        if len(shape) != 1 or shape[0] <= self.d:
            raise InputError(f"expected {self.d} numbers of noise and a caption, got {shape}")
        self.reader.build((shape[0] - self.d,), rng, dtype)

    def moments(self, words):
        """μ and ln σ², (n, words) -> (n, d) each."""
        y = self.reader(words)
        return y[:, :self.d], y[:, self.d:]

    def forward(self, x):
        mean, log_variance = self.moments(x[:, self.d:])
        return mean + exp(log_variance * 0.5) * x[:, :self.d]


def divergence(mean, log_variance):
    """The mean over all numbers of KL(N(μ, σ²) || N(0, 1)) = (μ² + σ² - ln σ² - 1) / 2, in nats."""
    return ((mean * mean + exp(log_variance) - log_variance - 1) * 0.5).mean()


class Beside(Layer):
    """Two networks side by side: the last `last` numbers of x go through `right`, all others through `left`.

    (k + last,) -> (a + b,), for vectors (a,) and (b,). If `left` makes an image (h, w, a), the vector of `right` is repeated at
    each of its pixels: (h, w, a + b).
    """

    def __init__(self, left, right, last):
        self.left, self.right, self.last = Sequential(*left), Sequential(*right), last

    def build(self, shape, rng, dtype):
        """The parameters of both."""
        if len(shape) != 1 or shape[0] < self.last:
            raise InputError(f"expected vectors of at least {self.last} numbers, got {shape}")
        self.left.build((shape[0] - self.last,), rng, dtype)
        self.right.build((self.last,), rng, dtype)

    def forward(self, x):
        left, right = self.left(x[:, :-self.last]), self.right(x[:, -self.last:])
        if left.ndim == 4:
            n, h, w, _ = left.shape
            right = broadcast_to(right.reshape(n, 1, 1, right.shape[1]), (n, h, w, right.shape[1]))
        return concatenate([left, right], -1)
