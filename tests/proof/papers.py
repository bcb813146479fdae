"""The games under test, and their losses once more from the papers: complex-safe NumPy, independent of the package.

A game that is added to numgan.games.GAMES needs an entry in GAMES below (CycleGAN and CyCADA: cycles.py).
"""

from dataclasses import dataclass, field, replace

import numpy as np

from numgan.metrics import load_classifier

from . import reference as ref


@dataclass
class Played:
    """What a loss may be computed from.

    x, y, f    real and generated images, D's outputs for them, its last hidden layers
    labels, z  of the real images; codes of the generated ones
    k          the game's, if it has one
    more       whatever else its losses need
    """

    x_real: np.ndarray
    y_real: np.ndarray
    f_real: np.ndarray
    x_fake: np.ndarray
    y_fake: np.ndarray
    f_fake: np.ndarray
    labels: np.ndarray
    z: np.ndarray
    k: float
    more: dict = field(default_factory=dict)


@dataclass
class Losses:
    """A game's losses, Played -> number, complex-safe: its paper's, with the factors and variants that the game documents.

    figures: (as D's step was played, as G's was) -> what the log reports beside both losses, name -> number.
    """

    d: callable
    g: callable
    figures: callable


def scores(score, unlabelled=False):
    """Figures from `score`, D's outputs -> D(x): means, and shares on the right side of 1/2."""
    def figures(d, g):
        real = score(d.y_real[d.labels < 0] if unlabelled else d.y_real)
        fake, fooled = score(d.y_fake), score(g.y_fake)
        right = np.mean([p > 0.5 for p in real]), np.mean([not p > 0.5 for p in fake])
        return {"d_real": np.mean(real), "d_fake": np.mean(fake), "d_accuracy_real": right[0], "d_accuracy_fake": right[1],
                "d_accuracy": np.mean(right), "g_accuracy": np.mean([p > 0.5 for p in fooled])}

    return figures


def cross_entropy(scale=1.0, label=1.0, saturating=False):
    """-V and G's two objectives (Goodfellow et al. 2014)."""
    return Losses(lambda p: scale * (ref.bce_with_logits(p.y_real, label) + ref.bce_with_logits(p.y_fake, 0.0)),
                  lambda p: -ref.bce_with_logits(p.y_fake, 0.0) if saturating else ref.bce_with_logits(p.y_fake, 1.0),
                  scores(lambda y: ref.sigmoid(y[:, 0])))


def asked(p):
    """The classes that the codes ask for."""
    return np.argmax(p.z[:, -10:].real, 1)


def auxiliary_classes(label=1.0, saturating=False):
    """Source and class, in ACGAN's two losses: the first output is the source, the others the classes."""
    source = cross_entropy(0.5, label, saturating)

    def sources(p):
        return replace(p, y_real=p.y_real[:, :1], y_fake=p.y_fake[:, :1])

    def classes(y, labels):
        return ref.softmax_cross_entropy(y[:, 1:], labels)

    def figures(d, g):
        return scores(lambda y: ref.sigmoid(y[:, 0]))(d, g) | {
            "class_accuracy_real": np.mean(np.argmax(d.y_real[:, 1:], 1) == d.labels),
            "class_accuracy_fake": np.mean(np.argmax(d.y_fake[:, 1:], 1) == asked(d))}

    return Losses(lambda p: source.d(sources(p)) + 0.5 * (classes(p.y_real, p.labels) + classes(p.y_fake, asked(p))),
                  lambda p: source.g(sources(p)) + classes(p.y_fake, asked(p)), figures)


def eleven(y):
    """Ten logits, and that of "fake", which is fixed at 0."""
    return np.concatenate([y, np.zeros((len(y), 1))], 1)


def semi_supervised(feature_matching=True, label=1.0):
    """Salimans et al. 2016: p(fake) is the last of 11 softmax probabilities."""
    def fake(y):
        e = np.exp(eleven(y))
        return e[:, -1] / e.sum(1)

    def d_loss(p):
        known, unlabelled = p.labels >= 0, fake(p.y_real[p.labels < 0])
        return (ref.softmax_cross_entropy(p.y_real[known], p.labels[known]) - label * np.mean(np.log(1 - unlabelled))
                - (1 - label) * np.mean(np.log(unlabelled)) - np.mean(np.log(fake(p.y_fake))))

    def g_loss(p):
        if not feature_matching:
            return -np.mean(np.log(1 - fake(p.y_fake)))
        difference = p.f_fake.mean(0) - p.f_real[p.labels < 0].mean(0)
        return np.mean(difference * difference)

    def figures(d, g):
        known = d.labels >= 0
        right = np.argmax(d.y_real[known], 1) == d.labels[known]
        return scores(lambda y: 1 - fake(y), unlabelled=True)(d, g) | {"class_accuracy": np.mean(right)}

    return Losses(d_loss, g_loss, figures)


def conditional(label=1.0):
    """The same D. Of 11 softmax probabilities, G wants that of the class asked for to be 1."""
    base = semi_supervised(label=label)

    def figures(d, g):
        return base.figures(d, g) | {"class_accuracy_fake": np.mean(np.argmax(d.y_fake, 1) == asked(d))}

    return Losses(base.d, lambda p: ref.softmax_cross_entropy(eleven(p.y_fake), asked(p)), figures)


