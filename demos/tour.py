"""Learn backpropagation, one idea at a time: python demos/tour.py  (tour.py 4 starts at chapter 4)"""

import argparse
import ast
import io
import sys
import textwrap
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import tour_pictures as pictures

import numgan
from numgan import SGD, Adam, Parameter, Tensor, conv, conv2d, console
from numgan.console import whole
from numgan.files import atomic
from numgan.games import VanillaGAN
from numgan.graph import graph
from numgan.norm import batch_norm


# ---- how a page is written


def say(text):
    """Print a paragraph or more, without the indentation that it has here."""
    print(textwrap.dedent(text).strip("\n") + "\n")


def session(code, **names):
    """Print code as it would look at Python's prompt; run it; print what it prints. Returns all names that it has defined."""
    code = textwrap.dedent(code).strip()
    names = {**vars(numgan)} | {"np": np} | names
    for statement in ast.parse(code).body:
        first, *rest = code.splitlines()[statement.lineno - 1:statement.end_lineno]
        print(f"    >>> {first}", *(f"    ... {line}" for line in rest), sep="\n")
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(ast.Interactive([statement]), "tour.py", "single"), names)
        print(textwrap.indent(printed.getvalue(), "    "), end="")
    print()
    return names


def beside(*parts):
    """Print matrices and words side by side, words on the first line."""
    blocks = [[part] if isinstance(part, str) else [f"[ {row} ]" for row in aligned(part)] for part in parts]
    for i in range(max(map(len, blocks))):
        print("    " + "  ".join(f"{block[i] if i < len(block) else '':{len(block[0])}}" for block in blocks).rstrip())
    print()


def aligned(matrix):
    """The rows of a matrix as text of equal width."""
    texts = [[f"{value:g}" for value in row] for row in matrix]
    width = max(len(text) for row in texts for text in row)
    return ["  ".join(f"{text:>{width}}" for text in row) for row in texts]


def row(values, digits=2):
    """A vector as text."""
    return "(" + ", ".join(f"{value:.{digits}f}" for value in values) + ")"


# ---- the chapters: each prints its page and returns its picture, as a function, since drawing takes longer than reading


def slopes():
    """Slopes multiply"""
    x, w, h = 3.0, 2.0, 0.001
    a, L = w * x, (w * x) ** 2
    a2, L2 = (w + h) * x, ((w + h) * x) ** 2
    say(f"""
        Training a network asks one question for each of its numbers: if this one changes a little, by how
        much does the loss change? The loss L is one number that says how wrong the network is. Take a very
        small network, with an input x and a weight w:

            x = {x:g},   w = {w:g},   a = w · x = {a:g},   L = a² = {L:g}

        Change w by {h}, and look at what happens on the way to L:

            w    {w:.3f} → {w + h:.3f}       change {h:.3f}
            a    {a:.3f} → {a2:.3f}       change {a2 - a:.3f}     {(a2 - a) / h:.3f} times that of w
            L   {L:.3f} → {L2:.3f}      change {L2 - L:.3f}    {(L2 - L) / (a2 - a):.3f} times that of a, {(L2 - L) / h:.3f} times that of w

        The factors are slopes, or derivatives, except for the last digits: those are there because the
        change is small, but not infinitely small. With the rules of calculus,

            da/dw = x = {x:g},     dL/da = 2a = {2 * a:g},     dL/dw = dL/da · da/dw = {2 * a:g} · {x:g} = {2 * a * x:g}

        This is the chain rule: the slopes of steps in a row multiply. The derivative of L with respect to a
        value is called the gradient of that value. To find all gradients, start at the end: the gradient of
        L itself is dL/dL = 1. Then go backward, and multiply with the slope of each step:

            L: 1       a: 1 · 2a = {2 * a:g}       w: {2 * a:g} · x = {2 * a * x:g}       x: {2 * a:g} · w = {2 * a * w:g}

        One walk back gives the gradients of all inputs. The experiment above had to be made once for each.
        In numgan, a Tensor is an array that remembers how it was computed, and `backward` is that walk:
        """)
    session("""
        x = Tensor(np.array(3.0), requires_grad=True)
        w = Tensor(np.array(2.0), requires_grad=True)
        a = w * x
        L = a**2
        L.backward()
        print(w.grad, x.grad)
        """)
    say("In the code: numgan/ops.py, `mul` and `power`. Each returns its value, and the slopes beside it.")
    return lambda: pictures.slopes(x, w)


