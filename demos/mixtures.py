"""Which modes of a mixture of Gaussians does a GAN lose? python demos/mixtures.py  (see --help; --table runs them all)"""

import argparse
import sys
from pathlib import Path

import numpy as np

from numgan import InputError, console, metrics, plotting
from numgan.batches import PointBatches
from numgan.console import SEED, folder, whole
from numgan.games.mixture import MIXTURES, MixtureGAN, MixtureLSGAN, PointGAN
from numgan.run import Run, continued, intact, recorded
from numgan.training import resume_hint, train, unfinished

GAMES = {"vanilla": MixtureGAN, "least-squares": MixtureLSGAN}
DEFAULTS = {"mixture": "ring", "loss": "vanilla", "pack": 2, "steps": 15000, "every": 500, "seed": 0}
SEEDS = 3


def arguments():
    """The command line. An option that is not given is absent, so that --resume knows which were given."""
    parser = argparse.ArgumentParser(description="Train a GAN on a mixture of Gaussians, and count the modes that it covers.",
                                     usage="%(prog)s [options]", argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--mixture", choices=MIXTURES, help="8 modes on a ring (default), or 25 on a grid")
    add("--loss", choices=GAMES, help="default vanilla")
    add("--pack", type=whole(1, 1000), help="points that D judges together (PacGAN); default 2; 1 is the plain GAN")
    add("--steps", type=whole(), help=f"total steps, over which the learning rate falls to 0; default {DEFAULTS['steps']}")
    add("--every", type=whole(), help=f"steps between pictures and checkpoints; default {DEFAULTS['every']}")
    add("--seed", type=SEED, help="random seed; default 0")
    add("--out", type=folder, help="folder for the results; default runs/MIXTURE-LOSS, or runs/mixtures for the table")
    add("--resume", type=Path, metavar="CHECKPOINT", help="resume a run, as if it had not been interrupted")
    add("--table", action="store_true", help=f"every mixture and loss with {SEEDS} seeds; repeat the command to resume")
    return vars(parser.parse_args())


def new_run(about, out):
    """A new run."""
    if PointGAN.batch_size % about["pack"]:
        raise InputError(f"--pack: expected a divisor of {PointGAN.batch_size}, the points in a minibatch, got {about['pack']}")
    mixture = MIXTURES[about["mixture"]]
    game_seed, data_seed = map(np.random.default_rng, np.random.SeedSequence(about["seed"]).spawn(2))
    game = GAMES[about["loss"]](scale=mixture.scale, pack=about["pack"], lr_steps=about["steps"], rng=game_seed)
    return Run(game, PointBatches(mixture, game.batch_size, data_seed), out, about, draw)


def score(run, n=2500):
    """(modes covered, share of high quality) of n samples other than those in the pictures."""
    mixture = run.batches.distribution
    return metrics.modes_covered(run.game.sample(n, np.random.default_rng(1)), mixture.centres, mixture.sigma)


def draw(path, run):
    """Draw the samples of a run on a map of D(x); count the modes they cover."""
    mixture, points = run.batches.distribution, run.game.generate(run.inputs)
    modes, share = metrics.modes_covered(points, mixture.centres, mixture.sigma)
    extent = 1.3 * mixture.scale
    ticks = np.linspace(-extent, extent, 100)
    plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    outputs = run.game.outputs(plane.repeat(run.game.pack, 0))  # of a point packed with copies of itself
    surface = np.clip(run.game.losses.score(outputs), 0, 1).reshape(100, 100)
    plotting.save_plane(path, surface, extent, points, mixture.centres,
                        f"step {run.step:,}: {modes} of {len(mixture.centres)} modes, {share:.1%} high quality")


def completed(about, out):
    """The run with these options, trained or resumed until all its steps are done."""
    run = continued(new_run(about, out), may_differ=("every",))
    if unfinished(run, about["steps"]):
        out.mkdir(parents=True, exist_ok=True)
        print(out, file=sys.stderr)
        train(run, about["steps"], about["every"])
    return run


def table(options, out):
    """Print a row for every mixture and loss: mean (lowest … highest) over the seeds. Complete runs are not repeated."""
    header = "| mixture | loss | modes | high quality, % |\n| --- | --- | --- | --- |\n"
    for mixture in MIXTURES:
        for loss in GAMES:
            runs = [completed(DEFAULTS | options | {"mixture": mixture, "loss": loss, "seed": seed},
                             out / f"{mixture}-{loss}-{seed}")
                    for seed in range(SEEDS)]
            modes, quality = np.array([score(run) for run in runs]).T * [[1], [100]]
            print(f"{header}| {mixture} of {len(MIXTURES[mixture].centres)} | {loss} "
                  f"| {modes.mean():.1f} ({modes.min():.0f} … {modes.max():.0f}) "
                  f"| {quality.mean():.1f} ({quality.min():.1f} … {quality.max():.1f}) |", flush=True)
            header = ""


def main():
    """Settings, game, loop."""
    options = arguments()
    resume, out, every_run = (options.pop(name, None) for name in ("resume", "out", "table"))
    if every_run:
        if resume or options.keys() - {"steps", "every"}:
            raise InputError("--table: runs every mixture, loss and seed: expected no options but --steps, --every, --out")
        return table(options, out or Path("runs", "mixtures"))
    if resume:
        out = out or resume.parent
        about = recorded(resume, options, DEFAULTS, ("steps", "every"))
        with intact(resume):
            batches = new_run(about, out).batches
        run = Run.load(resume, batches, out, about, draw)
    else:
        about = DEFAULTS | options
        run = new_run(about, out or Path("runs", "{mixture}-{loss}".format(**about)))
    if run.path.exists() and not (resume and run.path.samefile(resume)):
        raise InputError(f"{run.out} already holds a run: choose another --out, or resume it: --resume "
                         f"{console.pasted(run.path)}")
    try:
        if "steps" in options or unfinished(run, run.about["steps"]):
            train(run, run.about["steps"], run.about["every"])
    except KeyboardInterrupt:
        raise KeyboardInterrupt(resume_hint(run)) from None
    modes, share = score(run)
    print(f"{run.out}: {modes} of {len(run.batches.distribution.centres)} modes, {share:.1%} high quality")


if __name__ == "__main__":
    console.run(main, stopped="stopped; the same command resumes a --table")
