"""What a run shows of its game: curves, the progress line, sample sheets.

Looks know the names of a game's figures and how to draw with its networks. They do not know losses or optimisers.
Read images.py next.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass(kw_only=True)
class Looks:
    """A figure is a number that the game's `step` returns, such as a loss. It goes by the name that it has there.

    panels      title of a plot -> the figures in it
    progress    label in the progress line -> figure
    references  figure -> value of its dotted line in the plot, if it has one
    columns     images in a row of a sheet
    """

    panels: dict
    progress: dict
    references: dict = field(default_factory=dict)
    columns: int = 5

    def figures(self):
        """The names of all figures that are shown."""
        return {*self.progress.values(), *(name for names in self.panels.values() for name in names)}

    def inputs(self, game, rng):
        """The array that all sheets of a run are drawn from, made once, so that they can be compared. Here it is empty."""
        return np.zeros(0)

    def sheet(self, game, inputs, examples):
        """The images of a sheet, float (n, H, W, C) in [-1, 1]. examples(n) returns n items of the data to show."""
        raise NotImplementedError


@dataclass(kw_only=True)
class Samples(Looks):
    """Both losses and D's scores; a sheet of `n` samples."""

    panels: dict = field(default_factory=lambda: {
        "loss": ("d_loss", "g_loss"), "D(x), D(G(z))": ("d_real", "d_fake"),
        "accuracy": ("d_accuracy_real", "d_accuracy_fake", "g_accuracy")})
    progress: dict = field(default_factory=lambda: {
        "loss D": "d_loss", "G": "g_loss", "D(x)": "d_real", "D(G(z))": "d_fake"})
    n: int = 25

    def inputs(self, game, rng):
        """n codes."""
        return game.latent(self.n, rng)

    def sheet(self, game, inputs, examples):
        """G(z)."""
        return game.generate(inputs)


@dataclass(kw_only=True)
class ClassReader(Samples):
    """Samples, and a plot of how well D recognises classes: `accuracies` are the names of these figures."""

    accuracies: tuple

    def __post_init__(self):
        self.panels = self.panels | {"accuracy of the class": self.accuracies}
