"""Learn backpropagation, one idea at a time: python demos/tour.py  (tour.py 4 starts at chapter 4)"""

import argparse
import ast
import io
import re
import sys
import textwrap
from contextlib import redirect_stdout
from copy import deepcopy
from pathlib import Path

import numpy as np
import tour_pictures as pictures

from numgan import SGD, Adam, Parameter, Tensor, console, conv
from numgan.console import whole
from numgan.files import atomic
from numgan.games import VanillaGAN

# ---- how a page is written


def say(text):
    """Print paragraphs, lines of at most 100 characters, and formulas, which are indented, as they are."""
    for part in textwrap.dedent(text).strip("\n").split("\n\n"):
        if not part.startswith(" "):
            part = textwrap.fill(re.sub(r" ([-=·×+/<>]) ", "\xa0\\1\xa0", part), 100).replace("\xa0", " ")
        print(part, end="\n\n")


def session(code, **names):
    """Print code as it looks at Python's prompt, run it, print what it prints. Returns all names that it has defined."""
    code, names = textwrap.dedent(code).strip(), {"np": np, "Tensor": Tensor} | names
    for statement in ast.parse(code).body:
        first, *rest = code.splitlines()[statement.lineno - 1:statement.end_lineno]
        print(f"    >>> {first}", *(f"    ... {line}" for line in rest), sep="\n")
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(ast.Interactive([statement]), "tour.py", "single"), names)
        print(textwrap.indent(printed.getvalue(), "    "), end="")
    print()
    return names


def exercise(task, code):
    """Print a task, and a program in which the reader is to replace the dots."""
    say(f"Your turn. {task}")
    print(textwrap.indent(textwrap.dedent(code).strip(), "    ") + "\n")


def beside(*parts):
    """Print matrices and words side by side."""
    blocks = [[part] if isinstance(part, str) else aligned(part) for part in parts]
    for i in range(max(map(len, blocks))):
        print("    " + "  ".join(f"{block[i] if i < len(block) else '':{len(block[0])}}" for block in blocks).rstrip())
    print()


def aligned(matrix):
    """The rows of a matrix as texts of equal width."""
    width = max(len(f"{value:g}") for value in matrix.flat)
    return ["[ " + "  ".join(f"{value:{width}g}" for value in row) + " ]" for row in matrix]


def row(values, digits=2):
    """A vector as text."""
    return "(" + ", ".join(f"{round(float(value), digits) + 0.0:.{digits}f}" for value in values) + ")"


# ---- the chapters: each prints its page, and returns a function that draws its picture


def slopes():
    """Slopes multiply"""
    x, w, h = 3.0, 2.0, 0.001
    a, L = w * x, (w * x) ** 2
    da, dL = (w + h) * x - a, ((w + h) * x) ** 2 - L
    say(f"""
        To train a network is to change its numbers so that its errors get smaller. One number says how large
        they are: the loss, L. So for each of the other numbers we ask: if it changes a little, by how much
        does L change? Take a very small network, with one input, x, and one number to be trained, w. Its output
        a should be 0, and its loss is a²:

            x = {x:g},   w = {w:g},   a = w · x = {a:g},   L = a² = {L:g}

        Change w by {h}, and look at what happens on the way to L:

            w changes by {h:.3f}
            a changes by {da:.3f}, which is {da / h:.3f} times as much as w
            L changes by {dL:.3f}, which is {dL / da:.3f} times as much as a, and {dL / h:.3f} times as much as w

        These factors are slopes, or derivatives. (Nearly: their last digits are there because the change is
        small, but not infinitely small.) Calculus gives them exactly, and in a row they multiply:

            da/dw = x = {x:g},     dL/da = 2a = {2 * a:g},     dL/dw = dL/da · da/dw = {2 * a:g} · {x:g} = {2 * a * x:g}

        This is the chain rule. The derivative of L with respect to a value is called the value's gradient.
        To find all gradients, start at the end, with the gradient of L itself, dL/dL = 1. Then go backward,
        and multiply with the slope of each step:

            L: 1       a: 1 · 2a = {2 * a:g}       w: {2 * a:g} · x = {2 * a * x:g}       x: {2 * a:g} · w = {2 * a * w:g}

        One walk back finds the gradients of all numbers, be it two or a million, while the experiment must be
        repeated for each. In numgan, a Tensor is an array that remembers how it was computed, and its method
        `backward` is this walk. The gradients asked for by requires_grad=True are then in `grad`:
        """)
    session("""
        import numpy as np
        from numgan import Tensor
        x, w = Tensor(np.array(3.0), requires_grad=True), Tensor(np.array(2.0), requires_grad=True)
        a = w * x
        L = a**2
        L.backward()
        print(w.grad, x.grad)
        """)
    say("In the code: numgan/ops.py, `mul` and `power`. Each computes a value, and has its slopes beside it.")
    return lambda: pictures.slopes(x, w)


