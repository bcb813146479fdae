"""Checkerboard artefacts, after Odena, Dumoulin & Olah 2016: python demos/checkerboard.py

A transposed convolution with stride 2 writes its kernel at every second pixel. With 3 taps, some pixels are reached by more
kernel positions than others: a checkerboard, unless the weights make up for it. With 4 taps, all are reached equally often;
but every second pixel still has weights of its own, and they need not add up to the same. After resizing by nearest neighbour,
a convolution of stride 1 writes to all pixels alike.

The script counts the overlaps, and trains three DCGANs on digits that differ in G's upsampling only. Before and after training
it compares the spectrum of their samples with that of real digits. A pattern that alternates from pixel to pixel has the
frequency 1/2 cycle per pixel along x, along y, or both: `stride_excess` is the power around these frequencies beside that of
their neighbourhood.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from numgan import (
    BatchNorm,
    Conv2DTranspose,
    Dense,
    LeakyReLU,
    Reshape,
    ResizeConv2D,
    Sequential,
    Tanh,
    console,
    conv2d,
    conv2d_transpose,
    data,
    plotting,
    upsample,
)
from numgan.batches import ImageBatches
from numgan.console import SEED, file
from numgan.games import DCGAN

UPSAMPLING = {"transposed, kernel 3": lambda filters: Conv2DTranspose(filters, 3, strides=2),
              "transposed, kernel 4": lambda filters: Conv2DTranspose(filters, 4, strides=2),
              "resize, kernel 5": lambda filters: ResizeConv2D(filters, 5)}
COLOURS = "#D55E00", "#E69F00", "#0072B2"
SIZE = 28  # of a digit; the stride frequencies are its Fourier coefficients (14, 0), (0, 14) and (14, 14)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="small networks, a few steps: only to see that it works")
    add("--seed", type=SEED, default=0, help="random seed; default 0")
    add("--out", type=file(".png"), default="runs/checkerboard.png",
        help="the picture; default runs/checkerboard.png")
    return parser.parse_args()


def overlaps(kernel, n=8):
    """How many positions of a kernel x kernel window, at stride 2 over n x n inputs, reach each output pixel: (2n, 2n)."""
    return conv2d_transpose(np.ones((1, n, n, 1)), np.ones((kernel, kernel, 1, 1)), strides=2).data[0, :, :, 0]


def resized_overlaps(kernel, n=8):
    """The same for a convolution of stride 1 over the inputs resized to (2n, 2n): all equal, except at the border."""
    return conv2d(upsample(np.ones((1, n, n, 1))), np.ones((kernel, kernel, 1, 1))).data[0, :, :, 0]


@dataclass(kw_only=True, eq=False, repr=False)
class UpsamplingDCGAN(DCGAN):
    """DCGAN with one of the UPSAMPLING layers in G."""

    upsampling: str

    def build(self):
        """DCGAN's networks, with another G."""
        super().build()
        up, small = UPSAMPLING[self.upsampling], (SIZE // 4, SIZE // 4, 2 * self.width)
        self.generator = Sequential(
            Dense(int(np.prod(small))), LeakyReLU(0.2), BatchNorm(), Reshape(*small),
            up(self.width), BatchNorm(), LeakyReLU(0.2),
            up(1), Tanh(), input_shape=(self.latent_dim,), rng=self.rng)


def power(images):
    """Mean power spectrum of images (n, 28, 28, 1) without their means: (28, 28)."""
    return (np.abs(np.fft.fft2(images[..., 0] - images.mean((1, 2))[:, None], norm="ortho"))**2).mean(0)


def stride_excess(spectrum):
    """Mean power at most 1/28 cycles per pixel away from (½, 0), (0, ½) and (½, ½), over that 2/28 and 3/28 away.

    Near 1 for a smooth spectrum (0.88 for real digits, whose power falls towards high frequencies), above 1 if these three
    stand out. Distances are the larger of those along x and y.
    """
    k = np.arange(SIZE)
    from_0, from_half = np.minimum(k, SIZE - k), np.abs(k - SIZE // 2)
    at = around = 0
    for y, x in (from_half, from_0), (from_0, from_half), (from_half, from_half):
        distance = np.maximum(y[:, None], x)
        at += spectrum[distance <= 1].mean()
        around += spectrum[(distance >= 2) & (distance <= 3)].mean()
    return at / around


def grow(upsampling, images, moments, width, n, seed):
    """Samples (n, 28, 28, 1) of a game with this upsampling at each of these steps."""
    game_rng, data_rng = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    game = UpsamplingDCGAN(upsampling=upsampling, width=width, categories=0, rng=game_rng)
    batches = ImageBatches(images, game.batch_size, data_rng)
    for step in range(moments[-1] + 1):
        if step in moments:
            yield game.sample(n, np.random.default_rng(1))
        if step < moments[-1]:
            game.step(*next(batches))


def draw(real, samples, moments):
    """The figure. samples: name -> one array of images for each of the moments."""
    from matplotlib.figure import Figure  # slow to import
    figure = Figure(figsize=(13, 8.2), layout="constrained")
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1, 0.85, 1.35))
    draw_overlaps(top)
    pages = [(f"{name}\nstep {moments[i]}", each[i]) for i in (0, len(moments) // 2, -1) for name, each in samples.items()]
    for axes, (title, images) in zip(middle.subplots(1, 10), [*pages, ("real\ndigits", real[::len(real) // 4])], strict=True):
        images = images[:4] / np.abs(images[:4]).max()  # full contrast: untrained samples have little
        axes.imshow(plotting.sheet(images, border=1), cmap="gray", vmin=0, vmax=255)
        axes.set_title(title.replace(", ", "\n", 1), fontsize=8)
        axes.set_axis_off()
    before, after, excess = bottom.subplots(1, 3)
    frequencies = np.arange(1, SIZE // 2 + 1) / SIZE
    for axes, i, title in (before, 0, "spectrum, step 0"), (after, -1, f"spectrum, step {moments[-1]}"):
        for (name, each), colour in zip([*samples.items(), ("real digits", [real] * 2)], [*COLOURS, "black"], strict=True):
            spectrum = power(each[i])
            along = (spectrum[0] + spectrum[:, 0])[1:SIZE // 2 + 1]  # along x and along y
            axes.plot(frequencies, along / spectrum.sum(), color=colour, linewidth=2, label=name,
                      linestyle="--" if colour == "black" else "-")
        axes.set(title=title, yscale="log", xlabel="cycles per pixel, along x or y", ylabel="share of the power")
    before.legend(fontsize="small", loc="lower left")
    level = stride_excess(power(real))
    for (name, each), colour in zip(samples.items(), COLOURS, strict=True):
        excess.plot([stride_excess(power(images)) for images in each], ".-", color=colour, label=name)
    excess.axhspan(0.8 * level, 1.2 * level, color="0.88")
    excess.axhline(level, color="black", linestyle="--")
    excess.set(title="stride excess (grey: real digits ± 20 %)", yscale="log", xlabel="step", xticks=range(len(moments)),
               xticklabels=moments)
    excess.set_yticks([0.3, 0.5, 1, 2, 5, 10, 20])
    excess.set_yticks([], minor=True)
    excess.yaxis.set_major_formatter("{x:g}")
    return figure


def draw_overlaps(figure):
    """Overlap counts along a row, and in two dimensions."""
    inner = slice(4, 14)  # without the border
    counts = {"transposed, kernel 3": overlaps(3), "transposed, kernel 4": overlaps(4), "resize, kernel 5": resized_overlaps(5)}
    panels = figure.subplots(1, 6, width_ratios=(1.6, 1, 1.6, 1, 1.6, 1))
    for i, ((name, count), colour) in enumerate(zip(counts.items(), COLOURS, strict=True)):
        row, plane = panels[2 * i:2 * i + 2]
        count = count[inner, inner]
        row.bar(range(len(count)), np.sqrt(np.diag(count)), color=colour)  # a square window: its row counts, squared
        row.set(title=f"{name}\noverlaps in one dimension", xticks=[], ylim=(0, 5.5), xlabel="output pixel")
        row.title.set_fontsize(9)
        plane.imshow(count, cmap="gray", vmin=0, vmax=1.3 * count.max())
        plane.set_title(f"in two: {count.min():.0f} … {count.max():.0f}" if np.ptp(count) else f"in two: {count.max():.0f}",
                        fontsize=9)
        plane.set_axis_off()


def main():
    """Train, measure, draw."""
    args = arguments()
    moments, width, n = ([0, 2], 2, 50) if args.quick else ([0, 25, 50, 100, 200, 400, 600], 32, 1000)
    pixels, _ = data.digits_10k()
    real = data.to_images(pixels[::len(pixels) // n])
    level, samples = stride_excess(power(real)), {}
    print(f"{'stride excess at step':24}", *(f"{moment:6}" for moment in moments))
    for name in UPSAMPLING:
        print(f"{name:24}", end="", flush=True)
        samples[name] = []
        for images in grow(name, pixels, moments, width, n, args.seed):
            samples[name].append(images)
            print(f" {stride_excess(power(images)):6.2f}", end="", flush=True)
        print()
    print(f"{'real digits':24} {level:6.2f}")
    plotting.save_figure(args.out, draw(real, samples, moments), dpi=90)
    print(args.out)


if __name__ == "__main__":
    console.run(main)