def paths():
    """Paths add up"""
    X, W = 3.0, 2.0
    x, w = (Tensor(np.array(value), requires_grad=True) for value in (X, W))
    a = x * w
    L = a * x
    h = 0.001
    through_a, direct, both = (X + h) * W * X, X * W * (X + h), (X + h) * W * (X + h)
    say(f"""
        What if a value is used twice? Let a = x · w and L = a · x, again with x = {X:g} and w = {W:g}. So a = {a.item():g}
        and L = {L.item():g}. A change of x reaches L on two paths. Change x by {h}:

            only where a is computed        L changes by {through_a - L.item():.6f}
            only where L is computed        L changes by {direct - L.item():.6f}
            in both places                  L changes by {both - L.item():.6f}

        The two effects add up. (What is missing in the last digit is {h} · {h} · w: too small to matter.)
        So along a path slopes multiply, and where paths meet, gradients add up:

            x → a → L      slopes {W:g} and {X:g}        {W:g} · {X:g} = {W * X:g}
            x → L          slope {a.item():g}               {a.item():g}
                                                 ──
            dL/dx                                {2 * W * X:g}       check: L = w x², dL/dx = 2 w x = {2 * W * X:g}

        numgan prints the graph, with every value above what it was computed from:
        """)
    names = session("""
        a = x * w
        L = a * x
        print_graph(L, x=x, w=w, a=a, L=L)
        """, x=x, w=w)
    y, doublings = Tensor(np.array(1.0), requires_grad=True), 20
    for i in range(doublings):
        y = y + y
        drawn = y if i < 4 else drawn
    calls = sum(len(node.parents) for node in y._history())
    say(f"""
        In which order? The gradient of a must be complete before a hands it on to x. `backward` takes the
        youngest value first: whatever was computed from a value is younger than it, and has had its turn.

            L: gradient 1       gives a   3 · 1 = 3,    and x   6 · 1 = 6
            a: gradient 3       gives x   2 · 3 = 6 more, so 12,    and w   3 · 3 = 9

        No path is ever walked by itself: what arrives at a value is added, and handed on once. Double a number
        {doublings} times, y = y + y, and there are 2²⁰ = {2**doublings:,} paths from the first to the last. `backward` takes
        {calls} steps, two for each addition:
        """)
    session(f"""
        first = y = Tensor(np.array(1.0), requires_grad=True)
        for _ in range({doublings}):
            y = y + y
        y.backward()
        print(first.grad)
        """)
    say("In the code: numgan/tensor.py. Its first page is this example; `backward` has ten lines.")
    return lambda: pictures.paths(names["L"], {name: names[name] for name in "xwaL"}, drawn)


def vectors():
    """Many numbers at once, and why no Jacobian is built"""
    X, g = np.array([3.0, 5.0]), np.array([1.0, 2.0])
    J = np.diag(2 * X)
    n = 32 * 28 * 28 * 64
    say(f"""
        Networks work on arrays. The gradient of an array has the same shape: one derivative for each element.
        Let y = x², element by element, with x = (3, 5). Suppose that what comes after y is known already, and
        that its gradient is g = dL/dy = (1, 2). What is dL/dx?

        Small changes dy₁ and dy₂ change L by dL = 1 · dy₁ + 2 · dy₂. Such a sum of products is written <g, dy>.
        And dy = 2x dx, so dL = <g, 2x dx>. Move everything to the left of the comma until dx is alone:

            dL = <g, dy> = <g, 2x dx> = <2x g, dx>          so  dL/dx = 2x g = {row(2 * X * g, 0)}

        What dx is multiplied with is its gradient. This is how every derivative in numgan is found:
        write dy in terms of dx, and move everything else to the left. What comes out is a function of g, here
        g ↦ 2x g. It is called a vector-Jacobian product, vjp for short. Here is why. Textbooks write
        dy = J dx with the Jacobian J, a table with a row for each y and a column for each x:
        """)
    beside("J =", J, "    g =", g[:, None], "    Jᵀ g =", (J.T @ g)[:, None], "    = 2x g, without J")
    say(f"""
        J is nearly empty: y₁ depends on x₁ only. A layer's output for 32 images of 28 × 28 × 64 has {n:,}
        elements. For a function of each, J would have {n:,}² = {n * n:.2g} numbers, {4 * n * n / 1e12:.1f} TB. The vjp does the
        same with {n:,} multiplications. An op is its value, and a vjp for each input:
        """)
    session("""
        from numgan.tensor import from_op
        def square(x):
            X = x.data
            return from_op(X**2, (x, lambda g: 2 * X * g))

        x = Tensor(np.array([3.0, 5.0]), requires_grad=True)
        square(x).backward(np.array([1.0, 2.0]))
        print(x.grad)
        gradcheck(square, np.array([3.0, 5.0])) < 1e-6
        """)
    say("""
        `gradcheck` makes chapter 1's experiment for every element, and compares. Your turn: write softplus,
        y = ln(1 + eˣ). Find dy in terms of dx, replace two expressions in `square`, and ask gradcheck.

        In the code: numgan/ops.py, first page; then `softplus` there, the solution. numgan/gradcheck.py.
        """)
    rng = np.random.default_rng(0)
    return lambda: pictures.jacobian(rng.uniform(-2, 2, 16), rng.uniform(-2, 2, 16))


