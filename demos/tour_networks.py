"""Chapters 5 to 7 of tour.py: gradients in networks, and what is done with them. The form is that of tour_gradients.py."""

import numpy as np
import tour_pictures as pictures
from tour_page import beside, row, say, session

from numgan import SGD, Adam, Parameter, Tensor, conv


def im2col():
    """A convolution is a matrix product of copies"""
    image, kernel, g = np.arange(1.0, 10).reshape(3, 3), np.array([[1.0, 2], [3, 4]]), np.array([[3.0, 0], [2, 1]])
    valid = ((0, 0), (0, 0))
    patches = conv.im2col(image[None, :, :, None], (2, 2), (1, 1), valid).reshape(4, 4)
    y = (patches @ kernel.reshape(4)).reshape(2, 2)
    back = lambda table: conv.col2im(table.reshape(1, 2, 2, 4), (3, 3), (2, 2), (1, 1), valid)[0, :, :, 0]
    shares = np.outer(g, kernel)
    dx = back(shares)
    first = " + ".join(f"{p:g} · {k:g}" for p, k in zip(patches[0], kernel.flat, strict=True))
    copies = " + ".join(f"{share:g}" for share in shares[patches == 5])
    say("""
        A convolution lays a small kernel on an image, multiplies each of the kernel's numbers by the pixel
        under it, and adds up the products. It does so in every place. A 2 × 2 kernel has four places in a
        3 × 3 image:
        """)
    beside("image =", image, "   kernel =", kernel, "   y =", y)
    say(f"""
        For instance, y₁₁ = {first} = {y[0, 0]:g}. The pixels under the kernel are a patch. Write down
        all patches as the rows of a table, and four sums become one matrix product. This is im2col:
        """)
    beside("patches =", patches, "   · kernel =", kernel.reshape(4, 1), "   = y =", y.reshape(4, 1))
    say("""
        Chapter 4 gave the gradients of a product. Write g, the gradient of y, and the kernel as columns. Then
        the gradient of the kernel is patchesᵀ g, and that of the table is g kernelᵀ. (Here patchesᵀ = patches:
        the kernel is as large as y, and its tap i at place j reads the same pixel as tap j at place i. In
        general, they differ.)
        """)
    column = g.reshape(4, 1)
    beside("g =", g, "  as a column:", column, "  patchesᵀ g =", patches.T @ column, "  g kernelᵀ =", shares)
    say(f"""
        But we want the gradient of the image. Pixel 5 has been copied into all four rows. Four copies are four
        paths, and paths add up: {copies} = {dx[1, 1]:g}. Pixel 1 has one copy, with gradient {dx[0, 0]:g}. col2im
        does this for all pixels: it adds every number of g kernelᵀ to the gradient of its pixel:
        """)
    beside("copies of each pixel =", back(np.ones((4, 4))), "   gradient of the image =", dx)
    say("""
        In numgan, images have four axes: image, row, column, channel. Kernels have row, column, input channel,
        output channel. padding="valid" means that no border is added to the image.
        """)
    session(f"""
        import numpy as np
        from numgan import Tensor, conv2d
        image = np.array({image.tolist()}).reshape(1, 3, 3, 1)
        kernel = np.array({kernel.tolist()}).reshape(2, 2, 1, 1)
        g = np.array({g.tolist()}).reshape(1, 2, 2, 1)
        x, w = Tensor(image, requires_grad=True), Tensor(kernel, requires_grad=True)
        conv2d(x, w, padding="valid").backward(g)
        print(x.grad.reshape(3, 3).tolist(), w.grad.reshape(4).tolist())
        """)
    say("""
        In the code: numgan/conv.py, `im2col` and `col2im`, and `conv2d`, which uses them.
        """)
    return lambda: pictures.im2col(image, kernel, patches, y, g, shares, dx)