def paths():
    """Paths add up"""
    x, w, h = 3.0, 2.0, 0.001
    a, L = x * w, x * w * x
    first, second, both = (x + h) * w * x - L, a * (x + h) - L, (x + h) * w * (x + h) - L
    gradient, check = w * x + a, 2 * w * x
    say(f"""
        What if a value is used twice? Let a = x · w and L = a · x, with x = {x:g} and w = {w:g}. Then a = {a:g} and
        L = {L:g}. A change of x reaches L on two paths. Change x by {h}:

            only where a is computed       L changes by {first:.6f}
            only where L is computed       L changes by {second:.6f}
            in both places                 L changes by {both:.6f}

        The two changes add up. (The rest, {both - first - second:.6f}, vanishes beside them when the change gets smaller.)
        So slopes multiply along a path, and where paths meet, the products add up:

            x → a → L      slopes {w:g} and {x:g}      {w:g} · {x:g} = {w * x:g}
            x → L          slope {a:g}             {a:g}
            gradient of x                      {w * x:g} + {a:g} = {gradient:g}       check: L = w x², dL/dx = 2 w x = {check:g}

        `print_graph` shows every value, and the op that computed it, above what it was computed from. It makes
        the same walk as `backward` to find the gradients:
        """)
    leaf = lambda value: Tensor(np.array(value), requires_grad=True)
    names = session("""
        from numgan import print_graph
        a = x * w
        L = a * x
        print_graph(L, x=x, w=w, a=a, L=L)
        """, x=leaf(x), w=leaf(w))
    doublings, chain = 20, [leaf(1.0)]
    for _ in range(doublings):
        chain.append(chain[-1] + chain[-1])
    vjps = sum(len(node.parents) for node in chain)
    say(f"""
        Before a passes its gradient on to x, that gradient must be complete. What was computed from a is
        younger than a. So `backward` starts with the youngest value, and goes from younger to older:

            L, gradient 1:     a gets {x:g} · 1 = {x:g}.     x gets {a:g} · 1 = {a:g}
            a, gradient {x:g}:     w gets {x:g} · {x:g} = {x * x:g}.     x gets {w:g} · {x:g} = {w * x:g} more, so {gradient:g}

        It never walks a whole path: what arrives at a value is added up there, and passed on once. Replace y by
        y + y {doublings} times, and {2**doublings:,} paths lead back to the first y. `backward` takes {vjps} steps,
        two for each sum:
        """)
    session(f"""
        first = y = Tensor(np.array(1.0), requires_grad=True)
        for _ in range({doublings}):
            y = y + y

        y.backward()
        print(first.grad, 2**20)
        """)
    say("In the code: numgan/tensor.py. This example is on its first page, and `backward` is ten lines long.")
    return lambda: pictures.paths(names["L"], {name: names[name] for name in "xwaL"}, chain[4])