def matmul():
    """Matrix product: g Bᵀ and Aᵀ g"""
    A, B, g = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 0], [2, 1], [0, 3]]), np.array([[1.0, 2], [3, 4]])
    Y, h = A @ B, 0.001
    changed = A.copy()
    changed[0, 1] += h
    effect = ((changed @ B - Y) * g).sum()
    say("""
        A layer multiplies matrices: Y = A B, so yᵢⱼ = Σₖ aᵢₖ bₖⱼ. Again suppose that g = dL/dY is known:
        """)
    beside("A =", A, "   B =", B, "   Y = A B =", Y, "   g =", g)
    say(f"""
        First one element, by hand. Where does a₁₂ = {A[0, 1]:g} go? Row 1 of A makes row 1 of Y:

            y₁₁ = a₁₁ b₁₁ + a₁₂ b₂₁ + a₁₃ b₃₁          slope with respect to a₁₂: b₂₁ = {B[1, 0]:g}
            y₁₂ = a₁₁ b₁₂ + a₁₂ b₂₂ + a₁₃ b₃₂          slope with respect to a₁₂: b₂₂ = {B[1, 1]:g}

        Two paths, and they add up: dL/da₁₂ = g₁₁ b₂₁ + g₁₂ b₂₂ = {g[0, 0]:g} · {B[1, 0]:g} + {g[0, 1]:g} · {B[1, 1]:g} = {(g @ B.T)[0, 1]:g}. The experiment agrees:
        a change of a₁₂ by {h} changes L by {effect:.6f}. Now look at the indices: g's row 1 is multiplied with
        row 2 of B, which is column 2 of Bᵀ. So for all elements at once, dL/dA = g Bᵀ. By the same way,
        dL/dB = Aᵀ g.

        Then with the method of chapter 3. If A changes by dA, then Y changes by dA B, and

            dL = <g, dA B> = Σ gᵢⱼ dAᵢₖ bₖⱼ = Σ (Σⱼ gᵢⱼ bₖⱼ) dAᵢₖ = <g Bᵀ, dA>          sums over i, j, k

        A factor on the right moves over to the right of g, transposed. A factor on the left, as in
        dL = <g, A dB>, moves over to the left of g: <Aᵀ g, dB>. The shapes agree with nothing else:
        """)
    beside("dL/dA = g Bᵀ =", g @ B.T, "   dL/dB = Aᵀ g =", A.T @ g)
    session("""
        A, B = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
        (A @ B).backward(g)
        print(A.grad.tolist())
        print(B.grad.tolist())
        """, A=A, B=B, g=g)
    say("""
        Your turn: write matmul(a, b). `from_op` takes one pair (input, vjp) for each of the two inputs. Then
        gradcheck(matmul, A, B), with two arrays.

        In the code: numgan/ops.py, `matmul`: these two formulas are its two lambdas.
        """)
    return lambda: pictures.matmul(A, B, g)


