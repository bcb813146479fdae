"""How good are the digits after how many minutes of training? `demos/benchmark.py --quality` asks numgan and PyTorch in turn.

Three runs grow side by side: numgan with its default recipe, the one of `demos/mnist_gan.py`; numgan and PyTorch with the
tutorials' recipe: Adam at 2e-4 with beta1 0.5 for both players, dropout in D, real label 1, no moving average, and samples
drawn with the running statistics of batch norm. (D's loss is the sum of its two parts in PyTorch and their mean in numgan; to
Adam, a constant factor makes hardly any difference.) The clock runs during training steps only.
"""

from contextlib import ExitStack

import numpy as np
from engines import Engine, measure

from numgan import data, metrics, plotting

OURS, THEIRS = "numgan, default recipe", "PyTorch, tutorials' recipe"


class Judge:
    """Digit-FID of images to n embedded digits, spread evenly over the set; and the share of each digit among the images."""

    def __init__(self, n):
        images, _ = data.digits_10k()
        self.classifier = metrics.load_classifier()
        self.reference = self.classifier.features(data.to_images(images[np.linspace(0, len(images) - 1, n).astype(int)]))

    def __call__(self, images):
        """(digit-FID, shares of the digits 0 … 9)."""
        counts = metrics.digit_histogram(self.classifier.probabilities(images))
        return metrics.frechet_distance(self.classifier.features(images), self.reference), counts / len(images)


def players(formats, threads):
    """Name -> Engine's engine and recipe; PyTorch, if there is one, with the quicker of its memory formats."""
    named = {OURS: ("numgan", "default"), "numgan, tutorials' recipe": ("numgan", "tutorial")}
    if formats:
        steps = {engine: measure(engine, 20, threads=threads)["median"] for engine in formats}
        quicker = min(steps, key=steps.get)
        print(", ".join(f"{engine}: {seconds * 1e3:.1f} ms a step" for engine, seconds in steps.items()), f"-> {quicker}")
        named[THEIRS] = quicker, "tutorial"
    return named


def race(named, judge, seed, args, draw):
    """Train all in turn, args.every steps at a time, and print a row for each: {name: [(minutes, digit-FID), ...]}.

    draw(so much of it) is called after every round.
    """
    curves, seconds = {name: [] for name in named}, dict.fromkeys(named, 0.0)
    with ExitStack() as stack:
        engines = {name: stack.enter_context(Engine(engine, threads=args.threads, recipe=recipe, seed=seed))
                   for name, (engine, recipe) in named.items()}
        done = 0
        while done < args.steps:
            chunk = min(args.every, args.steps - done)
            done += chunk
            for name, engine in engines.items():
                result, images = engine.ask(chunk, args.samples)
                seconds[name] += sum(result["times"])
                distance, shares = judge(images)
                curves[name].append((seconds[name] / 60, distance))
                print(f"{name:28} {done:6,} {seconds[name] / 60:8.2f} {distance:10.2f} "
                      f"{100 * shares.min():7.1f} … {100 * shares.max():.1f}", flush=True)
            draw(curves)
    return curves


def minutes_until(curve, goal):
    """When the curve first comes down to the goal, on straight lines between its points; ∞ if it does not."""
    before = None
    for minutes, distance in curve:
        if distance <= goal:
            return minutes if before is None else np.interp(goal, [distance, before[1]], [minutes, before[0]])
        before = minutes, distance
    return np.inf


def quality(formats, args):
    """Print the table, draw the curves after each of its blocks, and say how much sooner numgan is as good as PyTorch."""
    named, judge = players(formats, args.threads), Judge(args.samples)
    print(f"digit-FID of {args.samples:,} samples to as many embedded digits, which all learn from; threads: {args.threads}")
    lines, ratios = {name: [] for name in named}, []
    for seed in range(args.seeds):
        print(f"{f'seed {seed}':28} {'steps':>6} {'minutes':>8} {'digit-FID':>10}   digits, min … max, %", flush=True)
        curves = race(named, judge, seed, args, lambda curves: plotting.save_lines(
            args.out, {name: [*lines[name], curve] for name, curve in curves.items()}, "minutes of training", "digit-FID"))
        for name, curve in curves.items():
            lines[name].append(curve)
        if THEIRS in curves:
            minutes, goal = curves[THEIRS][-1]
            said = f"PyTorch after {args.steps:,} steps: digit-FID {goal:.2f}, {minutes:.2f} minutes; numgan reaches it "
            ours = minutes_until(curves[OURS], goal)
            ratios.append(ours / minutes)
            reached = np.isfinite(ours)
            print(said + (f"in {ours:.2f} minutes: {ratios[-1]:.2f} of PyTorch's time" if reached else "not within its own"))
    if len(ratios) > 1:
        print(f"median of {len(ratios)} seeds: {np.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})")
    if THEIRS not in named:
        print("to compare with PyTorch: pip install torch")
    print(f"drawn: {args.out}")
