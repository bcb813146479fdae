"""Sample sheets, curves and animations, as files; and graphs.

It imports matplotlib only when something is drawn, because that takes time.
Read checkpoint.py next.
"""

import io
import textwrap

import numpy as np

from .data import to_pixels
from .errors import InputError
from .files import atomic
from .graph import graph, layout
from .memory import check_memory

RED, GREY = "#b2182b", "#666666"  # in graphs: of gradients, of what is frozen
COLOURS = {"op": "white", "leaf": "#fde6c4", "layer": "#dcebf7", "frozen": "#dddddd"}  # of a graph's boxes
LINE = 0.16  # inches, in a box of a graph


def save_figure(path, figure, dpi=100):
    """Write a matplotlib Figure as a PNG or SVG file, complete or not at all; dpi in pixels per inch, or "figure": its own."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def sheet(images, columns=None, border=2):
    """Images (n, H, W, C) in [-1, 1], row by row in one array: uint8 (height, width, C), without the last axis if C = 1.

    columns: images in a row, by default √n rounded up. InputError for values outside [-1, 1].
    """
    n, h, w, c = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    page = np.zeros((rows, columns, h + border, w + border, c), np.uint8)
    page.reshape(-1, h + border, w + border, c)[:n, :h, :w] = to_pixels(images).reshape(n, h, w, c)
    page = page.transpose(0, 2, 1, 3, 4).reshape(rows * (h + border), columns * (w + border), c)
    page = np.pad(page, ((border, 0), (border, 0), (0, 0)))
    return page[..., 0] if c == 1 else page


def save_sheet(path, images, columns=None, zoom=2):
    """Write a sheet of images (n, H, W, C) in [-1, 1], C = 1 or 3, as a PNG file; every pixel becomes `zoom` × `zoom`."""
    from matplotlib.image import imsave
    page = sheet(images, columns).repeat(zoom, 0).repeat(zoom, 1)
    with atomic(path) as temporary:
        rgb = np.stack([page] * 3, -1) if page.ndim == 2 else page  # a colour map would merge some levels
        imsave(temporary, rgb, origin="upper")  # whatever a matplotlibrc says


def save_rows(path, rows):
    """Write rows of images with their names at the left as a PNG file. rows: name -> images (n, H, W, C), the same n."""
    from matplotlib.figure import Figure
    page = sheet(np.concatenate(list(rows.values())), len(next(iter(rows.values()))))
    figure = Figure(figsize=(8.1, 0.7 * len(rows) + 0.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(page, cmap="gray", interpolation="nearest", origin="upper")
    axes.set_yticks((np.arange(len(rows)) + 0.5) * page.shape[0] / len(rows), rows)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_figure(path, figure, dpi=150)


def save_curves(path, history, panels, references):
    """Write the curves of a run as a PNG file, one panel below the other.

    history     name -> array, one of them "step"
    panels      title of a panel -> names of its curves
    references  name of a loss -> its value where D cannot tell real from fake, drawn as a dotted line
    """
    from matplotlib.figure import Figure
    height = 0.8 + 2.5 * len(panels)
    figure = Figure(figsize=(10.5, height))
    figure.subplots_adjust(0.07, 0.5 / height, 0.82, 1 - 0.2 / height, hspace=0.08)  # a "constrained" layout takes 40 % longer
    rows = figure.subplots(len(panels), squeeze=False, sharex=True)[:, 0]
    for axes, (title, names) in zip(rows, panels.items(), strict=True):
        for i, name in enumerate(names):
            steps, values = history["step"], history[name]
            axes.plot(steps, values, color=f"C{i}", alpha=0.25, linewidth=0.8)
            window = max(1, len(values) // 50)
            smooth = np.convolve(values, np.ones(window) / window, "valid")
            axes.plot(steps[len(steps) - len(smooth):], smooth, color=f"C{i}", label=name)
            if name in references:
                axes.axhline(references[name], color=f"C{i}", linestyle=":", label=f"if D cannot tell: {references[name]:.3f}")
        axes.set_ylabel(title)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)  # outside: it hides no curve
    axes.set_xlabel("step")
    save_figure(path, figure)


def save_lines(path, lines, x_label, y_label):
    """Write lines as a PNG file, y on a logarithmic axis. lines: name -> curves [(x, y), ...], all in one colour."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for i, (name, curves) in enumerate(lines.items()):
        for j, curve in enumerate(curves):
            axes.plot(*np.transpose(curve), ".-", color=f"C{i}", label=None if j else name)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, None), yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(which="both", alpha=0.25)
    axes.legend(loc="upper right", fontsize="small")
    save_figure(path, figure)