def im2col():
    """Convolution is a matrix product of copies"""
    image, kernel, g = np.arange(1.0, 10).reshape(3, 3), np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 2], [3, 4]])
    no_padding = ((0, 0), (0, 0))
    patches = conv.im2col(image[None, :, :, None], (2, 2), (1, 1), no_padding).reshape(4, 4)
    y = (patches @ kernel.reshape(4)).reshape(2, 2)
    shares = np.outer(g, kernel)
    dx = conv.col2im(shares.reshape(1, 2, 2, 4), (3, 3), (2, 2), (1, 1), no_padding)[0, :, :, 0]
    counts = conv.col2im(np.ones((1, 2, 2, 4)), (3, 3), (2, 2), (1, 1), no_padding)[0, :, :, 0]
    say("""
        A convolution slides a small kernel over an image. At each place, it multiplies the pixels under it with
        its own numbers and adds up. A 2 × 2 kernel has four places in a 3 × 3 image:
        """)
    beside("image =", image, "   kernel =", kernel, "   y =", y)
    say(f"""
        For instance y₁₁ = {' + '.join(f'{p:g} · {k:g}' for p, k in zip(patches[0], kernel.ravel()))} = {y[0, 0]:g}. Four such sums are one matrix product, if the patch
        under each place is written down as a row. That copying is called im2col:
        """)
    beside("patches =", patches, "   · kernel as a column =", kernel.reshape(4, 1), "   y as a column =", y.reshape(4, 1))
    say("""
        So nothing is new: the product is that of chapter 4, and its vjps are known. With g = dL/dy, the kernel
        gets patchesᵀ g, and each number in the table of patches gets g times the kernel's number:
        """)
    beside("g =", g, "   gradient of the patches =", shares)
    say(f"""
        But the pixels are what we want. Pixel 5, in the middle, was copied into all four rows. Four copies are
        four paths, and paths add up: {' + '.join(f'{s:g}' for s in shares[patches == 5])} = {dx[1, 1]:g}. The corner pixel 1 was copied once: {dx[0, 0]:g}. Adding each
        number to where its pixel was copied from is called col2im:
        """)
    beside("copies of each pixel =", counts, "   dL/d(image) =", dx)
    session("""
        x, w = (Tensor(array, requires_grad=True) for array in (x, w))
        y = conv2d(x, w, padding="valid")
        y.backward(g)
        print(x.grad[0, :, :, 0].tolist())
        print(w.grad[:, :, 0, 0].tolist())
        """, x=image[None, :, :, None].copy(), w=kernel[:, :, None, None].copy(), g=g[None, :, :, None])
    say("""
        (conv2d takes images and kernels of any number, with any number of channels, so the arrays have four axes.)

        In the code: numgan/conv.py, `im2col`, `col2im` and `conv2d`. Each of the two is the other's transpose.
        """)
    return lambda: pictures.im2col(image, kernel, patches, y, g, shares, dx)


def normalisation():
    """Batch norm: two directions in which nothing flows back"""
    x, g = np.array([1.0, 2, 4, 5, 8]), np.array([2.0, -1, 1, 0, 3])
    mu, sigma = x.mean(), x.std()
    normal = lambda x: (x - x.mean()) / x.std()
    xhat = normal(x)
    mean, stretch = np.full(5, g.mean()), xhat * (g * xhat).mean()
    rest = g - mean - stretch
    say(f"""
        Batch norm takes one feature of all rows of a batch, and shifts and scales it to mean 0 and deviation 1:

            y = x̂ = (x - μ) / σ       x = {row(x, 0)},   μ = {mu:g},   σ = {sigma:.4f}       x̂ = {row(xhat)}

        Each y depends on every x, since μ and σ do. The derivation takes half a page, but its result can be
        seen beforehand. Two changes of x leave y as it is:

            shift:     x + 1                      y = {row(normal(x + 1))}
            stretch:   x + 0.1 · (x - μ)          y = {row(normal(x + 0.1 * (x - mu)))}

        If y does not change, neither does L, whatever comes after. A small shift is dx = (1, 1, 1, 1, 1) times
        a small number, a small stretch is dx = x̂ times one. So dL = <dL/dx, dx> must be 0 for both: dL/dx has
        no component along (1, 1, 1, 1, 1), and none along x̂. Batch norm's vjp removes both from g = dL/dy:

            g                              {row(g)}
            - mean(g)                      {row(-mean)}
            - x̂ · mean(g x̂)                {row(-stretch)}
            what is left                   {row(rest)}
            divided by σ: dL/dx            {row(rest / sigma)}

        (Why ÷ σ: x̂ changes 1/σ times as much as x.) numgan agrees, and the two components are gone:
        """)
    session("""
        x, one, zero = Tensor(x, requires_grad=True), Tensor(np.ones(1)), Tensor(np.zeros(1))
        y, mean, variance = batch_norm(x, one, zero, eps=0)
        y.backward(g)
        print(x.grad[:, 0].round(2) + 0.0)
        print(abs(x.grad.sum()) < 1e-9, abs((x.grad * y.data).sum()) < 1e-9)
        """, x=x[:, None].copy(), g=g[:, None], batch_norm=batch_norm, abs=np.abs)
    say("""
        `one` and `zero` are γ and β, with which batch norm scales and shifts the result: y = γ x̂ + β. They are
        trained. eps is a small number, by default 0.001, added to σ² so that nothing is divided by 0.

        A consequence: a bias just before a batch norm is a shift. Its gradient is always 0, so it never learns.

        In the code: numgan/norm.py. The half page is the docstring of `batch_norm`.
        """)
    return lambda: pictures.batch_norm(g, mean, stretch, rest)


