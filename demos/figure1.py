"""Figure 1 of Goodfellow et al. 2014, computed: how a generator's distribution becomes that of the data, in one dimension.

Black dots: the density p_data of real numbers, a normal distribution. Green: p_g, that of the numbers G(z). Blue: D(x), what D
has learnt. Dashed: D*(x) = p_data(x) / (p_data(x) + p_g(x)), the best D for this G (their Proposition 1). Arrows: where G
sends codes z; between two of them lie equally many. JSD is the Jensen-Shannon divergence of p_data and p_g, from 0 for equal
distributions to ln 2 = 0.693 nats for distributions without overlap. With the best D, it is what a G that minimises
ln(1 - D(G(z))) minimises (Theorem 1). Here G maximises ln D(G(z)): the goal, p_g = p_data, is the same, the gradient larger.

--broken shows how it goes wrong: D is trained first, and G then minimises ln(1 - D(G(z))) by plain gradient descent. D is so
sure of itself that G's gradient is nearly 0, and G stays where it is. (Adam would hide this: it divides by the gradients'
size.)

python demos/figure1.py    (see --help)
"""

import argparse
from pathlib import Path
from statistics import NormalDist

import numpy as np

from numgan import SGD, Adam, Dense, LeakyReLU, LinearDecay, Sequential, Tanh, Tensor, console, no_grad, plotting
from numgan.console import SEED, folder
from numgan.games.crossentropy import CrossEntropy

BATCH, START, HEAD_START = 512, 5.0, 1000  # START: the middle of p_g before training; HEAD_START: D's steps with --broken
REAL = NormalDist(0, 1)  # p_data; p_z is the same, as it happens
EDGES = np.linspace(-4, 8, 481)
X = ((EDGES[1:] + EDGES[:-1]) / 2).astype(np.float32)[:, None]  # (bins, 1)
CODES = np.array([[REAL.inv_cdf(share)] for share in np.linspace(1e-6, 1 - 1e-6, 4001)], np.float32)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--broken", action="store_true", help="train D first, then use the saturating loss: G does not learn")
    add("--quick", action="store_true", help="fewer steps and frames, coarser results")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--out", type=folder, help="folder for the pictures; default runs/figure1, or runs/figure1-broken")
    return parser.parse_args()


def real_shares():
    """The probability of each bin under p_data, and of what lies below and above all bins: (bins + 2,), sum 1."""
    return np.diff([REAL.cdf(x) for x in EDGES], prepend=0, append=1)


def fake_shares(numbers):
    """The same under p_g, from the numbers G(z) of the CODES.

    No samples are drawn. Between two neighbouring codes lies the same probability each time, and G is nearly straight: so that
    probability is spread evenly from one number to the next. This is the change of variables p_g(x) = sum of p_z(z) / |G'(z)|
    over all z with G(z) = x, integrated over a bin; G need not be monotone. With four times as many bins, or twice as many
    codes, the JSD at the end differs by less than 0.0001 nats; while p_g is narrow, by up to 0.01.
    """
    low, high = np.sort([numbers[:-1, 0], numbers[1:, 0]], 0).astype(float)
    below = np.clip((EDGES[:, None] - low) / np.maximum(high - low, 1e-12), 0, 1).mean(1)  # of each edge
    return np.diff(below, prepend=0, append=1)


def jensen_shannon(p, q):
    """½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q) / 2, in nats, of shares p and q (k,): 0 … ln 2."""
    m = (p + q) / 2
    return sum((a[a > 0] * np.log(a[a > 0] / m[a > 0])).sum() for a in (p, q)) / 2


