"""The pictures of tour.py: each function draws the numbers that its chapter has computed, and returns a Figure."""

import numpy as np

from numgan.plotting import draw_graph

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#b2182b", "#777777"


def new_figure(width, height, **options):
    """An empty Figure, in inches."""
    from matplotlib.figure import Figure
    return Figure(figsize=(width, height), dpi=100, **options)


def slopes(x, w):
    """Chapter 1: a = w x, L = a², and L against w, each with its tangent."""
    figure = new_figure(9.6, 3.4, layout="constrained")
    a = w * x
    steps = [("a = w · x", "w", "a", lambda t: t * x, w, x, (1, 3)),
             ("L = a²", "a", "L", lambda t: t * t, a, 2 * a, (3, 9)),
             ("both steps: L = (w · x)²", "w", "L", lambda t: (t * x) ** 2, w, 2 * a * x, (1, 3))]
    for axes, (title, across, up, f, at, slope, ends) in zip(figure.subplots(1, 3), steps, strict=True):
        t = np.linspace(*ends, 100)
        run = (ends[1] - ends[0]) / 4
        axes.plot(t, f(t), color=BLUE, linewidth=2)
        axes.plot(t, f(at) + slope * (t - at), color=RED, linewidth=1.2)
        axes.plot([at, at + run, at + run], [f(at), f(at), f(at) + slope * run], color=RED, linestyle=":", linewidth=1.2)
        axes.plot(at, f(at), "o", color="black", zorder=3)
        axes.annotate(f"+{run:g}", (at + run / 2, f(at)), (0, -4), textcoords="offset points", color=RED, ha="center", va="top")
        axes.annotate(f"+{slope * run:g}", (at + run, f(at) + slope * run / 2), (4, -4), textcoords="offset points", color=RED)
        axes.set_title(title, fontsize=11)
        axes.set(xlabel=across, ylabel=up, xlim=ends)
        axes.text(0.06, 0.9, f"d{up}/d{across} = {slope:g}", color=RED, fontsize=12, transform=axes.transAxes)
        axes.grid(alpha=0.25)
    figure.suptitle(f"The slopes of steps in a row multiply: {x:g} · {2 * a:g} = {2 * a * x:g}", fontsize=12)
    figure.supxlabel("blue: the curve        red: its tangent at the dot, and by how much the tangent (not the curve) rises",
                     fontsize=10)
    return figure


def paths(names, chain):
    """Chapter 2: the graph of L, one of the `names`, and that of a number that was doubled again and again."""
    figure = new_figure(7.2, 6.6)
    left, right = figure.add_axes((0.02, 0.02, 0.54, 0.86)), figure.add_axes((0.64, 0.02, 0.32, 0.86))
    draw_graph(names["L"], axes=left, **names)
    draw_graph(chain[-1], axes=right, y=chain[0])
    figure.text(0.29, 0.94, "Two paths lead from x to L:\n2 · 3 + 6 = 12", fontsize=11, ha="center", va="center")
    figure.text(0.8, 0.94, "y + y, four times: 16 paths,\nand 2 · 4 steps back", fontsize=11, ha="center", va="center")
    for axes in left, right:
        axes.set_anchor("N")
    figure.text(0.04, 0.06, "Values are computed from top to bottom.\nGradients go from bottom to top.\n"
                "(print_graph has L on top.)\n\n"
                "mul: the two values above are multiplied\nadd: they are added\n"
                "× 3: the slope of this step is 3\n× 1 + 1: y is used twice, both times with\n"
                "slope 1; one line stands for both", fontsize=10, linespacing=1.5)
    return figure