def reconstruction(gamma=0.95, k_step=0.05):
    """BEGAN's: L(x) = mean |x - D(x)|."""
    def error(x, y):
        return np.mean(ref.magnitude(x - y))

    def figures(d, g):
        real, balance = error(d.x_real, d.y_real), gamma * error(d.x_real, d.y_real) - error(g.x_fake, g.y_fake)
        return {"d_real": real, "d_fake": error(d.x_fake, d.y_fake), "k": np.clip(d.k + k_step * balance, 0, 1),
                "convergence": real + np.abs(balance)}

    return Losses(lambda p: error(p.x_real, p.y_real) - p.k * error(p.x_fake, p.y_fake), lambda p: error(p.x_fake, p.y_fake),
                  figures)


def least_squares(label=1.0):
    """LSGAN's."""
    return Losses(lambda p: ref.l2(p.y_real, label) + ref.l2(p.y_fake, 0.0), lambda p: ref.l2(p.y_fake, 1.0),
                  scores(lambda y: y[:, 0]))


def enlarging(weight=1e-3):
    """SRGAN's, with the digit classifier's first four convolutions in VGG's place; pixels range over 2."""
    values = load_classifier(np.float64).net.state()

    def features(x):
        for i, strides in ((0, 2), (3, 1), (6, 2), (9, 1)):
            normal = [values[f"{i + 1}_BatchNorm.{name}"] for name in ("gamma", "beta", "mean", "variance")]
            x = ref.relu(ref.batch_norm_eval(ref.conv2d(x, values[f"{i}_Conv2D.w"], strides), *normal))
        return x

    def content(p):
        return ref.l2(features(p.x_fake), features(p.x_real))

    adversarial = cross_entropy(0.5)
    return Losses(adversarial.d, lambda p: content(p) + weight * adversarial.g(p),
                  lambda d, g: adversarial.figures(d, g) | {"content": content(g),
                                                            "psnr": 20 * np.log10(2 / np.sqrt(ref.l2(g.x_fake, g.x_real)))})


def captioned(kl=1.0):
    """StackGAN's: a real image with another one's caption is as wrong as a fake one; KL to N(0, 1) for G."""
    def divergence(p):
        mean, log_variance = p.more["moments"]
        return np.mean((mean**2 + np.exp(log_variance) - 1 - log_variance) / 2)

    def figures(d, g):
        return scores(lambda y: ref.sigmoid(y[:, 0]))(d, g) | {"kl": divergence(g),
                                                               "d_wrong": np.mean(ref.sigmoid(d.more["y_wrong"]))}

    return Losses(lambda p: ref.bce_with_logits(p.y_real, 1.0) + (ref.bce_with_logits(p.y_fake, 0.0)
                                                                  + ref.bce_with_logits(p.more["y_wrong"], 0.0)) / 2,
                  lambda p: ref.bce_with_logits(p.y_fake, 1.0) + kl * divergence(p), figures)


SMALL = dict(size=8, width=2, latent_dim=5)

GAMES = {
    "DCGAN": [(SMALL | dict(average=0.9, categories=3), cross_entropy(0.5)),
              (SMALL | dict(objective="saturating", real_label=0.9, d_steps=2, average=None, categories=0, dropout=0.2,
                            channels=3),
               cross_entropy(0.5, 0.9, True))],
    "LSGAN": [(SMALL | dict(categories=1), least_squares()),
              (SMALL | dict(real_label=0.8, average=None, dropout=0.3, channels=3, categories=2), least_squares(0.8))],
    "SGAN": [(SMALL | dict(width=24), semi_supervised()),
             (SMALL | dict(width=24, objective="non-saturating", d_steps=2, channels=3, real_label=0.9),
              semi_supervised(feature_matching=False, label=0.9))],
    "FixMatchSGAN": [(SMALL | dict(width=24), semi_supervised())],
    "ConditionalSGAN": [(SMALL | dict(width=24), conditional()),
                        (SMALL | dict(width=24, d_steps=2, channels=3, real_label=0.9), conditional(0.9))],
    "ACGAN": [(SMALL | dict(average=0.9, channels=3), auxiliary_classes()),
              (SMALL | dict(d_steps=2, objective="saturating", real_label=0.9), auxiliary_classes(0.9, True))],
    "BEGAN": [(SMALL | dict(channels=3), reconstruction())],
    "SRGAN": [(SMALL | dict(blocks=1, average=0.9, adversarial=0.3), enlarging(0.3))],
    "StackGAN": [(SMALL | dict(caption_dim=3, kl=0.7, average=0.9), captioned(0.7)),
                 (SMALL | dict(stage=2, caption_dim=3, kl=0.7, d_steps=2, average=None), captioned(0.7))],
    "MixtureGAN": [(dict(width=16, scale=4.0), cross_entropy()),
                   (dict(width=16, objective="saturating", real_label=0.8), cross_entropy(1.0, 0.8, True))],
    "MixtureLSGAN": [(dict(width=16, pack=3, real_label=0.8), least_squares(0.8))],
    "VanillaGAN": [(dict(variant="minimal", objective="saturating", size=9, channels=3), cross_entropy(saturating=True)),
                   (dict(variant="shallow", size=8, real_label=0.7), cross_entropy(1.0, 0.7)),
                   (dict(variant="dense", size=8), cross_entropy(0.5, 0.9))],
}
