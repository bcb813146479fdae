"""Derivatives by hand: eight exercises, to be checked with `python demos/exercises.py`.

Every function gets inputs and computes a value from them. You write the gradients. In the copy that the script makes for you,
"..." stands where they belong: replace it, with as many lines as you like, and run the script again. In demos/solutions.py
they are filled in.

    y, loss   the value, a function of the inputs. The code for it is given
    g         dL/dy, of y's shape: how fast the loss L changes with each element of y. It has been computed already, on the
              way back from L. Where the value is the loss itself, g is 1, and is left out
    dx        dL/dx, which you write: how fast L changes with each element of x. It has x's shape

One way finds all of them. A small change dx in the input changes the value by dy, and so L by <g, dy>, the sum of all products
of corresponding elements. Write dy in terms of dx, and bring everything else to the left of the comma: then what stands on the
left is dL/dx. For y = x², dy = 2x dx, so dL = <g, 2x dx> = <2x g, dx>, and dL/dx = 2x g. Where an element of x reaches several
elements of y, it gets the sum of what comes back from each.

Only NumPy is needed. All arrays are float64.
"""

import numpy as np


def softplus(x, g):
    """y = ln(1 + eˣ), element by element; x, y, g (n, m).

    The ordinary derivative of a function of one number, and the chain rule. In numgan: `softplus` in numgan/ops.py.
    """
    y = np.log(1 + np.exp(x))
    # your turn: dx
    dx = g / (1 + np.exp(-x))
    # done
    return y, dx


def matmul(x, w, g):
    """y = x w, a matrix product: x (n, k), w (k, m), y and g (n, m).

    Written out, y[i, j] = Σ x[i, l] w[l, j] over l. Which elements of y does x[i, l] reach? Look at the shapes, too.
    In numgan: `matmul` in numgan/ops.py.
    """
    y = x @ w
    # your turn: dx, dw
    dx = g @ w.T
    dw = x.T @ g
    # done
    return y, dx, dw


def row_max(x, g):
    """y = the largest element of each row: x (n, m), y and g (n,).

    Only the largest element of a row reaches y. By numgan's convention, equal ones share g equally: two get half each.
    In numgan: `max` in numgan/ops.py.
    """
    y = x.max(axis=1)
    # your turn: dx
    largest = x == y[:, None]
    dx = largest * (g / largest.sum(axis=1))[:, None]
    # done
    return y, dx


def softmax_cross_entropy(x, labels):
    """loss = the mean over the rows of -ln p[label], with p = eˣ / Σ eˣ: logits x (n, classes), labels (n,) integers.

    Write -ln p[label] as ln Σ eˣ - x[label], and take the derivative of each of the two. The value is the loss itself, so there
    is no g. In numgan: `softmax_cross_entropy` in numgan/losses.py.
    """
    rows = np.arange(len(x))
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    loss = -np.log(p[rows, labels]).mean()
    # your turn: dx
    dx = p.copy()
    dx[rows, labels] -= 1
    dx /= len(x)
    # done
    return loss, dx


def conv2d(x, w, g):
    """A convolution without padding: images x (N, H, W, C), kernels w (kh, kw, C, F), y and g (N, OH, OW, F).

    y[n, i, j, f] = Σ x[n, i + a, j + b, c] w[a, b, c, f] over the places a, b in the kernel and the channels c.
    Only dw is asked for.    In numgan: `correlate_adjoint_w` in numgan/conv.py.
    """
    kh, kw = w.shape[:2]
    oh, ow = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    y = np.zeros((len(x), oh, ow, w.shape[3]))
    for a in range(kh):
        for b in range(kw):
            y += x[:, a:a + oh, b:b + ow] @ w[a, b]  # (N, OH, OW, C) @ (C, F)
    # your turn: dw
    dw = np.zeros(w.shape)
    for a in range(kh):
        for b in range(kw):
            dw[a, b] = np.einsum("nijc,nijf->cf", x[:, a:a + oh, b:b + ow], g)
    # done
    return y, dw


def batch_norm(x, gamma, beta, g):
    """y = γ x̂ + β with x̂ = (x - mean) / σ, column by column: x, y, g (n, channels), gamma and beta (channels,).

    Every element of a column moves its mean and its σ, and through them all other elements of the column. Begin with dbeta.
    In numgan: `batch_norm` in numgan/norm.py.
    """
    mean = x.mean(axis=0)
    sigma = np.sqrt(((x - mean) ** 2).mean(axis=0) + 1e-3)  # the 1e-3 keeps a constant column from dividing by 0
    xhat = (x - mean) / sigma
    y = gamma * xhat + beta
    # your turn: dbeta, dgamma, dx
    dbeta = g.sum(axis=0)
    dgamma = (g * xhat).sum(axis=0)
    dx = gamma / sigma * (g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0))
    # done
    return y, dbeta, dgamma, dx


def d_loss(real, fake):
    """The discriminator's loss in a GAN, from its logits for real images, (n, 1), and for fakes, (m, 1).

    D = 1 / (1 + e^-logit) is how probable it is, to the discriminator, that an image is real. The loss is the mean of -ln D
    over the real images plus the mean of -ln(1 - D) over the fakes. In numgan: `CrossEntropy` in numgan/games/crossentropy.py.
    """
    loss = np.log(1 + np.exp(-real)).mean() + np.log(1 + np.exp(fake)).mean()
    # your turn: dreal, dfake
    dreal = -1 / (1 + np.exp(real)) / len(real)
    dfake = 1 / (1 + np.exp(-fake)) / len(fake)
    # done
    return loss, dreal, dfake


def g_step(z, w, b, v, c, u):
    """The generator's step of a GAN: G draws `fake` from codes z, and learns from what D says about it.

        G   fake = tanh(z w + b)             z (n, codes), w (codes, pixels), b (pixels,)
        D   logits = tanh(fake v + c) u      v (pixels, hidden), c (hidden,), u (hidden, 1)
        L   loss = the mean of -ln D(G(z)) with D = 1 / (1 + e^-logits), which is the mean of ln(1 + e^-logits)

    The gradient flows back from the loss through D to the fake images, and through G to w and b. D is frozen in this step: v, c
    and u pass the gradient on, and nobody asks for their own. In numgan: `g_step` in numgan/games/gan.py.
    """
    fake = np.tanh(z @ w + b)
    hidden = np.tanh(fake @ v + c)
    logits = hidden @ u
    loss = np.log(1 + np.exp(-logits)).mean()
    # your turn: dlogits, dfake, dw, db
    dlogits = -1 / (1 + np.exp(logits)) / logits.size
    dhidden = dlogits @ u.T
    dfake = (dhidden * (1 - hidden**2)) @ v.T
    before_tanh = dfake * (1 - fake**2)
    dw = z.T @ before_tanh
    db = before_tanh.sum(axis=0)
    # done
    return loss, dlogits, dfake, dw, db