def vectors():
    """Many numbers at once, and why nobody builds the Jacobian"""
    X, g = np.array([3.0, 5.0]), np.array([1.0, 2.0])
    J, n = np.diag(2 * X), 32 * 28 * 28 * 64
    say(f"""
        Networks compute with arrays. The gradient of an array is an array of the same shape: one derivative
        for each element. Let y = x², element by element, with x = (3, 5). The walk back from L has reached y, and
        found its gradient g = dL/dy = {row(g, 0)}. What is the gradient of x?

        A gradient tells what a small change does: dL = g₁ dy₁ + g₂ dy₂. We write <g, dy> for such a sum of
        products. The slope of x² is 2x, so dy = 2x dx. Put this in, and move the 2x to the other side:

            dL = <g, dy> = <g, 2x dx> = Σ gᵢ · 2xᵢ · dxᵢ = <2x g, dx>

        Now dx stands alone, and what it is multiplied with is the gradient of x: dL/dx = 2x g = {row(2 * X * g, 0)}.
        All derivatives in numgan are found like this: write dy in terms of dx, and move the rest to the left.

        The result is a function of g, here g ↦ 2x g. It is called a vector-Jacobian product, vjp, since in
        textbooks dy = J dx, with the Jacobian J: a row for each element of y, a column for each of x.
        """)
    beside("J =", J, "    g =", g[:, None], "    Jᵀ g =", (J.T @ g)[:, None], "  = 2x g")
    say(f"""
        Where each y depends on one x only, J is all zeros except for its diagonal. 32 images of 28 × 28 × 64
        numbers, as inside a network, are {n:,} numbers. Their J has {n:,}² = {n * n:.2g}, which take {4 * n * n / 1e12:.1f} TB.
        The vjp needs the diagonal only, {4 * n / 1e6:.1f} MB. So an op gives `from_op` its value and a pair (input,
        vjp), and never a J. (A vjp keeps arrays, such as X = x.data, not Tensors.)
        """)
    session("""
        from numgan import gradcheck
        from numgan.tensor import from_op
        def square(x):
            X = x.data
            return from_op(X**2, (x, lambda g: 2 * X * g))

        x = Tensor(np.array([3.0, 5.0]), requires_grad=True)
        square(x).backward(np.array([1.0, 2.0]))
        print(x.grad)
        """)
    exercise("What is the vjp of softplus, ln(1 + eˣ)? Save this as a file, and replace the dots:", """
        import numpy as np
        from numgan import gradcheck
        from numgan.tensor import from_op

        def softplus(x):
            X = x.data
            return from_op(np.log(1 + np.exp(X)), (x, lambda g: ...))

        print(gradcheck(softplus, np.array([0.5, -1.0, 3.0])))
        """)
    say("""
        `gradcheck` repeats the experiment of chapter 1 for every element. It returns the largest relative error,
        less than 1e-6, or says which element is wrong. In the code: numgan/ops.py, first page and `softplus`.
        """)
    rng = np.random.default_rng(0)
    return lambda: pictures.jacobian(rng.uniform(-2, 2, 16), rng.uniform(-2, 2, 16))


def matmul():
    """The matrix product: g Bᵀ and Aᵀ g"""
    A, B, g = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 0], [2, 1], [0, 3]]), np.array([[1.0, 2], [3, 4]])
    h, Y, dA, dB = 0.001, A @ B, g @ B.T, A.T @ g
    changed = A + h * np.array([[0, 1, 0], [0, 0, 0]])
    effect = ((changed @ B - Y) * g).sum()
    say("A layer multiplies matrices, Y = A B: yᵢⱼ = Σₖ aᵢₖ bₖⱼ. The walk back has found g, the gradient of Y:")
    beside("A =", A, "   B =", B, "   Y = A B =", Y, "   g =", g)
    say(f"""
        First one element. Where does a₁₂ = {A[0, 1]:g} go? Row 1 of A makes row 1 of Y:

            y₁₁ = a₁₁ b₁₁ + a₁₂ b₂₁ + a₁₃ b₃₁         slope with respect to a₁₂: b₂₁ = {B[1, 0]:g}
            y₁₂ = a₁₁ b₁₂ + a₁₂ b₂₂ + a₁₃ b₃₂         slope with respect to a₁₂: b₂₂ = {B[1, 1]:g}

        Two paths, which add up:
        dL/da₁₂ = g₁₁ b₂₁ + g₁₂ b₂₂ = {g[0, 0]:g} · {B[1, 0]:g} + {g[0, 1]:g} · {B[1, 1]:g} = {dA[0, 1]:g}.
        The experiment says the same: a change of a₁₂ by {h} changes L = <g, Y> by {effect:.6f}. In that sum, row 1
        of g meets row 2 of B. Row 2 of B is column 2 of Bᵀ, so it is the element in row 1 and column 2 of the
        product g Bᵀ. All elements go like this one: dL/dA = g Bᵀ.

        Now with the method of chapter 3. A change dA of A changes Y by dA B:

            dL = <g, dA B> = Σᵢⱼₖ gᵢⱼ dAᵢₖ bₖⱼ = Σᵢₖ (Σⱼ gᵢⱼ bₖⱼ) dAᵢₖ = <g Bᵀ, dA>

        A factor on the right of dA moves to the right of g, transposed. Likewise, one on its left moves to the
        left of g: dL = <g, A dB> = <Aᵀ g, dB>. If you forget it, the shapes tell: g is 2 × 2, B is 3 × 2, and
        dL/dA must be 2 × 3, as A is. No other product of g and B has that shape.
        """)
    beside("dL/dA = g Bᵀ =", dA, "   dL/dB = Aᵀ g =", dB)
    session("""
        a, b = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
        (a @ b).backward(g)
        print(a.grad.tolist(), b.grad.tolist())
        """, A=A, B=B, g=g)
    exercise("An op has a pair (input, vjp) for each input. The imports are those of chapter 3.", """
        def matmul(a, b):
            A, B = a.data, b.data
            return from_op(A @ B, (a, lambda g: ...), (b, lambda g: ...))

        print(gradcheck(matmul, np.random.rand(2, 3), np.random.rand(3, 4)))
        """)
    say("In the code: numgan/ops.py, `matmul`. The formulas above are its two lambdas.")
    return lambda: pictures.matmul(A, B, g)


