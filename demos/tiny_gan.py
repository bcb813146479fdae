"""The smallest GAN: two networks, numbers instead of images. It takes three seconds: python demos/tiny_gan.py

G turns noise into numbers that should be distributed like the data, and D learns to tell the two apart. When D can do no better
than guess, its loss is 2 ln 2 = 1.386 and G's is ln 2 = 0.693.
"""

import numpy as np

from numgan import Adam, Dense, LeakyReLU, LinearDecay, Sequential, bce_with_logits

STEPS, BATCH = 1500, 256
rng = np.random.default_rng(0)


def data(n):
    """n real numbers, (n, 1): half of them around -2, half around 2, with standard deviation 0.5."""
    return (rng.choice([-2, 2], (n, 1)) + 0.5 * rng.standard_normal((n, 1))).astype(np.float32)


def noise(n):
    """n codes z, (n, 2)."""
    return rng.standard_normal((n, 2)).astype(np.float32)


def network(inputs):
    """Two hidden layers and one output: G's number, or D's logit (above 0: it takes the number to be real)."""
    return Sequential(Dense(32), LeakyReLU(), Dense(32), LeakyReLU(), Dense(1), input_shape=(inputs,), rng=rng)


G, D = network(2), network(1)
# D's learning rate is higher than G's here: at equal rates, the fakes' peaks are often too narrow. (In DCGAN it is lower.)
# Both rates fall to 0 in the second half. beta1=0: no mean with earlier gradients, since the opponent has changed since then.
g_optimizer = Adam(G.parameters(), LinearDecay(0.001, STEPS), beta1=0)
d_optimizer = Adam(D.parameters(), LinearDecay(0.005, STEPS), beta1=0)

for step in range(1, STEPS + 1):
    # D's step: 1 for real numbers, 0 for fake ones. No gradient goes back to G: the fake numbers are detached.
    real, fake = data(BATCH), G(noise(BATCH)).detach()
    d_loss = bce_with_logits(D(real), 1) + bce_with_logits(D(fake), 0)
    d_optimizer.minimize(d_loss)

    # G's step: make D say 1. The gradient goes through D to the fake numbers and on into G. g_optimizer moves nothing in D,
    # so D's own gradients are not needed: frozen() saves that work.
    with D.frozen():
        g_loss = bce_with_logits(D(G(noise(BATCH))), 1)
    g_optimizer.minimize(g_loss)

    if step % 250 == 0:
        print(f"step {step:4}   loss of D {d_loss.item():.3f}   of G {g_loss.item():.3f}")

real, fake = data(10000), G(noise(10000)).data
edges = np.linspace(-4, 4, 17)
bars = [np.histogram(x, edges)[0] // 70 for x in (real, fake)]
print("\n     x   real                      fake")
for x, a, b in zip(edges[:-1] + 0.25, *bars, strict=True):
    print(f"{x:6.2f}   {'#' * a:25} {'#' * b}")
for name, x in ("real", real), ("fake", fake):
    below, above = x[x < 0], x[x > 0]
    print(f"{name}: mean {below.mean():5.2f} and {above.mean():.2f}, deviation {below.std():.2f} and {above.std():.2f}")
