"""What state is a run in? A few figures, and a table of five failures, each a rule over these figures.

Where G and D are in balance, D(x) = D(G(z)) = 1/2, and samples are as diverse as the data. A rule names a failure only if its
figures are far from that. Nothing is measured in the steps, so training is the same with and without a doctor: the losses and
D's scores are in the run's history, the samples are drawn at a snapshot, and how large the gradients were is known to Adam,
whose moments are their running means. Read latent.py next.
"""

from dataclasses import dataclass, field

import numpy as np

from . import metrics
from .games.crossentropy import Scored
from .games.gan import GAN
from .optim import Adam

COVERED = 30_000  # images that a run has seen before most figures mean anything: three times all of digits-10k
WINDOW = 100  # steps that a mean figure is taken over: one step's says little
DIGITS = 28, 28, 1  # the images that the classifier reads

# ---- the figures


@dataclass
class Figures:
    """What the rules look at. What a game does not have is NaN, and a comparison with NaN is never true.

    images          how many the run has seen
    d_real, d_fake  D(x) and D(G(z)): near 1 for what D takes to be real, near 0 for fake; only where G learns from these
                    scores. Means of the last WINDOW steps, as the losses
    d_loss, g_loss  the losses
    worst           the largest absolute value that either loss has had so far, as a mean of WINDOW steps; only of the
                    losses that are in numgan: what others sum up may be large
    real_label      the value that D(x) is trained towards
    saturating      whether G minimises ln(1 - D(G(z)))
    spread          diversity of samples, divided by the data's
    counts          how many of the samples the classifier takes for each digit, integers (10,), or None
    paths           G's and D's sums of learning rates so far. No weight has come much farther: an update of Adam is
                    usually about as large as the learning rate, or smaller (Kingma & Ba 2015, section 2.1)
    travels         the same, divided by the root mean square of the player's weights
    fading          |mean of G's last few gradients| / root mean square of the last thousand: Adam's m̂ and √v̂
    """

    images: int = 0
    window: int = WINDOW
    d_real: float = np.nan
    d_fake: float = np.nan
    d_loss: float = np.nan
    g_loss: float = np.nan
    worst: float = np.nan
    real_label: float = 1.0
    saturating: bool = False
    spread: float = np.nan
    counts: np.ndarray | None = None
    paths: dict = field(default_factory=lambda: {"G": np.nan, "D": np.nan})
    travels: dict = field(default_factory=lambda: {"G": np.nan, "D": np.nan})
    fading: float = np.nan


def examine(game, history, images, real, n=200):
    """The Figures of a game after `history` (as Run.history). n samples are drawn; `real` are data to compare with, or None."""
    seen = Figures(images, window=min(WINDOW, len(history)))
    known = isinstance(getattr(game, "losses", None), Scored)  # the losses' size means something
    scored = known and getattr(game, "objective", "") != "feature matching"
    for name in ("d_loss", "g_loss", *(("d_real", "d_fake") if scored else ())):
        if history and name in history[-1]:
            sums = np.cumsum([0.0, *(row[name] for row in history)])
            means = (sums[seen.window:] - sums[:-seen.window]) / seen.window
            setattr(seen, name, means[-1])
            if known and name.endswith("loss"):
                seen.worst = np.fmax(seen.worst, abs(means).max())
    if scored:
        seen.real_label = game.losses.real_label
        seen.saturating = getattr(game, "objective", "") == "saturating"
    if isinstance(game, GAN) and game.g_optimizer.t:
        for player, optimizer in {"G": game.g_optimizer, "D": game.d_optimizer}.items():
            weights = np.concatenate([p.data.reshape(-1) for p in optimizer.parameters])
            seen.paths[player] = path(optimizer)
            seen.travels[player] = seen.paths[player] / np.sqrt(np.mean(weights**2))
        seen.fading = fading(game.g_optimizer)
    if real is not None:
        samples, data = game.sample(n, np.random.default_rng(len(history))), metrics.diversity(real)
        seen.spread = metrics.diversity(samples) / data if data else np.nan  # a data set of one image has no diversity
        if samples.shape[1:] == DIGITS:
            seen.counts = metrics.digit_histogram(metrics.load_classifier().probabilities(samples))
    return seen


def draws_digits(game):
    """Whether a game's samples have the size of digits, so that the classifier can read them."""
    return getattr(game, "draws", False) and game.image_shape == DIGITS


def path(optimizer):
    """The sum of an optimiser's learning rates over its steps."""
    t = int(optimizer.t)
    return float(sum(map(optimizer.lr, range(t)))) if callable(optimizer.lr) else optimizer.lr * t


def fading(optimizer):
    """|m̂| / |√v̂| over all parameters; 0 if no gradient was ever other than 0, NaN before the first step and without Adam."""
    if not isinstance(optimizer, Adam) or not optimizer.t:
        return np.nan
    m, v = (sum(float((moment.astype(np.float64)**power).sum()) for moment in moments)
            for moments, power in zip(optimizer.moments, (2, 1), strict=True))
    t = int(optimizer.t)
    return np.sqrt(m) / (1 - optimizer.beta1**t) / np.sqrt(v / (1 - optimizer.beta2**t)) if v else 0.0