def normalisation():
    """Batch norm: two directions in which nothing flows back"""
    x, g = np.array([1.0, 2, 4, 5, 8]), np.array([2.0, -1, 1, 0, 3])
    normal = lambda x: (x - x.mean()) / x.std()
    mu, sigma, xhat = x.mean(), x.std(), normal(x)
    mean, along = np.full(5, g.mean()), xhat * (g * xhat).mean()
    rest = g - mean - along
    say(f"""
        A network takes many examples at once: a batch, one example per row. Batch norm takes each column of it,
        and shifts and scales the column to mean 0 and standard deviation 1:

            x = {row(x, 0)}, a column of five rows: mean μ = {mu:g}, standard deviation σ = {sigma:.4f}
            y = (x - μ) / σ = {row(xhat)}, also called x̂

        Every y depends on every x, since μ and σ do. Still, most of the gradient can be seen without any
        calculation. Here are two changes in x that do not change y:

            shift:      x + 1                 y = {row(normal(x + 1))}
            stretch:    x + 0.1 · (x - μ)     y = {row(normal(x + 0.1 * (x - mu)))}

        A shift adds a multiple of e = (1, 1, 1, 1, 1), a stretch a multiple of x̂. Where y does not change, L
        does not. So dL = <dL/dx, dx> is 0 for dx = e and for dx = x̂. (For x̂, this is exact only if eps = 0, as on
        this page. eps is a small number that numgan adds to σ², so that nothing is divided by 0.)

        Now take any small change dx. Its parts along e and x̂ do not change y. Remove them, and call the rest P dx.
        A change dx changes μ by <e, dx> / 5 and σ by <x̂, dx> / 5. (σ² = mean((x - μ)²), so 2σ dσ = 2 mean((x - μ) dx);
        dμ drops out, since mean(x - μ) = 0.) For P dx both are 0, so dy = P dx / σ, and

            dL = <g, dy> = <g, P dx> / σ = <P g, dx> / σ,     so     dL/dx = P g / σ

        P may move to the left, since a part along e or x̂ adds nothing to the product with a vector that has no
        such part: <g, P dx> = <P g, P dx> = <P g, dx>. The part of g along a vector u is u · <g, u> / <u, u>. For
        u = e, this is mean(g) in every row. For u = x̂, it is x̂ · mean(g x̂), since <x̂, x̂> = {xhat @ xhat:g}, the number of
        rows. Remove both from g, which can be done separately, since <e, x̂> = 0:

            g                          {row(g)}
            - mean(g)                  {row(-mean)}
            - x̂ · mean(g x̂)            {row(-along)}
            P g                        {row(rest)}
            dL/dx = P g / σ            {row(rest / sigma)}

        numgan agrees. The sums <dL/dx, e> and <dL/dx, x̂> are 0, except for rounding. `batch_norm` returns γ x̂ + β,
        here with γ = 1 and β = 0:
        """)
    session(f"""
        import numpy as np
        from numgan import Tensor, batch_norm
        x = Tensor(np.array({x[:, None].tolist()}), requires_grad=True)
        gamma, beta = Tensor(np.ones(1)), Tensor(np.zeros(1))
        y, mean, variance = batch_norm(x, gamma, beta, eps=0)
        y.backward(np.array({g[:, None].tolist()}))
        print(x.grad[:, 0].round(2).tolist())
        print(abs(x.grad.sum()) < 1e-9, abs((x.grad * y.data).sum()) < 1e-9)
        """)
    say("""
        One consequence: a bias that is added just before batch norm is a shift. Its gradient is always 0.
        When training is over, batch norm uses running averages of μ and σ² instead of a batch's.

        In the code: numgan/norm.py. The docstring of `batch_norm` derives all this with eps.
        """)
    return lambda: pictures.batch_norm(g, mean, along, rest)


