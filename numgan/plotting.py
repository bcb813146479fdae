"""Sample sheets, curves and animations, as files.

This is the only module that uses matplotlib, and it imports matplotlib only when something is drawn, because that takes time.
Read checkpoint.py next.
"""

import numpy as np

from .errors import InputError
from .files import atomic


def save_figure(path, figure, dpi=100):
    """Write a matplotlib figure as a PNG file, completely or not at all."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def sheet(images, columns=None, border=2):
    """Images (n, H, W, 1) in [-1, 1], row by row in one uint8 array. columns: images in a row, by default √n rounded up."""
    n, h, w, _ = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    page = np.zeros((rows, columns, h + border, w + border), np.uint8)
    page.reshape(-1, h + border, w + border)[:n, :h, :w] = np.rint((images[..., 0] + 1) * 127.5)
    page = page.transpose(0, 2, 1, 3).reshape(rows * (h + border), columns * (w + border))
    return np.pad(page, ((border, 0), (border, 0)))


def save_sheet(path, images, columns=None, zoom=2):
    """Write a sheet of images (n, H, W, 1) in [-1, 1] as a PNG file, every pixel enlarged to `zoom` × `zoom`."""
    from matplotlib.image import imsave
    page = sheet(images, columns).repeat(zoom, 0).repeat(zoom, 1)
    with atomic(path) as temporary:
        imsave(temporary, page[..., None].repeat(3, 2))  # RGB: a colour map would merge some of the 256 levels


def save_curves(path, history, panels, equilibrium):
    """Write the curves of a run as a PNG file, one panel below the other.

    history      name -> array, one of them "step"
    panels       title of a panel -> names of its curves
    equilibrium  name of a loss -> its value when D cannot tell real from fake, drawn as a dotted line
    """
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9, 1 + 2.4 * len(panels)), layout="constrained")
    rows = figure.subplots(len(panels), squeeze=False, sharex=True)[:, 0]
    for axes, (title, names) in zip(rows, panels.items(), strict=True):
        for i, name in enumerate(names):
            steps, values = history["step"], history[name]
            axes.plot(steps, values, color=f"C{i}", alpha=0.25, linewidth=0.8)
            window = max(1, len(values) // 50)
            smooth = np.convolve(values, np.ones(window) / window, "valid")
            axes.plot(steps[len(steps) - len(smooth):], smooth, color=f"C{i}", label=name)
        for value in sorted({equilibrium[name] for name in names if name in equilibrium}):
            axes.axhline(value, color="grey", linestyle=":", label=f"D undecided: {value:.3f}")
        axes.set_ylabel(title)
        axes.legend(loc="upper right", fontsize="small")
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
    frames = []
    for picture in pictures:
        try:
            frames.append(imread(picture))
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises at damaged bytes
            raise InputError(f"{picture}: expected a PNG picture for {path}, got a damaged one ({error!s:.60}); remove it and "
                             "resume the run") from None
    height, width = frames[0].shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    shown = figure.figimage(frames[0])
    writer = PillowWriter(fps=fps)
    with atomic(path) as temporary, writer.saving(figure, temporary, dpi=100):
        for frame in frames + [frames[-1]] * (2 * fps):
            shown.set_data(frame)
            writer.grab_frame()


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
