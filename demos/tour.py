"""Learn backpropagation, one idea at a time: python demos/tour.py  (tour.py 4 starts at chapter 4)"""

import argparse
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import tour_pictures as pictures
from tour_page import beside, exercise, row, say, session

from numgan import SGD, Adam, Parameter, Tensor, console, conv
from numgan.console import whole
from numgan.files import atomic

# ---- the chapters: each prints its page, and returns a function that draws its picture


def slopes():
    """Slopes multiply"""
    x, w, h = 3.0, 2.0, 0.001
    a, L = w * x, (w * x) ** 2
    da, dL = (w + h) * x - a, ((w + h) * x) ** 2 - L
    say(f"""
        To train a network is to change its numbers so that its errors get smaller. One number says how large
        they are: the loss, L. So for each of the other numbers we ask: if it changes a little, by how much
        does L change? Take a very small network, with one input, x, and one number to be trained, w. Its output is
        a = w · x. Say we want a to be 0. The further it is from 0, the larger the loss: L = a².

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
        and multiply by the slope of each step. The step a = w · x has two inputs. Its slope is x for w, and w
        for x:

            L: 1       a: 1 · 2a = {2 * a:g}       w: {2 * a:g} · x = {2 * a * x:g}       x: {2 * a:g} · w = {2 * a * w:g}

        One walk back finds the gradients of all numbers, two or a million. The experiment would have to be
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

        `print_graph` shows every value above what it was computed from, and the op that computed it: `mul`
        multiplies. To find the gradients, it makes the same walk as `backward`:
        """)
    names = session("""
        import numpy as np
        from numgan import Tensor, print_graph
        x, w = Tensor(np.array(3.0), requires_grad=True), Tensor(np.array(2.0), requires_grad=True)
        a = x * w
        L = a * x
        print_graph(L, x=x, w=w, a=a, L=L)
        """)
    drawn = {name: names[name] for name in "xwaL"}
    doublings, chain = 20, [Tensor(np.array(1.0), requires_grad=True)]
    for _ in range(doublings):
        chain.append(chain[-1] + chain[-1])
    vjps = sum(len(node.parents) for node in chain)
    say(f"""
        The walk starts at L, the youngest value, and goes from younger to older:

            L, gradient 1:     a gets {x:g} · 1 = {x:g}.     x gets {a:g} · 1 = {a:g}
            a, gradient {x:g}:     w gets {x:g} · {x:g} = {x * x:g}.     x gets {w:g} · {x:g} = {w * x:g} more, so {gradient:g}

        The second contribution to x comes late. If x had been computed from another value, x would have to wait
        before it passes its gradient on. Contributions to x come from values that were computed from x. Those
        are younger than x, so when its turn comes, all have arrived.

        So each value adds up what arrives, and passes it on once. Replace y by y + y {doublings} times, and
        {2**doublings:,} paths lead back to the first y. `backward` takes {vjps} steps, two for each sum:
        """)
    session(f"""
        first = y = Tensor(np.array(1.0), requires_grad=True)
        for _ in range({doublings}):
            y = y + y
        y.backward()
        print(first.grad, 2**{doublings})
        """, names)
    say("""
        `backward` adds to what `grad` already holds: set x.grad = None before another walk. A graph can be
        walked once: for another walk, compute L again.

        In the code: numgan/tensor.py. This example is on its first page, the walk is the loop in `backward`.
        """)
    return lambda: pictures.paths(drawn, chain[:5])