def jacobian(x, g):
    """Chapter 3: Jᵀ g with all of J written down, and the same as an elementwise product."""
    n = len(x)
    figure = new_figure(9.6, 5)
    axes = figure.add_axes((0.01, 0.1, 0.98, 0.8))
    top = max(np.abs(2 * x * g).max(), np.abs(2 * x).max(), np.abs(g).max())

    def block(values, left, title):
        columns = values.shape[1]
        axes.imshow(values, cmap="RdBu_r", vmin=-top, vmax=top, extent=(left, left + columns, n, 0))
        axes.add_patch(rectangle((left, 0), columns, n, edgecolor="black"))
        axes.text(left + columns / 2, n + 1, title, ha="center", va="center", fontsize=12)

    def sign(at, text):
        axes.text(at, n / 2, text, ha="center", va="center", fontsize=20, fontweight="bold")

    block(np.diag(2 * x), 0, f"Jᵀ: {n * n} numbers, {n} of them not 0")
    for i in range(1, n):
        axes.plot([i, i], [0, n], color="#dddddd", linewidth=0.4)
        axes.plot([0, n], [i, i], color="#dddddd", linewidth=0.4)
    sign(n + 1, "·")
    block(g[:, None], n + 2, "g")
    sign(n + 4, "=")
    block((2 * x * g)[:, None], n + 5, "dL/dx")
    sign(n + 9, "or")
    block(2 * x[:, None], n + 12, "2x")
    sign(n + 14, "×")
    block(g[:, None], n + 15, "g")
    sign(n + 17, "=")
    block((2 * x * g)[:, None], n + 18, "dL/dx")
    axes.set(xlim=(-0.5, n + 21), ylim=(n + 2, -0.5))
    axes.axis("off")
    figure.suptitle("y = x²: the vjp multiplies by what is on the diagonal, and never writes down the zeros", fontsize=12)
    figure.text(0.5, 0.04, "red: positive, blue: negative, white: 0        · : matrix product        "
                "× : element by element", fontsize=11, ha="center")
    return figure


def rectangle(corner, width, height, **options):
    """An outline, unless `facecolor` is given."""
    from matplotlib.patches import Rectangle
    return Rectangle(corner, width, height, **{"facecolor": "none", "linewidth": 0.9, **options})


def grid(axes, values, left, top, title="", marked=None, colour=ORANGE, labels=None):
    """A matrix as a table of unit cells from (left, top) down; `marked`, booleans of its shape, are coloured."""
    rows, columns = np.shape(values)
    for i, j in np.ndindex(rows, columns):
        shade = colour if marked is not None and marked[i][j] else "white"
        axes.add_patch(rectangle((left + j, top - i - 1), 1, 1, facecolor=shade, edgecolor="#555555",
                                 alpha=0.55 if shade != "white" else 1))
        text = f"{values[i][j]:g}" if labels is None else labels[i][j]
        axes.text(left + j + 0.5, top - i - 0.5, text, ha="center", va="center", fontsize=11)
    axes.text(left + columns / 2, top + 0.4, title, ha="center", va="center", fontsize=12)


def matmul(A, B, g):
    """Chapter 4: where one element of A goes, and from where its gradient comes back."""
    figure = new_figure(7.8, 7.9)
    axes = figure.add_axes((0, 0, 1, 1))
    middle = np.zeros(A.shape, bool)
    middle[0, 1] = True
    row = lambda shape, i: np.arange(shape[0])[:, None] == np.full(shape, i)
    column = lambda shape, j: np.arange(shape[1]) == np.full(shape, j)
    forward = [("A", A, middle, ORANGE), ("B", B, row(B.shape, 1), BLUE), ("Y = A B", A @ B, row(g.shape, 0), GREEN)]
    back = [("g = dL/dY", g, row(g.shape, 0), GREEN), ("Bᵀ", B.T, column(B.T.shape, 1), BLUE),
            ("dL/dA = g Bᵀ", g @ B.T, middle, ORANGE)]
    for top, parts, text in ((10.9, forward, "a₁₂ goes into y₁₁, with slope b₂₁, and into y₁₂, with slope b₂₂"),
                             (4.5, back, "and so dL/da₁₂ = g₁₁ b₂₁ + g₁₂ b₂₂: row 1 of g times column 2 of Bᵀ")):
        left = 0.8 + (11.4 - 2.8 - sum(part[1].shape[1] for part in parts)) / 2 - 0.6
        for (title, values, marked, colour), sign in zip(parts, ("·", "=", ""), strict=True):
            grid(axes, values, left, top, title, marked, colour)
            left += values.shape[1]
            axes.text(left + 0.7, top - 1.5, sign, ha="center", va="center", fontsize=20, fontweight="bold")
            left += 1.4
        axes.text(6.2, top + 1.3, text, ha="center", fontsize=12)
    axes.set(xlim=(0, 12.4), ylim=(0.2, 12.75), aspect="equal")
    axes.axis("off")
    return figure


