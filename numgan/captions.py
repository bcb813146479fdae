"""What a digit looks like, in words: "a bold seven leaning right".

An image's ink and slant are measured, and compared with those of MNIST's training digits of the same class. Of these, the
lightest third is thin and the heaviest third bold; likewise, a third leans left and a third right. A caption may say less: "a
seven". To a network, a caption is a row of word numbers. Read metrics.py next.
"""

import numpy as np

from .errors import InputError

WEIGHTS = "", "thin", "regular", "bold"
DIGITS = "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"
SLANTS = "", "leaning left", "standing upright", "leaning right"

# Of MNIST's 60,000 training digits, a row for each class: the first and the second tercile of `ink`; the first tercile, the
# median and the second tercile of `slant`.
INK = np.array([
    (0.1539, 0.1890), (0.0646, 0.0829), (0.1310, 0.1635), (0.1230, 0.1560), (0.1051, 0.1328),
    (0.1104, 0.1416), (0.1185, 0.1506), (0.0988, 0.1256), (0.1311, 0.1636), (0.1062, 0.1325)])
SLANT = np.array([
    (0.1194, 0.2096, 0.3122), (0.0842, 0.2125, 0.3561), (-0.0214, 0.0951, 0.2078), (-0.0511, 0.0472, 0.1589),
    (-0.0811, 0.0518, 0.1905), (0.0632, 0.1963, 0.3516), (-0.0688, 0.0261, 0.1213), (-0.0803, 0.0273, 0.1444),
    (0.0662, 0.1747, 0.2881), (-0.1079, 0.0052, 0.1099)])


# ---- what is measured


def ink(images):
    """Stroke mass: the mean ink per pixel, in [0, 1]. Float (n, H, W, 1) in [-1, 1] -> (n,)."""
    return (images.mean((1, 2, 3), dtype=np.float64) + 1) / 2


def slant(images):
    """The tangent of the angle between a digit's axis and the vertical, (n,): > 0 if it leans right. 0 without ink.

    From the second moments of the ink, -μ₁₁ / μ₀₂: how far it moves to the right per pixel upwards. Rows are counted downwards.
    """
    weights = (images[..., 0].astype(np.float64) + 1) / 2
    mass = np.maximum(weights.sum((1, 2)), 1e-9)
    y, x = np.indices(weights.shape[1:])
    dy, dx = (axis - ((weights * axis).sum((1, 2)) / mass)[:, None, None] for axis in (y, x))
    return -(weights * dx * dy).sum((1, 2)) / np.maximum((weights * dy**2).sum((1, 2)), 1e-9)


def traits(images, labels):
    """What can be said of digits: images float (n, H, W, 1) in [-1, 1], labels 0 … 9 -> integers (n, 3).

    A row has the positions of its words in WEIGHTS, DIGITS and SLANTS. InputError for other labels.
    """
    if not np.isin(labels, np.arange(10)).all():
        raise InputError(f"traits: expected labels 0 … 9, got {np.min(labels)} … {np.max(labels)}")
    weight = 1 + (ink(images)[:, None] > INK[labels]).sum(1)
    lean = 1 + (slant(images)[:, None] > SLANT[labels][:, [0, 2]]).sum(1)
    return np.stack([weight, labels, lean], 1).astype(np.int64)


# ---- what is said


def caption(weight, digit, lean):
    """The sentence that has these words of WEIGHTS, DIGITS and SLANTS, given by their positions."""
    said = " ".join(filter(None, (WEIGHTS[weight], DIGITS[digit], SLANTS[lean])))
    return f"{'an' if said[0] in 'aeiou' and not said.startswith('one') else 'a'} {said}"


SENTENCES = {caption(weight, digit, lean): (weight, digit, lean)
             for digit in range(10) for weight in range(4) for lean in range(4)}
VOCABULARY = ["", *sorted({word for sentence in SENTENCES for word in sentence.split()})]  # number 0 is no word
LENGTH = max(len(sentence.split()) for sentence in SENTENCES)
_NUMBERS = np.zeros((4, 10, 4, LENGTH), np.int64)
for _sentence, _words in SENTENCES.items():
    _NUMBERS[_words][:len(_sentence.split())] = [VOCABULARY.index(word) for word in _sentence.split()]


def numbers(described):
    """The word numbers of captions: traits (n, 3) -> integers (n, LENGTH), positions in VOCABULARY, 0 after the last word."""
    return _NUMBERS[tuple(np.transpose(described))]


def check_words(words, shape, where):
    """InputError unless these are word numbers, integers of this shape."""
    words = np.asarray(words)
    if words.shape != shape or words.dtype.kind not in "iu":
        raise InputError(f"{where}: expected word numbers of captions, integers {shape}, got {words.dtype} {words.shape}")
    if not 0 <= words.min() <= words.max() < len(VOCABULARY):
        raise InputError(f"{where}: expected word numbers 0 … {len(VOCABULARY) - 1}, got {words.min()} … {words.max()}")


def parse(text):
    """The traits (3,) of a caption. InputError for a word that is not in VOCABULARY, or if the words are not a caption."""
    words = text.lower().split()
    for word in words:
        if word not in VOCABULARY:
            raise InputError(f"caption: unknown word {word!r:.40}; the words are {', '.join(VOCABULARY[1:])}")
    sentence = " ".join(words)
    if sentence not in SENTENCES:
        from difflib import get_close_matches  # not needed otherwise

        near = get_close_matches(sentence, SENTENCES, 1, 0) or ["a bold seven leaning right"]
        raise InputError("caption: expected a (thin | regular | bold) DIGIT (leaning left | standing upright | leaning right), "
                         f"of which only the digit must be there, such as {near[0]!r}; got {text!r:.80}")
    return np.array(SENTENCES[sentence])


def forget(described, rng, share=0.3):
    """Captions that say less: each weight and each slant is left out with probability `share`. Traits (n, 3) -> (n, 3)."""
    kept = rng.random((len(described), 3)) >= share
    kept[:, 1] = True
    return described * kept