def vectors():
    """Many numbers at once, and why nobody builds the Jacobian"""
    X, g = np.array([3.0, 5.0]), np.array([1.0, 2.0])
    J, n = np.diag(2 * X), 32 * 28 * 28 * 64
    say(f"""
        The gradient of an array is an array of the same shape: one derivative for each element. Let y = x²,
        element by element, with x = (3, 5). The walk back from L has reached y, and found its gradient
        g = dL/dy = {row(g, 0)}. What is the gradient of x?

        A gradient tells what a small change does: dL = g₁ dy₁ + g₂ dy₂. We write <g, dy> for this sum. The
        slope of x² is 2x, so dy = 2x dx. Put this in, and move the 2x to the left of the comma:

            dL = <g, dy> = <g, 2x dx> = Σ gᵢ · 2xᵢ · dxᵢ = <2x g, dx>

        Now dx stands alone, and what it is multiplied by is the gradient of x: dL/dx = 2x g = {row(2 * X * g, 0)}.
        All derivatives in numgan are found like this: write dy in terms of dx, and move all but dx to the left.

        The result is a function of g, here g ↦ 2x g. It is called a vector-Jacobian product, vjp: textbooks
        write dy = J dx, with a row of the Jacobian J for each element of y, and a column for each of x. Then
        the gradient of x is gᵀ J, or, as a column, Jᵀ g:
        """)
    beside("J =", J, "    g =", g[:, None], "    Jᵀ g =", (J.T @ g)[:, None], "  = 2x g")
    say(f"""
        Where each y depends on one x only, J is 0 except on its diagonal. Inside a network, 32 images of
        28 × 28 × 64 numbers are {n:,} numbers. Their J has {n:,}² = {n * n:.2g}, at 4 bytes each {4 * n * n / 1e12:.1f}\xa0TB.
        The vjp needs only the diagonal, {4 * n / 1e6:.1f}\xa0MB. So numgan never makes a J.

        An op is a function that computes one step. `x.data` is the NumPy array inside the Tensor x.
        `from_op(value, (x, vjp))` makes the Tensor of the result, and stores the vjp for the walk back. Inside a
        vjp, use arrays such as X, not the Tensor x. Here the walk starts at y, so we pass g to `backward`.
        (Without an argument it starts with 1, and the value must be a single number.)
        """)
    session("""
        import numpy as np
        from numgan import Tensor
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
        `gradcheck` makes up a random g. It changes each element of x a little, looks at how much L = <g, y>
        changes, and compares that with your vjp. It returns the largest relative error. If that is not below
        1e-6, it says which element is wrong. In the code: numgan/ops.py, first page and `softplus`.
        """)
    rng = np.random.default_rng(0)
    return lambda: pictures.jacobian(rng.uniform(-2, 2, 16), rng.uniform(-2, 2, 16))