def valley():
    """What to do with a gradient: SGD and Adam in a narrow valley"""
    steep, steps, start = 50.0, 60, (-9.0, 1.0)
    best, adam = 2 / (1 + steep), dict(lr=0.5, beta1=0.5, beta2=0.999)
    loss = lambda a, b: (a * a + steep * b * b) / 2

    def walk(optimizer, turn=0.0, **options):
        """The points (a, b) on the way; `turn`: the angle between the valley and the axes of the parameters."""
        R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        p = Parameter((R @ start)[None])
        optimizer, points = optimizer([p], **options), [p.data @ R]
        for _ in range(steps):
            q = p @ Tensor(R)
            optimizer.minimize((q * q * np.array([1, steep])).sum() * 0.5)
            points.append(p.data @ R)
        return np.concatenate(points)

    by_sgd, by_adam = walk(SGD, lr=best), walk(Adam, **adam)
    turned = walk(SGD, np.pi / 4, lr=best), walk(Adam, np.pi / 4, **adam)
    last, turned_sgd, turned_adam = (loss(*points[-1]) for points in (by_adam, *turned))
    say(f"""
        The loss rises fastest in the direction of its gradient. SGD (stochastic gradient descent:
        in a network, each step sees only a random batch) takes a step in the opposite direction,
        p ← p - lr · g, with a learning rate lr that you choose. Take a loss like a
        long, narrow valley:

            L(a, b) = (a² + {steep:g} b²) / 2       gradient: (a, {steep:g} b)       start: a = {start[0]:g}, b = {start[1]:g}

        At the start the gradient is ({start[0]:g}, {steep * start[1]:g}): large along b, where the minimum
        is near, and small along a, where it is far. Each step multiplies a by 1 - lr and b by 1 - {steep:g}
        lr. If lr > {2 / steep:g}, b grows without end. The best choice makes both shrink equally fast: lr =
        2 / {1 + steep:g} = {best:.4f}, with factors {1 - best:.4f} and {1 - steep * best:.4f}. The second
        is negative: along b, every step goes too far, and ends on the other side of the valley. This is the
        zigzag in the picture.

        Adam (Kingma & Ba 2015) keeps two averages for each parameter: m of its gradients, and v of their squares.
        β1 and β2 say how slowly m and v forget old gradients. Both start at 0, so at first they are too small:
        (1 - β1) g and (1 - β2) g² after one step. Adam divides by these factors (after t steps, by 1 - β1ᵗ and
        1 - β2ᵗ). A step moves the parameter by -lr · m / √v. Where gradients are large, so is √v: what counts
        is not how large they are, but whether successive gradients have the same sign. (If not, they cancel in
        m.) In the first step m / √v is g / |g|, so each parameter moves by lr, against the sign of its
        gradient. Here lr and β1 are {adam['lr']}, which suits this valley, and β2 is {adam['beta2']}. A
        Parameter is a Tensor to be trained. `minimize` walks back from a loss and takes one step:
        """)
    session(f"""
        import numpy as np
        from numgan import Adam, Parameter
        p = Parameter(np.array({list(start)}))
        loss = (p * p * np.array([1.0, {steep}])).sum() * 0.5
        Adam([p], lr={adam['lr']}, beta1={adam['beta1']}, beta2={adam['beta2']}).minimize(loss)
        print(p.data.round(6).tolist())
        """)
    print(f"                  SGD, lr {best:.4f}                 Adam, lr {adam['lr']}, β1 {adam['beta1']}")
    print("    step        a        b         L           a        b         L")
    for i in (0, 1, 2, 5, 10, 20, 40, steps):
        columns = (f"{a:8.3f} {round(b, 3) + 0.0:8.3f} {loss(a, b):9.3g}" for a, b in (by_sgd[i], by_adam[i]))
        print(f"    {i:4}", "    ".join(columns))
    print()
    say(f"""
        Adam is not better everywhere. It scales each parameter by itself, and this valley lies along a parameter's
        axis. Turn the valley by 45 degrees: after {steps} steps Adam's loss is {turned_adam:.2g}, not {last:.2g}. SGD does not
        notice the turn: {turned_sgd:.3g}.

        In the code: numgan/optim.py, `SGD`, and `Adam`, whose comments number the lines of the paper's Algorithm 1.
        """)
    walks = {f"SGD, lr {best:.4f}": by_sgd, f"Adam, lr {adam['lr']}, β1 {adam['beta1']}": by_adam}
    return lambda: pictures.valley(loss, walks)