def save_gif(path, pictures, fps=5):
    """Write an animated GIF of PNG files of equal size, in the given order. The last one stays for two seconds."""
    from matplotlib.animation import PillowWriter
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    def frame(picture):
        try:
            return imread(picture)
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises at damaged bytes
            raise InputError(f"{picture}: expected a PNG picture for {path}, got a damaged one ({error!s:.60}); remove it and "
                             "resume the run") from None

    pictures = [*pictures]
    height, width = frame(pictures[0]).shape[:2]
    check_memory(4 * height * width * len(pictures), path)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    shown = figure.figimage(frame(pictures[0]), origin="upper")
    writer = PillowWriter(fps=fps)
    with atomic(path) as temporary:
        writer.setup(figure, temporary, dpi=100)  # its context manager `saving` would finish the file after Ctrl-C, too
        for picture in pictures + [pictures[-1]] * (2 * fps):
            shown.set_data(frame(picture))
            writer.grab_frame()
        writer.finish()


def save_plane(path, surface, extent, points, centres, title):
    """Write points (n, 2) on a map of D as a PNG file of 400 × 430 pixels.

    surface: D(x) in [0, 1] on a grid (rows, columns) over ±extent; blue is fake and red is real to D. Circles mark the
    centres (k, 2) of the true modes.
    """
    from matplotlib.figure import Figure
    figure = Figure(figsize=(4, 4.3), dpi=100)
    figure.text(0.5, 0.965, title, ha="center", va="center", fontsize=10)
    axes = figure.add_axes((0, 0, 1, 4 / 4.3))
    axes.imshow(surface, cmap="coolwarm", vmin=0, vmax=1, origin="lower", extent=(-extent, extent) * 2, alpha=0.6)
    axes.plot(*centres.T, "o", markersize=9, markerfacecolor="none", markeredgecolor="black", markeredgewidth=0.7)
    axes.plot(*points.T, ".", color="black", markersize=1.5, markeredgewidth=0)
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), xticks=[], yticks=[])
    save_figure(path, figure)


def draw_graph(tensor, path=None, *, axes=None, **options):
    """Draw how a value was computed, from its inputs at the top down to itself, with the gradients that flow back up.

    A black line leads from each value to what was computed from it. Where both are one number, the red number beside the line
    is the local derivative. A value's gradient is a sum over the lines that lead down from it: the red number times the
    gradient at the lower end. What is frozen is grey.

    path     a PNG or SVG file to write
    axes     matplotlib axes to draw into, by default those of a new Figure
    options  gradients, fold, and names of tensors and networks: see graph.graph, also for the errors

    Returns the Figure, which a notebook shows. `backward()` may still follow.
    """
    places, edges = layout(graph(tensor, **options))
    lines = {box: _lines(box) for box in places}
    width = 0.25 + 0.068 * max(len(text) for texts in lines.values() for text, *_ in texts)  # in inches, as all below
    tall = np.zeros(1 + max(row for _, row in places.values()))  # of each row
    for box, (_, row) in places.items():
        tall[row] = max(tall[row], LINE * len(lines[box]))
    centres = tall / 2 - np.cumsum(tall + 0.36)
    at = lambda x, row: (x * (width + 0.2), centres[row])
    across = [at(*point)[0] for point in [*places.values(), *(point for points in edges.values() for point in points)]]
    left, right = min(across) - width / 2 - 0.1, max(across) + width / 2 + 0.1
    bottom, top = centres[-1] - tall[-1] / 2 - 0.15, -0.2
    if axes is None:
        from matplotlib.figure import Figure
        axes = Figure(figsize=(right - left, top - bottom), dpi=100).add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.axis("off")
    for (source, box), points in edges.items():
        _draw_edge(axes, [at(*point) for point in points], box.inputs[source], source.kind == "frozen")
    for box, place in places.items():
        _draw_box(axes, *at(*place), width, lines[box], COLOURS["frozen" if box.frozen else box.kind])
    axes.figure._repr_png_ = lambda: _png(axes.figure)
    if path is not None:
        save_figure(path, axes.figure, dpi="figure")
    return axes.figure


def _lines(box):
    """What a box of a graph says, line by line: (text, colour, weight)."""
    ink = GREY if box.frozen else "black"
    return [(box.title, ink, "bold"), *((line, RED if text.startswith("gradient") else ink, "normal")
                                        for text in box.text for line in textwrap.wrap(text, 36))]


def _draw_edge(axes, points, slopes, frozen):
    """The line between two boxes of a graph, and the local derivatives, if they are numbers."""
    style = dict(color=GREY, linestyle="--") if frozen else dict(color="black")
    axes.plot(*np.transpose(points), linewidth=0.9, zorder=1, **style)
    if slopes:
        text = "× " + " + ".join(f"{slope:.4g}" for slope in slopes)
        axes.text(*np.mean(points[-2:], 0), text, color=RED, fontsize=9, ha="center", va="center",
                  bbox=dict(facecolor="white", edgecolor="none", pad=1))


def _draw_box(axes, x, y, width, lines, colour):
    """One box of a graph, around (x, y)."""
    from matplotlib.patches import FancyBboxPatch
    height = LINE * len(lines) + 0.08
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.06",
                                  facecolor=colour, edgecolor=lines[0][1], linewidth=0.9, zorder=2))
    for i, (text, ink, weight) in enumerate(lines):
        axes.text(x, y + LINE * ((len(lines) - 1) / 2 - i), text, color=ink, fontsize=8.5, fontweight=weight, ha="center",
                  va="center_baseline", zorder=3)


def _png(figure):
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
