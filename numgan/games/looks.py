"""What a run shows of its game: curves, the figures of the progress line, sample sheets.

Looks know the names of a game's figures and how to draw with its networks. They do not know losses or optimisers.
"""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Looks:
    """Names of figures are those that the game's `step` returns.

    panels      title of a plot -> the figures that it shows
    progress    label in the progress line -> figure
    references  figure -> value of its dotted line in the plot, where there is one
    columns     of a sheet of images
    """

    panels: dict
    progress: dict
    references: dict = field(default_factory=dict)
    columns: int = 5

    def inputs(self, game, rng):
        """What the sheets of a run are drawn from, an array. It is drawn once, so the sheets of a run can be compared."""
        raise NotImplementedError

    def sheet(self, game, inputs, examples):
        """The images of a sheet, float (n, H, W, C) in [-1, 1]. examples(n): n items of the data to show beside them."""
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
    """Samples, and a plot of how well D tells classes apart: `accuracies` are the names of these figures."""

    accuracies: tuple

    def __post_init__(self):
        self.panels = self.panels | {"accuracy of the class": self.accuracies}