def im2col(image, kernel, patches, y, g, shares, dx):
    """Chapter 5: the patches as rows of a matrix, and their gradients added back; the middle pixel's copies are marked."""
    figure = new_figure(9.6, 7.4)
    axes = figure.add_axes((0, 0, 1, 1))
    where = np.arange(9).reshape(3, 3)
    sources = np.array([where[i:i + 2, j:j + 2].ravel() for i in range(2) for j in range(2)])
    centre, copies = where == 4, sources == 4
    y_column, g_column = y.reshape(-1, 1), g.reshape(-1, 1)

    axes.text(0.3, 13.1, "Forward: gather (im2col), then one matrix product", fontsize=13, fontweight="bold")
    grid(axes, image, 0.6, 11.2, "image", centre)
    arrow(axes, 3.9, 5.6, 9.7, "im2col")
    grid(axes, patches, 6, 11.7, "each patch a row", copies)
    axes.text(10.5, 9.7, "·", fontsize=20, ha="center", va="center", fontweight="bold")
    grid(axes, kernel.reshape(-1, 1), 11, 11.7, "kernel")
    axes.text(12.6, 9.7, "=", fontsize=18, ha="center", va="center")
    grid(axes, y_column, 13.2, 11.7, "y")
    arrow(axes, 14.5, 15.5, 9.7, "")
    grid(axes, y, 15.9, 10.7, "y as an image")

    axes.text(0.3, 5.9, "Backward: one matrix product, then scatter (col2im)", fontsize=13, fontweight="bold")
    grid(axes, dx, 0.6, 4, "dL/d(image)", centre)
    arrow(axes, 5.6, 3.9, 2.5, "col2im")
    grid(axes, shares, 6, 4.5, "g · kernelᵀ: what each copy gets", copies)
    axes.text(10.8, 2.5, "=", fontsize=18, ha="center", va="center")
    grid(axes, g_column, 11.6, 4.5, "g")
    axes.text(13, 2.5, "·", fontsize=20, ha="center", va="center", fontweight="bold")
    grid(axes, kernel.reshape(1, -1), 13.4, 3, "kernelᵀ")
    parts = " + ".join(f"{share:g}" for share in shares[copies])
    text = f"Pixel 5 was copied four times, so its gradient is the sum of four: {parts} = {dx[1, 1]:g}"
    axes.text(9, -0.45, text, fontsize=12, ha="center", va="center", bbox=dict(facecolor="#f5d799", edgecolor="none"))
    axes.set(xlim=(0, 18.4), ylim=(-1.1, 13.9), aspect="equal")
    axes.axis("off")
    return figure


def arrow(axes, start, end, height, text):
    """A horizontal arrow with a word above it."""
    axes.annotate("", (end, height), (start, height), arrowprops=dict(arrowstyle="-|>", color="black", linewidth=1.4))
    axes.text((start + end) / 2, height + 0.35, text, ha="center", fontsize=11)


def batch_norm(g, mean, stretch, rest):
    """Chapter 6: g as the sum of three parts, of which one reaches x."""
    figure = new_figure(9.6, 3.2, layout="constrained")
    parts = [("g = dL/dy", g, "black"), ("its mean: dropped, since\na shift of x does not reach y", mean, GREY),
             ("its part along x̂: dropped,\nsince a stretch does not", stretch, GREY),
             ("the rest:\ndivided by σ, it is dL/dx", rest, GREEN)]
    low, high = min(np.min(values) for _, values, _ in parts), max(np.max(values) for _, values, _ in parts)
    for axes, (title, values, colour), sign in zip(figure.subplots(1, 4, sharey=True), parts, ("=", "+", "+", ""), strict=True):
        axes.bar(np.arange(1, len(g) + 1), values, color=colour, width=0.7)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_title(title, fontsize=10.5)
        axes.set(ylim=(low - 0.3, high + 0.3), xlabel="row of the batch", xticks=range(1, len(g) + 1))
        axes.text(1.06, 0.5, sign, transform=axes.transAxes, fontsize=16, ha="center", va="center")
        for side in "top", "right":
            axes.spines[side].set_visible(False)
    return figure