def im2col():
    """A convolution is a matrix product of copies"""
    image, kernel, g = np.arange(1.0, 10).reshape(3, 3), np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 2], [3, 4]])
    valid = ((0, 0), (0, 0))
    patches = conv.im2col(image[None, :, :, None], (2, 2), (1, 1), valid).reshape(4, 4)
    y = (patches @ kernel.reshape(4)).reshape(2, 2)
    back = lambda table: conv.col2im(table.reshape(1, 2, 2, 4), (3, 3), (2, 2), (1, 1), valid)[0, :, :, 0]
    shares = np.outer(g, kernel)
    dx = back(shares)
    first = " + ".join(f"{p:g} · {k:g}" for p, k in zip(patches[0], kernel.flat, strict=True))
    copies = " + ".join(f"{share:g}" for share in shares[patches == 5])
    say("""
        A convolution lays a small kernel on an image, multiplies each of the kernel's numbers with the pixel
        under it, and adds up. It does so in every place. A 2 × 2 kernel has four places in a 3 × 3 image:
        """)
    beside("image =", image, "   kernel =", kernel, "   y =", y)
    say(f"""
        For instance, y₁₁ = {first} = {y[0, 0]:g}. The pixels under the kernel are a patch. Write down
        all patches as the rows of a table, and four sums become one matrix product. This is im2col:
        """)
    beside("patches =", patches, "   · kernel =", kernel.reshape(4, 1), "   = y =", y.reshape(4, 1))
    say("""
        Chapter 4 knows the gradients of a product. With g as the gradient of y, that of the kernel is patchesᵀ g,
        and that of the table is g kernelᵀ, with both written as columns:
        """)
    beside("g =", g, "   gradient of the table =", shares)
    say(f"""
        But we want the gradient of the image. Pixel 5 has been copied into all four rows. Four copies are four
        paths, and paths add up: {copies} = {dx[1, 1]:g}. Pixel 1 has one copy, with gradient {dx[0, 0]:g}. To add every
        number of the table to the pixel that it was copied from is called col2im:
        """)
    beside("copies of each pixel =", back(np.ones((4, 4))), "   gradient of the image =", dx)
    session("""
        from numgan import conv2d
        x, w = Tensor(image, requires_grad=True), Tensor(kernel, requires_grad=True)
        conv2d(x, w, padding="valid").backward(g)
        print(x.grad.reshape(3, 3).tolist())
        print(w.grad.reshape(2, 2).tolist())
        """, image=image.reshape(1, 3, 3, 1), kernel=kernel.reshape(2, 2, 1, 1), g=g.reshape(1, 2, 2, 1))
    say("""
        (Here the arrays have two axes more, for many images and many channels. padding="valid" means no border.)

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
        calculation. Here are two changes of x that do not reach y:

            shift:      x + 1                 y = {row(normal(x + 1))}
            stretch:    x + 0.1 · (x - μ)     y = {row(normal(x + 0.1 * (x - mu)))}

        A small shift is a multiple of (1, 1, 1, 1, 1), and a small stretch a multiple of x̂. Where y does not
        change, L does not. So dL = <dL/dx, dx> is 0 for dx = (1, 1, 1, 1, 1), and for dx = x̂: the gradient of x
        has no component in these two directions. A dx without them leaves μ and σ as they are, and then
        dy = dx / σ. So batch norm's vjp removes the two components from g, the gradient of y:

            g                          {row(g)}
            - mean(g)                  {row(-mean)}
            - x̂ · mean(g x̂)            {row(-along)}
            sum                        {row(rest)}
            sum / σ = dL/dx            {row(rest / sigma)}

        numgan agrees. The two products are 0, but for rounding:
        """)
    session("""
        from numgan import batch_norm
        x = Tensor(column, requires_grad=True)
        y, mean, variance = batch_norm(x, Tensor(np.ones(1)), Tensor(np.zeros(1)), eps=0)
        y.backward(g)
        print(x.grad[:, 0].round(2).tolist())
        print(abs(np.sum(x.grad * 1)) < 1e-9, abs(np.sum(x.grad * y.data)) < 1e-9)
        """, column=x[:, None].copy(), g=g[:, None])
    say("""
        Further inputs are γ and β, by which the result is scaled and shifted, y = γ x̂ + β, here 1 and 0, and eps,
        a small number added to σ² so that nothing is divided by 0.

        One consequence: a bias that is added just before batch norm is a shift. Its gradient is always 0.

        In the code: numgan/norm.py. The docstring of `batch_norm` derives all this in half a page.
        """)
    return lambda: pictures.batch_norm(g, mean, along, rest)


