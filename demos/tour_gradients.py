"""Chapters 1 to 4 of tour.py: from one slope to the matrix product. Each prints its page and returns a function that draws."""

import numpy as np
import tour_pictures as pictures
from tour_page import beside, exercise, row, say, session

from numgan import Tensor


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
        small, but not infinitely small.) Calculus gives them exactly, and along a chain they multiply:

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
        L = {L:g}. A change in x reaches L along two paths. Change x by {h}:

            only where a is computed       L changes by {first:.6f}
            only where L is computed       L changes by {second:.6f}
            in both places                 L changes by {both:.6f}

        The two changes add up. (The rest, {both - first - second:.6f}, vanishes beside them when the change gets smaller.)
        So slopes multiply along a path, and where paths meet, the products add up:

            x → a → L      slopes {w:g} and {x:g}      {w:g} · {x:g} = {w * x:g}
            x → L          slope {a:g}             {a:g}
            gradient of x                      {w * x:g} + {a:g} = {gradient:g}       check: L = w x², dL/dx = 2 w x = {check:g}

        `print_graph` shows every value, with the op that computed it, above its inputs: `mul` multiplies.
        To find the gradients, it makes the same walk as `backward`:
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
        Where each y depends only on the x in its own place, J is 0 except on its diagonal. Inside a network, 32 images of
        28 × 28 × 64 numbers are {n:,} numbers. Their J has {n:,}² = {n * n:.2g}, at 4 bytes each {4 * n * n / 1e12:.1f}\xa0TB.
        The vjp needs only the diagonal, {4 * n / 1e6:.1f}\xa0MB. So numgan never makes a J.

        An op is a function that computes one step. `x.data` is the NumPy array inside the Tensor x.
        `from_op(value, (x, vjp))` makes the Tensor of the result, and stores the vjp for the walk back. A vjp
        takes and returns arrays, and uses X, not the Tensor x. Here the walk starts at y, so we pass g to `backward`.
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
        The experiment agrees: with L = <g, Y>, whose gradient with respect to Y is g, a change in a₁₂ by {h}
        changes L by {effect:.6f}. The sum multiplies row 1 of g by row 2 of B, which is column 2 of Bᵀ. Row 1 times
        column 2: this is element (1, 2) of g Bᵀ. The same holds for every element: dL/dA = g Bᵀ.

        Now with the method of chapter 3. <g, dY> sums over all elements. A change dA in A changes Y by dA\xa0B, and
        dB changes it by A\xa0dB. Collect what each element of dA or dB is multiplied by:

            <g, dA B> = Σᵢⱼₖ gᵢⱼ daᵢₖ bₖⱼ = Σᵢₖ (Σⱼ gᵢⱼ bₖⱼ) daᵢₖ = <g Bᵀ, dA>
            <g, A dB> = Σᵢⱼₖ gᵢⱼ aᵢₖ dbₖⱼ = Σₖⱼ (Σᵢ aᵢₖ gᵢⱼ) dbₖⱼ = <Aᵀ g, dB>

        A factor on the right of dA moves to the right of g, transposed. One on the left of dB moves to the left
        of g, transposed. If you forget this, the shapes tell you: g is {size(g)}, B is {size(B)}, and dL/dA
        must be {size(A)}, as A is. No other product of g and B has that shape, whichever of them you
        transpose.
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