def valley(loss, walks):
    """Chapter 7: the paths of optimisers, name -> points (n, 2), on the contours of the loss; below, the loss at each step."""
    figure = new_figure(9.6, 6.2, layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 2))
    a, b = np.meshgrid(np.linspace(-10.5, 1.5, 300), np.linspace(-2, 2, 200))
    upper.contour(a, b, loss(a, b), levels=[0.1, 1, 4, 10, 20, 40, 70, 110], colors="#aaaaaa", linewidths=0.8)
    for (name, points), colour, marker in zip(walks.items(), (ORANGE, BLUE), "so", strict=True):
        upper.plot(*points.T, marker + "-", color=colour, markersize=4, linewidth=1.2, label=name)
        lower.plot(loss(*points.T), marker + "-", color=colour, markersize=3, linewidth=1.2, label=name)
    upper.plot(0, 0, "*", color="black", markersize=13)
    upper.set(xlabel="a: the flat direction", ylabel="b: the steep one", xlim=(-10.5, 1.5), ylim=(-2, 2))
    upper.set_title("A narrow valley: 60 steps from the left towards the minimum (the star)")
    upper.legend(loc="upper right")
    lower.set(xlabel="step", ylabel="loss", yscale="log")
    lower.grid(alpha=0.25)
    return figure


def players(rows, steps):
    """Chapter 8: densities and D(x) at three steps; below, s and w, and both losses, at every step.

    rows: array (n, 5) of s, w, c, D's loss, G's loss.
    """
    figure = new_figure(9.6, 6, layout="constrained")
    x = np.linspace(-3, 7, 300)
    density = lambda mean: np.exp(-(x - mean) ** 2 / 2) / np.sqrt(2 * np.pi)
    upper, lower = figure.subfigures(2, 1)
    for axes, step in zip(upper.subplots(1, len(steps), sharey=True), steps, strict=True):
        s, w, c = rows[step, :3]
        axes.plot(x, density(2), color=BLUE, linewidth=2, label="density of real numbers")
        axes.plot(x, density(s), color=ORANGE, linewidth=2, label="density of fakes")
        axes.plot(x, 1 / (1 + np.exp(-(w * x + c))), color="black", linewidth=1.2, linestyle="--", label="D(x)")
        axes.set_title(f"step {step}: s = {s:.2f}", fontsize=11)
        axes.set(xlabel="x", ylim=(0, 1.03))
        axes.grid(alpha=0.25)
    upper.axes[-1].legend(fontsize=8)
    left, right = lower.subplots(1, 2)
    for column, name, colour in ((0, "s: G's shift (dotted: 2)", ORANGE), (1, "w: D's slope (dotted: 0)", "black")):
        left.plot(rows[:, column], color=colour, label=name)
    left.axhline(2, color=ORANGE, linestyle=":", linewidth=1)
    left.axhline(0, color="black", linestyle=":", linewidth=1)
    for column, name, colour, goal in ((3, "D's loss (dotted: 2 ln 2)", "black", 2), (4, "G's loss (dotted: ln 2)", ORANGE, 1)):
        right.plot(rows[:, column], color=colour, label=name)
        right.axhline(goal * np.log(2), color=colour, linestyle=":", linewidth=1)
    for axes in left, right:
        axes.set_xlabel("step")
        axes.legend(fontsize=9)
        axes.grid(alpha=0.25)
    return figure


NOTES = """\
Values are computed from top to bottom,
gradients go from bottom to top.

z, the random numbers, goes into the first matmul.
It is data, needs no gradient, and so has no box.

Black lines: vjps that were kept.
Dashed lines: vjps that were dropped, as D is frozen.

In a box: the op or parameter; its shape;
norm: the root of the sum of all its squares;
gradient norm: the same of its gradient.

matmul: matrix product
add: adds the bias, b
relu: negative numbers become 0
tanh: brings every number between -1 and 1
reshape: the same numbers in another shape
bce_with_logits: G's loss, the binary cross-entropy,
which is small if D takes G's images to be real"""


def g_step(loss, **networks):
    """Chapter 9: the graph of G's step, D's parameters in grey, and what the words in it mean."""
    figure = draw_graph(loss, **networks)
    (width, height), more = figure.get_size_inches(), 4.1  # inches
    figure.set_size_inches(width + more, height)
    figure.axes[0].set_position((0, 0, width / (width + more), 1))
    figure.text((width + 0.1) / (width + more), 1 - 0.2 / height, NOTES, fontsize=10, linespacing=1.4, va="top")
    return figure