def valley():
    """What to do with a gradient: SGD and Adam in a narrow valley"""
    steep, steps, start = 50.0, 60, (-9.0, 1.0)
    scales = Tensor(np.array([1.0, steep]))

    def walk(optimizer, turn=0.0, **options):
        c, s = np.cos(turn), np.sin(turn)
        R = np.array([[c, -s], [s, c]])
        p = Parameter((R @ start)[None])
        points, minimizer = [p.data[0].copy()], optimizer([p], **options)
        for _ in range(steps):
            q = p @ Tensor(R)
            minimizer.minimize((q * q * scales).sum() * 0.5)
            points.append(p.data[0].copy())
        return np.array(points) @ R

    loss = lambda a, b: (a * a + steep * b * b) / 2
    best = 2 / (1 + steep)
    adam = dict(lr=0.5, beta1=0.5)
    sgd_walk, adam_walk = walk(SGD, lr=best), walk(Adam, **adam)
    final = lambda points: loss(*points[-1])
    say(f"""
        The gradient says in which direction the loss rises most. SGD (stochastic gradient descent) takes a step
        against it: p ← p - lr · g, with a learning rate lr that you choose. Take a loss like a narrow valley:

            L(a, b) = (a² + {steep:g} b²) / 2        gradient: (a, {steep:g} b)        start: a = {start[0]:g}, b = {start[1]:g}

        The gradient at the start is ({start[0]:g}, {steep * start[1]:g}): along b it is large although b is nearly right, and along a it is
        small although the way is long. One learning rate must serve both. One step multiplies a with
        1 - lr, and b with 1 - {steep:g} lr. So with lr > {2 / steep:g} b grows without end, and below that a creeps.
        The best is 2 / (1 + {steep:g}) = {best:.4f}: a is multiplied with {1 - best:.4f} in each step, and b with {1 - steep * best:.4f}.

        Adam keeps a moving average m of the gradients, and another one, v, of their squares, for each parameter
        by itself, and steps by lr · m / √v. In a direction where all gradients are large, √v is large, too. So a
        step does not depend on how steep it is: the first is lr, {adam['lr']:g}, in every direction.

                              SGD, lr {best:.4f}                Adam, lr {adam['lr']:g}, β1 {adam['beta1']:g}
            step       a        b           L             a        b           L""")
    for i in (0, 1, 2, 5, 10, 20, 40, 60):
        columns = "     ".join(f"{a:8.3f} {b:8.3f} {loss(a, b):11.3g}" for a, b in (sgd_walk[i], adam_walk[i]))
        print(f"    {i:>4}  {columns}")
    turned = final(walk(Adam, np.pi / 4, **adam))
    say(f"""

        Adam is not always better: its trick works for each parameter by itself, and this valley lies along an
        axis. Turn it by 45°, and Adam reaches {turned:.2g} in {steps} steps instead of {final(adam_walk):.2g}. SGD does not know about axes:
        {final(walk(SGD, np.pi / 4, lr=best)):.3g} as before.
        """)
    session("""
        p = Parameter(np.array([-9.0, 1.0]))
        optimizer = Adam([p], lr=0.5, beta1=0.5)
        optimizer.minimize((p * p * np.array([1.0, 50.0])).sum() * 0.5)
        print(p.data.round(6))
        """)
    say("In the code: numgan/optim.py, `Adam.update`, with the lines of the paper's Algorithm 1.")
    return lambda: pictures.valley(loss, {f"SGD, lr {best:.4f}": sgd_walk, f"Adam, lr {adam['lr']:g}, β1 {adam['beta1']:g}": adam_walk})