class Players:
    """G and D, networks with one number in and one out, and the two steps of the game. D's output is a logit."""

    def __init__(self, seed, steps, broken):
        self.rng = np.random.default_rng(seed)
        options = dict(input_shape=(1,), rng=self.rng)
        self.G = Sequential(Dense(32), Tanh(), Dense(32), Tanh(), Dense(1), **options)  # smooth, and so is p_g
        self.D = Sequential(Dense(32), LeakyReLU(), Dense(32), LeakyReLU(), Dense(1), **options)
        self.G.parameters()[-1].data[:] = START  # the bias of the last layer
        self.losses = CrossEntropy("saturating" if broken else "non-saturating")
        self.d_optimizer = Adam(self.D.parameters(), LinearDecay(0.01, steps + HEAD_START * broken, hold=0), beta1=0)
        self.g_optimizer = (SGD(self.G.parameters(), 0.01) if broken else
                            Adam(self.G.parameters(), LinearDecay(0.001, steps, hold=0), beta1=0))

    def numbers(self):
        """BATCH numbers from the standard normal distribution, (BATCH, 1): data for D, codes for G."""
        return self.rng.standard_normal((BATCH, 1)).astype(np.float32)

    def d_step(self):
        """D tells real numbers from fake ones."""
        fake = self.G(self.numbers()).detach()
        self.d_optimizer.minimize(self.losses.d_loss(self.D(self.numbers()), self.D(fake), None))

    def g_step(self):
        """G makes D take fake numbers to be real."""
        with self.D.frozen():
            y = self.D(self.G(self.numbers()))
        self.g_optimizer.minimize(self.losses.g_loss(y, None))

    def state(self, step):
        """What a frame shows, as a dict: densities and D on X, numbers G(z) of a few codes, the two measures."""
        with no_grad():
            fake, d = self.G(Tensor(CODES)).data, self.losses.score(self.D(Tensor(X)).data[:, 0])
        p, q, width = real_shares(), fake_shares(fake), EDGES[1] - EDGES[0]
        both = (p + q)[1:-1]
        best = np.divide(p[1:-1], both, out=np.full(len(X), np.nan), where=both > 1e-5)  # unknown where neither ever lies
        seen = both > 0.01 * both.max()
        return {"step": step, "p_data": p[1:-1] / width, "p_g": q[1:-1] / width, "d": d, "best": best,
                "codes": CODES[100::200, 0], "fake": fake[100::200, 0],
                "jsd": jensen_shannon(p, q), "gap": np.abs(d - best)[seen].mean()}


def play(seed, steps, moments, broken):
    """The states of a game at these steps, in order. With `broken`, D's head start comes before step 0."""
    players = Players(seed, steps, broken)
    for _ in range(HEAD_START if broken else 0):
        players.d_step()
    for step in range(steps + 1):
        if step in moments:
            yield players.state(step)
        players.d_step()
        players.g_step()


def draw(figure, state, legend=True):
    """One frame in a figure or subfigure: densities and D above, the map z -> x below, the measures under them."""
    top, bottom = figure.subplots(2, height_ratios=(3, 1), sharex=True)
    top.plot(X[::10], state["p_data"][::10], "o", color="black", markersize=3, label="p_data")
    top.plot(X, state["p_g"], color="#009E73", linewidth=2, label="p_g")
    top.plot(X, state["d"], color="#0072B2", linewidth=2, label="D")
    top.plot(X, state["best"], "--", color="#D55E00", linewidth=1.5, label="D*")
    top.set(xlim=(EDGES[0], EDGES[-1]), ylim=(-0.03, 1.2), yticks=(0, 0.5, 1))
    if legend:
        top.legend(loc="upper left", ncols=4, fontsize="small", frameon=False, columnspacing=1, handlelength=1.6)
    for z, x in zip(state["codes"], state["fake"], strict=True):
        bottom.annotate("", (x, 1), (z, 0), arrowprops={"arrowstyle": "->", "color": "#009E73", "linewidth": 0.8})
    bottom.set(ylim=(0, 1), yticks=(0, 1), yticklabels=("z", "x"),
               xlabel=f"step {state['step']:,}:  JSD {state['jsd']:.3f} nats,  mean |D - D*| {state['gap']:.3f}")
    bottom.spines[["left", "right"]].set_visible(False)


def main():
    """Settings, game, pictures."""
    args = arguments()
    out = args.out or Path("runs", "figure1-broken" if args.broken else "figure1")
    steps, frames = (200, 2) if args.quick else (300, 10) if args.broken else (1000, 22)
    moments = np.unique(np.rint(steps * np.linspace(0, 1, frames) ** 2).astype(int))  # most of it happens early
    from matplotlib.figure import Figure  # slow to import

    states, pictures = [], []
    for state in play(args.seed, steps, moments, args.broken):
        figure = Figure(figsize=(4.2, 3.4), layout="constrained")
        draw(figure, state)
        pictures.append(out / "frames" / f"step_{state['step']:06d}.png")
        plotting.save_figure(pictures[-1], figure)
        states.append(state)
        print("step {step:5,}   JSD {jsd:.4f} nats   mean |D - D*| {gap:.4f}".format(**state), flush=True)
    plotting.save_gif(out / "figure1.gif", pictures, fps=6)
    chosen = np.unique(np.linspace(0, len(states) - 1, 4).astype(int))
    figure = Figure(figsize=(4 * len(chosen), 4), layout="constrained")
    for i, part in zip(chosen, figure.subfigures(1, len(chosen)), strict=True):
        draw(part, states[i], legend=i == 0)
    plotting.save_figure(out / "figure1.png", figure, dpi=75)
    print(f"{out / 'figure1.png'}, {out / 'figure1.gif'}")


if __name__ == "__main__":
    console.run(main)