def matmul():
    """The matrix product: g Bᵀ and Aᵀ g"""
    A, B = np.array([[1.0, 2, 3], [4, 5, 6], [0, 1, 0], [2, 0, 1]]), np.array([[1.0, 0], [2, 1], [0, 3]])
    g = np.array([[1.0, 2], [3, 4], [0, 1], [2, 0]])
    h, Y, dA, dB = 0.001, A @ B, g @ B.T, A.T @ g
    changed = A.copy()
    changed[0, 1] += h
    effect = ((changed @ B - Y) * g).sum()
    size = lambda matrix: f"{matrix.shape[0]} × {matrix.shape[1]}"
    say("A layer multiplies matrices, Y = A B: yᵢⱼ = Σₖ aᵢₖ bₖⱼ. The walk back has found g = dL/dY:")
    beside("A =", A, "   B =", B, "   Y = A B =", Y, "   g =", g)
    say(f"""
        First one element. Where does a₁₂ = {A[0, 1]:g} go? Row 1 of A makes row 1 of Y:

            y₁₁ = a₁₁ b₁₁ + a₁₂ b₂₁ + a₁₃ b₃₁         slope with respect to a₁₂: b₂₁ = {B[1, 0]:g}
            y₁₂ = a₁₁ b₁₂ + a₁₂ b₂₂ + a₁₃ b₃₂         slope with respect to a₁₂: b₂₂ = {B[1, 1]:g}

        Two paths, which add up:
        dL/da₁₂ = g₁₁ b₂₁ + g₁₂ b₂₂ = {g[0, 0]:g} · {B[1, 0]:g} + {g[0, 1]:g} · {B[1, 1]:g} = {dA[0, 1]:g}.
        The experiment agrees: with L = <g, Y>, whose gradient with respect to Y is g, a change of a₁₂ by {h}
        changes L by {effect:.6f}. The sum multiplies row 1 of g by row 2 of B, which is column 2 of Bᵀ. Row 1 times
        column 2: this is element (1, 2) of g Bᵀ. All elements go like this one: dL/dA = g Bᵀ.

        Now with the method of chapter 3. <g, dY> sums over all elements. A change dA of A changes Y by dA B, and
        dB changes it by A dB. Collect what each element of dA or dB is multiplied by:

            <g, dA B> = Σᵢⱼₖ gᵢⱼ daᵢₖ bₖⱼ = Σᵢₖ (Σⱼ gᵢⱼ bₖⱼ) daᵢₖ = <g Bᵀ, dA>
            <g, A dB> = Σᵢⱼₖ gᵢⱼ aᵢₖ dbₖⱼ = Σₖⱼ (Σᵢ aᵢₖ gᵢⱼ) dbₖⱼ = <Aᵀ g, dB>

        A factor on the right of dA moves to the right of g, transposed. One on the left of dB moves to the left
        of g, transposed. If you forget it, the shapes tell: g is {size(g)}, B is {size(B)}, and dL/dA must be {size(A)},
        as A is. No other product of g and B has that shape, whichever of them you transpose.
        """)
    beside("dL/dA = g Bᵀ =", dA, "   dL/dB = Aᵀ g =", dB)
    session(f"""
        import numpy as np
        from numgan import Tensor
        A = np.array({A.tolist()})
        B = np.array({B.tolist()})
        g = np.array({g.tolist()})
        a, b = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
        (a @ b).backward(g)
        print(np.array_equal(a.grad, g @ B.T), np.array_equal(b.grad, A.T @ g))
        """)
    exercise("Y = A Bᵀ, an op with a pair (input, vjp) for each input. Save this, and replace the dots:", """
        import numpy as np
        from numgan import gradcheck
        from numgan.tensor import from_op

        def times_transposed(a, b):
            A, B = a.data, b.data
            return from_op(A @ B.T, (a, lambda g: ...), (b, lambda g: ...))

        print(gradcheck(times_transposed, np.random.rand(4, 3), np.random.rand(2, 3)))
        """)
    say("In the code: numgan/ops.py, `matmul`. The formulas above are its two lambdas.")
    return lambda: pictures.matmul(A, B, g)


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
        Chapter 4 knows the gradients of a product. Write g, the gradient of y, and the kernel as columns. Then
        the gradient of the kernel is patchesᵀ g, and that of the table is g kernelᵀ. (Here patchesᵀ = patches,
        since the kernel is as large as y. In general it is not.)
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
        calculation. Here are two changes of x that do not change y:

            shift:      x + 1                 y = {row(normal(x + 1))}
            stretch:    x + 0.1 · (x - μ)     y = {row(normal(x + 0.1 * (x - mu)))}

        A shift adds a multiple of 1 = (1, 1, 1, 1, 1), a stretch a multiple of x̂. Where y does not change, L
        does not. So dL = <dL/dx, dx> is 0 for dx = 1 and for dx = x̂. (For x̂, this is exact only if eps = 0, as on
        this page. eps is a small number that numgan adds to σ², so that nothing is divided by 0.)

        Now take any small change dx. Its parts along 1 and x̂ do not change y. Remove them, and call the rest P dx.
        It leaves μ and σ as they are, so dy = P dx / σ, and

            dL = <g, dy> = <g, P dx> / σ = <P g, dx> / σ,     so     dL/dx = P g / σ

        P may move to the left, since a part along 1 or x̂ adds nothing to the product with a vector that has no
        such part: <g, P dx> = <P g, P dx> = <P g, dx>. The part of g along a vector u is u · <g, u> / <u, u>. For
        u = 1, this is mean(g) in every row. For u = x̂, it is x̂ · mean(g x̂), since <x̂, x̂> = {xhat @ xhat:g}, the number of
        rows. Remove both from g, which can be done separately, since <1, x̂> = 0:

            g                          {row(g)}
            - mean(g)                  {row(-mean)}
            - x̂ · mean(g x̂)            {row(-along)}
            P g                        {row(rest)}
            dL/dx = P g / σ            {row(rest / sigma)}

        numgan agrees. The sums <dL/dx, 1> and <dL/dx, x̂> are 0, except for rounding. `batch_norm` returns γ x̂ + β,
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
        The loss rises fastest in the direction of its gradient. SGD (stochastic gradient descent) takes a step
        in the opposite direction: p ← p - lr · g, with a learning rate lr that you choose. Take a loss like a
        long, narrow valley:

            L(a, b) = (a² + {steep:g} b²) / 2       gradient: (a, {steep:g} b)       start: a = {start[0]:g}, b = {start[1]:g}

        At the start the gradient is ({start[0]:g}, {steep * start[1]:g}): large along b, where the way is short, and small
        along a, where it is long. Each step multiplies a by 1 - lr and b by 1 - {steep:g} lr. If lr > {2 / steep:g}, b
        grows without end. The best choice makes both shrink equally fast: lr = 2 / {1 + steep:g} = {best:.4f}, with
        factors {1 - best:.4f} and {1 - steep * best:.4f}. The second is negative: along b, every step goes too far, and ends
        on the other side of the valley. This is the zigzag in the picture.

        Adam (Kingma & Ba 2015) keeps two averages for each parameter: m of its gradients, and v of their squares.
        β1 and β2 say how slowly m and v forget old gradients. (m and v start at 0, which Adam corrects for.) A
        step moves the parameter by -lr · m / √v. Where gradients are large, so is √v: what counts is not how
        large they are, but whether successive gradients have the same sign. (If not, they cancel in m.) In the
        first step m / √v is g / |g|, so each parameter moves by lr, against the sign of its gradient.
        Here lr and β1 are {adam['lr']}, which suits this valley, and β2 is {adam['beta2']}. A Parameter is a Tensor to be
        trained. `minimize` walks back from a loss and takes one step:
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

        In the code: numgan/optim.py, `SGD` and `Adam`, whose lines are numbered as in the paper.
        """)
    walks = {f"SGD, lr {best:.4f}": by_sgd, f"Adam, lr {adam['lr']}, β1 {adam['beta1']}": by_adam}
    return lambda: pictures.valley(loss, walks)


def frozen():
    """G learns through a frozen D"""
    n = 8
    say(f"""
        A GAN has two networks. G, the generator, makes images G(z) from random numbers z. D, the discriminator,
        says how real an image looks. G has a small loss when D takes its images for real, L = loss(D(G(z))).
        Here is the smallest GAN, two layers each. `game` holds the networks, their losses and their optimisers,
        and z has the random numbers for {n} images:
        """)
    names = session(f"""
        import numpy as np
        from numgan.games import VanillaGAN
        game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
        G, D, z = game.generator, game.discriminator, game.latent({n})
        """)
    game, G, D, z = (names[name] for name in ("game", "G", "D", "z"))
    loss, before = lambda z: game.losses.g_loss(D(G(z)), None), deepcopy((G, D))
    vjps = lambda L: sum(len(node.parents) for node in L._history())
    everything, thawed = vjps(loss(Tensor(z, requires_grad=True))), vjps(loss(z))
    with D.frozen():
        needed = vjps(loss(z))
    G_sizes, D_sizes = ([n * p.size for p in network.parameters() if p.ndim == 2] for network in (G, D))
    dropped = sum(D_sizes)  # Aᵀ g for each w of D; kept: Aᵀ g for each w of G, g Bᵀ for each w except G's first
    share = dropped / (dropped + sum(G_sizes) + sum(G_sizes[1:]) + sum(D_sizes))
    say(f"""
        To reach G, the gradient must flow through D. But this is G's step: D must not change, and nobody wants
        the gradients of D's weights. So numgan computes D within `with D.frozen():`. The ops of this step give
        `from_op` a pair (input, vjp) for each of their {everything} inputs. `from_op` keeps a pair only if its input needs a
        gradient:

            {everything}   if everything needs one, even the random numbers z
            {thawed}   as z is data
            {needed}   as D is frozen, too: {', '.join(f'D.{p.name}' for p in D.parameters())} have none

        In the picture, the {needed} vjps are the black lines, and the {thawed - needed} dropped ones of D are dashed.
        D.1_Dense.w is the weight matrix of D's layer 1, a Dense layer. (Layers are counted from 0.) This is G's step:
        """)
    session("""
        with D.frozen():
            L = game.losses.g_loss(D(G(z)), None)
        game.g_optimizer.minimize(L)
        for network in G, D:
            print([p.grad is not None for p in network.parameters()])
        """, names)
    unmoved = all(np.array_equal(array, before[1].state()[name]) for name, array in D.state().items())
    say(f"""
        (None stands in place of the batch of real images, which only some losses need.) G's parameters got
        gradients, D's got none, and D is {'unchanged, bit for bit' if unmoved else 'CHANGED'}. Two of
        the {thawed - needed} dropped vjps are the products Aᵀ g of chapter 4 for D's weights. They would have taken
        {dropped:,} multiplications, {share:.0%} of those in the walk's matrix products, and nobody would have used
        the results.

        `minimize`, which walks back, stands outside the block. What counts is whether D was frozen when its ops
        ran: a pair that was not recorded cannot be walked.

        This one rule of `from_op` covers frozen parameters, plain data such as z, and values cut off with
        detach(). D's step uses the last: it treats G's images as data. No op has to know of any of them.

        In the code: numgan/tensor.py, `from_op`; numgan/games/gan.py, `g_step`. numgan.plotting.draw_graph has
        drawn the picture; it can draw your own values as well.

        This is the end of the tour. demos/exercises.py has more derivatives to be written by hand, and README.md
        lists the modules of numgan in reading order.
        """)

    def draw():
        G, D = before
        with D.frozen():
            return pictures.g_step(game.losses.g_loss(D(G(z)), None), G=G, D=D)
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