def frozen():
    """A generator learns through a frozen discriminator"""
    game, n = VanillaGAN(variant="minimal", rng=np.random.default_rng(0)), 8
    G, D = game.generator, game.discriminator
    z = game.latent(n)

    def loss(z):
        return game.losses.g_loss(D(G(z)), None)

    def vjps(loss):
        return sum(len(node.parents) for node in loss._history())

    everything, thawed = vjps(loss(Tensor(z, requires_grad=True))), vjps(loss(z))
    with D.frozen():
        recorded = loss(z)
    kept = vjps(recorded)
    weights = [p for p in D.parameters() if p.ndim == 2]
    saved = sum(n * p.size for p in weights)
    others = sum(n * p.size for p in G.parameters() if p.ndim == 2) + saved + n * G.parameters()[2].size
    say(f"""
        A GAN has two networks. The generator G turns random numbers z into an image, G(z). The discriminator D
        says how real an image looks. G's loss is small when D takes its images for real:

            L = loss(D(G(z)))

        So the gradient must flow through D, to the image, and into G. But in G's step only G may move, so D's
        weights need no gradients. In numgan, `with D.frozen():` around the computation does it. Every op calls
        `from_op` with one pair (input, vjp) per input, and `from_op` drops the pairs whose input needs no
        gradient. For the smallest GAN, two layers each, and {n} images:

            {everything:3}   vjps, if everything wanted its gradient, even the random numbers z
            {thawed:3}   since z is data
            {kept:3}   since D is frozen: {', '.join(f'D.{p.name}' for p in D.parameters())} have none
        """)
    before = {name: array.copy() for name, array in D.state().items()}
    session("""
        with D.frozen():
            L = game.losses.g_loss(D(G(z)), None)

        dropped = [box.title for box in graph(L, D=D) if box.kind == "frozen"]
        print(dropped)
        game.g_optimizer.minimize(L)
        print([p.grad is None for p in D.parameters()])
        print([p.grad is None for p in G.parameters()])
        """, D=D, G=G, z=z, game=game, graph=graph)
    same = all(np.array_equal(array, before[name]) for name, array in D.state().items())
    say(f"""
        Afterwards D is {'the same, bit for bit' if same else 'CHANGED'}, and G has moved. The vjps that were dropped are two additions and the
        two matrix products Aᵀ g for D's weights, {saved:,} multiplications of the walk's {others:,}: {saved / others:.0%} of
        the work, which nobody would have used.

        Three things are this one filter in `from_op`: freezing a network, detaching a value (D's own step takes
        G's images as data), and plain constants. No op has to know about any of them.

        Note that `minimize` stands outside the block: what counts is whether D was frozen when its ops were
        computed. A pair that was never recorded cannot be walked.

        In the code: numgan/tensor.py, `from_op`; numgan/games/gan.py, `g_step`. The picture is drawn by
        numgan.plotting.draw_graph; try it, and print_graph, on any value that you compute.
        """)
    return lambda: pictures.g_step(recorded, G=G, D=D)


CHAPTERS = [slopes, paths, vectors, matmul, im2col, normalisation, valley, frozen]


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Learn backpropagation, one idea at a time.", usage="%(prog)s [CHAPTER] [options]",
                                     epilog="chapters: " + "; ".join(f"{i} {c.__doc__}" for i, c in enumerate(CHAPTERS, 1)))
    add = parser.add_argument
    add("chapter", nargs="?", type=whole(1, len(CHAPTERS)), default=1, metavar="CHAPTER", help="where to start; default 1")
    add("--only", action="store_true", help="only this chapter")
    add("--quick", action="store_true", help="only the text, no pictures")
    add("--out", type=Path, default=Path("runs", "tour"), help="folder for the pictures; default runs/tour")
    return parser.parse_args()


def main():
    """Chapter after chapter; at a terminal, each waits for Enter."""
    args = arguments()
    last = args.chapter if args.only else len(CHAPTERS)
    for number in range(args.chapter, last + 1):
        chapter = CHAPTERS[number - 1]
        title = f"{number}. {chapter.__doc__}"
        print(f"\n{title}\n{'=' * len(title)}\n")
        draw = chapter()
        if not args.quick:
            path = args.out / f"{number}-{chapter.__name__}.png"
            figure = draw()
            with atomic(path) as temporary:
                figure.savefig(temporary)
            print(f"The picture: {path}")
        if number < last and sys.stdin and sys.stdin.isatty():
            try:
                input(f"\nEnter for chapter {number + 1}, Ctrl-C to stop ")
            except EOFError:
                return


if __name__ == "__main__":
    console.run(main, stopped="\nstopped; go on with: python demos/tour.py CHAPTER")