# ---- the rules: each yields the signs that it finds, as pairs (what stays the same from snapshot to snapshot, evidence)


def divergence(seen):
    """A loss is above 200, or was and G has not recovered.

    At a cross-entropy of 200, the probability whose logarithm is taken is e⁻²⁰⁰, which is 0 as a float32.
    """
    if seen.worst > 200 and (max(abs(seen.d_loss), abs(seen.g_loss)) > 200 or [*collapse(seen)]):
        yield "loss", f"the largest loss was {seen.worst:.3g}, a mean of {seen.window} steps"


def no_learning(seen):
    """A player's weights cannot have changed by more than a tenth of their size."""
    for name, travel in seen.travels.items():
        if travel < 0.1:
            yield name, f"{name}'s weights cannot have changed by much more than {100 * travel:.1g} % so far"


def saturation(seen):
    """G's gradient has vanished.

    With the saturating objective, dL/d(logit) is -D(G(z)) / n (see CrossEntropy.g_loss). In any game, a gradient far below
    its own root mean square over the past steps moves hardly anything: Adam divides by that.
    """
    if seen.saturating and seen.d_fake < 0.01:
        yield "loss", f"D(G(z)) is {seen.d_fake:.1g}, and G's gradient is proportional to it"
    elif seen.fading < 1e-3:
        yield "gradient", f"G's gradient has fallen to {seen.fading:.1g} × its root mean square"


def strong_d(seen):
    """D is nearly always right: D(x) - D(G(z)) is near its largest value.

    This also happens when G has collapsed: D easily tells one image, drawn again and again, from the data. Then D counts as
    the cause only if its steps were larger or more numerous than G's.
    """
    if seen.d_real - seen.d_fake > 0.9 * seen.real_label and (seen.paths["D"] > 2 * seen.paths["G"] or not [*collapse(seen)]):
        yield "D", f"D(x) is {seen.d_real:.2f} and D(G(z)) {seen.d_fake:.2f}, a mean of {seen.window} steps"


def collapse(seen):
    """G draws few kinds of images: a digit has less than an eighth of its share, or diversity is below half of the data's."""
    if seen.counts is not None:
        for digit in np.flatnonzero(seen.counts < seen.counts.sum() / 80).tolist():
            yield digit, f"few of {digit}"
    if seen.spread < 0.5:
        yield "alike", "samples are alike"


@dataclass(frozen=True)
class State:
    """A failure: the rule that finds it, what to try, and how many images a run must have seen before the rule applies."""

    rule: callable
    advice: str
    least: int = COVERED


STATES = {  # causes before their consequences: where several hold, the first is the one to treat
    "divergence": State(divergence, "much lower learning rates (0.0002, Radford et al. 2016)", least=0),
    "no learning": State(no_learning, "a higher learning rate for it (0.0002, Radford et al. 2016)"),
    "saturation": State(saturation, "the non-saturating objective (Goodfellow et al. 2014, section 3), lower learning rates"),
    "D is too strong": State(strong_d, "a lower learning rate for D than for G, or fewer steps"),
    "mode collapse": State(collapse, "lower learning rates, D's below G's, and beta1 = 0.5"),
}


def signs(seen):
    """(name of a state, sign) -> evidence, for all states that hold."""
    return {(name, sign): text for name, state in STATES.items() if seen.images >= state.least
            for sign, text in state.rule(seen)}


def diagnosis(found):
    """One line for the first state among `signs`, with its evidence, what else holds, and what to try; "" if there is none."""
    names = list(dict.fromkeys(name for name, _ in found))
    if not names:
        return ""
    evidence = ", ".join(text for (name, _), text in found.items() if name == names[0])
    also = f" (also: {', '.join(names[1:])})" if names[1:] else ""
    return f"looks like {names[0]}: {evidence}{also}; try {STATES[names[0]].advice}"


class Doctor:
    """`remarks` for training.train: what the classifier sees in samples of digits; and one line, if the run needs it.

    A sign is reported if the two previous snapshots had it, too: one sheet of `n` samples may miss a digit by chance. A run
    that misses fewer digits than two snapshots ago is learning, and has not collapsed. Other grey images can have the size of
    digits: with digits=False, no samples are drawn.
    """

    def __init__(self, n=200, digits=True):
        self.n, self.digits, self.before = n, digits, [{}, {}]

    def __call__(self, run):
        """The lines."""
        digits = self.digits and draws_digits(run.game)
        seen = examine(run.game, run.history, run.step * run.batches.size, run.batches.examples(self.n) if digits else None,
                       self.n)
        if seen.counts is not None:
            yield f"  {reading(seen)}"
        found, (older, newer) = signs(seen), self.before
        self.before = [newer, found]
        learning = missing(found) < missing(older)
        lasting = {key: text for key, text in found.items() if key in older and key in newer
                   and not (learning and key[0] == "mode collapse")}
        if lasting:
            yield f"  {diagnosis(lasting)}"


def missing(found):
    """How many digits are too rare."""
    return sum(isinstance(sign, int) for _, sign in found)


def reading(seen):
    """What the classifier sees, as text."""
    return (f"{seen.counts.sum()} samples classified as 0 … 9: {' '.join(map(str, seen.counts))}; "
            f"diversity {seen.spread:.2f} × that of real digits")