def valley():
    """What to do with a gradient: SGD and Adam in a narrow valley"""
    steep, steps, start = 50.0, 60, (-9.0, 1.0)
    best, adam = 2 / (1 + steep), dict(lr=0.5, beta1=0.5)
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
        Along its gradient the loss rises fastest. SGD (stochastic gradient descent) takes a step against
        it: p ← p - lr · g, with a learning rate lr that you choose. Take a loss like a long, narrow valley:

            L(a, b) = (a² + {steep:g} b²) / 2       gradient: (a, {steep:g} b)       start: a = {start[0]:g}, b = {start[1]:g}

        At the start the gradient is ({start[0]:g}, {steep * start[1]:g}): large along b, where the way is short, and small
        along a, where it is long. Each step multiplies a by 1 - lr and b by 1 - {steep:g} lr. If lr > {2 / steep:g}, b
        grows without end. The best choice makes both shrink equally fast: lr = 2 / {1 + steep:g} = {best:.4f}, with
        factors {1 - best:.4f} and {1 - steep * best:.4f}.

        Adam (Kingma & Ba 2015) keeps two averages for each parameter: m of its latest gradients, and v of their
        squares. It moves the parameter by -lr · m / √v. (β1 says how slowly m forgets. That m and v start at 0 is
        corrected for.) Where gradients are large, so is √v: what counts is not how large they are, but how much
        they agree. In the first step m / √v is g / |g|, so that p moves by lr in every direction. Here both lr
        and β1 are 0.5, which suits this valley:
        """)
    session("""
        from numgan import Adam, Parameter
        p = Parameter(np.array([-9.0, 1.0]))
        Adam([p], lr=0.5, beta1=0.5).minimize((p * p * np.array([1.0, 50.0])).sum() * 0.5)
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

        In the code: numgan/optim.py, `SGD` and `Adam`, whose lines are numbered as in the paper.
        """)
    walks = {f"SGD, lr {best:.4f}": by_sgd, f"Adam, lr {adam['lr']}, β1 {adam['beta1']}": by_adam}
    return lambda: pictures.valley(loss, walks)


def frozen():
    """G learns through a frozen D"""
    n, game = 8, VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
    G, D, loss_of, z = game.generator, game.discriminator, game.losses.g_loss, game.latent(n)
    loss, before = lambda z: loss_of(D(G(z)), None), deepcopy((G, D))
    vjps = lambda L: sum(len(node.parents) for node in L._history())
    everything, thawed = vjps(loss(Tensor(z, requires_grad=True))), vjps(loss(z))
    with D.frozen():
        needed = vjps(loss(z))
    G_sizes, D_sizes = ([n * p.size for p in network.parameters() if p.ndim == 2] for network in (G, D))
    dropped = sum(D_sizes)  # Aᵀ g for each w of D; kept: Aᵀ g for each w of G, g Bᵀ for each w except G's first
    share = dropped / (dropped + sum(G_sizes) + sum(G_sizes[1:]) + sum(D_sizes))
    say(f"""
        A GAN has two networks. G, the generator, makes images G(z) from random numbers z. D, the discriminator,
        says how real an image looks. G has a small loss when D takes its images for real:

            L = loss(D(G(z)))

        To reach G, the gradient must flow through D. But this is G's step: D must not change, and nobody wants
        the gradients of D's weights. numgan computes D within `with D.frozen():`. An op gives `from_op` a pair
        (input, vjp) for each input, and `from_op` drops those whose input needs no gradient.

        This is the smallest GAN, two layers each, with {n} images. Of the vjps, `from_op` keeps

            {everything}   if everything wants a gradient, even the random numbers z
            {thawed}   as z is data
            {needed}   as D is frozen, too: {', '.join(f'D.{p.name}' for p in D.parameters())} have none
        """)
    session("""
        with D.frozen():
            L = loss_of(D(G(z)), None)

        game.g_optimizer.minimize(L)
        for network in G, D:
            print([p.grad is not None for p in network.parameters()])
        """, D=D, G=G, z=z, game=game, loss_of=loss_of)
    unmoved = all(np.array_equal(array, before[1].state()[name]) for name, array in D.state().items())
    say(f"""
        G's parameters got gradients, D's got none, and D is {'unchanged, bit for bit' if unmoved else 'CHANGED'}. Two of
        the {thawed - needed} dropped vjps are the products Aᵀ g of chapter 4 for D's weights. They would have taken
        {dropped:,} multiplications, {share:.0%} of those in the walk's matrix products, and nobody would have used
        the results.

        `minimize`, which walks back, stands outside the block. What counts is whether D was frozen when its ops
        ran: a pair that was not recorded cannot be walked.

        One filter does it all: frozen parameters, plain data such as z, and detached values, by which D's own
        step uses G's images as data. No op has to know of any of them.

        In the code: numgan/tensor.py, `from_op`; numgan/games/gan.py, `g_step`. numgan.plotting.draw_graph has
        drawn the picture: every op of this step, and D's parameters in grey. It can draw your own values as well.

        This is the end of the tour. demos/exercises.py has more derivatives to be written by hand, and README.md
        lists the modules of numgan in reading order.
        """)

    def draw():
        G, D = before
        with D.frozen():
            return pictures.g_step(loss_of(D(G(z)), None), G=G, D=D)
    return draw


CHAPTERS = [slopes, paths, vectors, matmul, im2col, normalisation, valley, frozen]


def arguments():
    """The command line."""
    chapters = "\n".join(f"  {number}  {chapter.__doc__}" for number, chapter in enumerate(CHAPTERS, 1))
    parser = argparse.ArgumentParser(description="Learn backpropagation, one idea at a time.", epilog=f"chapters:\n{chapters}",
                                     usage="%(prog)s [CHAPTER] [options]", formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("chapter", nargs="?", type=whole(1, len(CHAPTERS)), default=1, metavar="CHAPTER", help="where to start; default 1")
    add("--only", action="store_true", help="only this chapter")
    add("--quick", action="store_true", help="only the text, no pictures")
    add("--out", type=Path, default=Path("runs", "tour"), help="folder for the pictures; default runs/tour")
    return parser.parse_args()


def main():
    """Chapter after chapter; at a terminal, Enter turns the page."""
    args = arguments()
    last = args.chapter if args.only else len(CHAPTERS)
    if not args.quick:
        args.out.mkdir(parents=True, exist_ok=True)
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
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"\ngo on with: {console.command(sys.argv[0], number + 1)}") from None


if __name__ == "__main__":
    console.run(main)
