"""numgan against PyTorch on this machine's CPU, side by side: python demos/benchmark.py

How long is a step? Each engine (see engines.py) plays the same game with the tutorials' recipe, in its own process and in turn
(A B A B ...), so that changes in the machine's speed affect both; ratios are taken within each round. PyTorch's figure is the
better of contiguous and channels_last. How good are the digits after how many minutes? --quality measures that (see
quality.py). Without PyTorch (pip install torch) only numgan's figures are shown.
"""

import argparse
import ast
import cProfile
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from engines import BATCHES, ENGINES, environment, measure, numgan_game
from quality import quality

from numgan import InputError, console
from numgan.console import whole

OTHER = "elementwise, sums, Python"
SPEED = {"game": "dcgan", "batch": None, "rounds": 5, "steps": 40, "threads": 2, "where": False, "worker": None}
QUALITY = {"steps": 2000, "every": 100, "samples": 10_000, "seeds": 1, "threads": 2, "out": Path("runs", "quality.png")}


def product_rate(n=2048):
    """FLOP/s of a product of two float32 matrices, n × n: the best of five."""
    a, best = np.random.default_rng(0).standard_normal((n, n), np.float32), 0.0
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        best = max(best, 2 * n**3 / (time.perf_counter() - began))
    return best


def where_the_time_goes(step, steps=20):
    """Print numgan's time by kind of work, and the time of its matrix products at the machine's best rate."""
    from numgan import conv, ops
    flops, counted = [0], (conv.rows_times, ops.from_op)

    def counting_rows(x, matrix):
        flops[0] += 2 * x.size * matrix.shape[1]
        return counted[0](x, matrix)

    def counting_op(value, *inputs):
        if inputs[0][1].__qualname__.startswith("matmul"):
            (a, _), (b, _) = inputs
            flops[0] += 2 * a.size * b.shape[1] * (1 + a.requires_grad + b.requires_grad)
        return counted[1](value, *inputs)

    conv.rows_times, ops.from_op = counting_rows, counting_op
    step()
    conv.rows_times, ops.from_op = counted

    best = product_rate()
    profile = cProfile.Profile()
    began = time.perf_counter()
    profile.runcall(lambda: [step() for _ in range(steps)])
    total = time.perf_counter() - began
    kinds = time_by_kind(profile.getstats())  # pstats would keep only one of the functions that begin on the same line
    for kind, seconds in kinds.items():
        print(f"  {kind:28} {seconds / steps * 1e3:6.1f} ms {seconds / sum(kinds.values()):6.0%}")
    floor = flops[0] / best
    print(f"  {flops[0] / 1e9:.2f} GFLOP per step in matrix products; at this machine's {best / 1e9:.0f} GFLOP/s: "
          f"{floor * 1e3:.1f} ms, {floor / (total / steps):.0%} of the step")


def time_by_kind(entries):
    """Kind of work -> seconds, of what cProfile.Profile.getstats returns."""
    kinds = dict.fromkeys(("matrix products", "im2col, col2im", "random numbers", "optimiser", OTHER), 0.0)
    for entry in entries:
        code, kind = entry.code, OTHER
        if isinstance(code, str):  # a function written in C
            file, name, within = "", code, ""
        else:
            file, name, within = code.co_filename, code.co_name, function_at(code.co_filename, code.co_firstlineno)
        module = os.path.basename(file)
        if name == "rows_times" or (module, within) == ("ops.py", "matmul"):
            kind = "matrix products"
        elif name in ("im2col", "col2im", "<method 'reshape' of 'numpy.ndarray' objects>"):
            kind = "im2col, col2im"
        elif (module, within) == ("layers.py", "Dropout") or "standard_normal" in name or "bytes" in name:
            kind = "random numbers"
        elif module == "optim.py":
            kind = "optimiser"
        kinds[kind] += entry.inlinetime
    return kinds


def function_at(file, line):
    """The top-level function or class that contains a line of a source file, "" if there is none."""
    if not file.endswith(".py"):
        return ""
    with open(file, encoding="utf-8") as source:
        blocks = [node for node in ast.parse(source.read()).body if hasattr(node, "name")]
    return next((node.name for node in blocks if node.lineno <= line <= node.end_lineno), "")


def apart(threads, *options):
    """What this script prints with these options, in a process of its own with so many threads."""
    done = subprocess.run([sys.executable, __file__, *map(str, options)], env=environment(threads), check=False,
                          capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise InputError(f"{' '.join(map(str, options))}: expected a measurement, got {reason[-1]}")
    return done.stdout


def print_machine(threads):
    """Print how fast matrix products are here, with one thread and with more: what any engine can hope for."""
    one, *more = (float(apart(n, "--worker", "product")) for n in sorted({1, threads}))
    several = "".join(f", {rate / 1e9:.0f} with {threads} ({rate / one:.1f} times)" for rate in more)
    print(f"matrix products: {one / 1e9:.0f} GFLOP/s with one thread{several}")


def arguments():
    """The command line: settings of the step times, or with --quality those of the curves; others are refused."""
    parser = argparse.ArgumentParser(description="numgan against PyTorch on this CPU.", usage="%(prog)s [options]",
                                     argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--threads", type=whole(1, 1024), help="default 2")
    add("--steps", type=whole(1, 100_000), help="steps in each round; default 40, or 2000 in all with --quality")
    add("--game", choices=BATCHES, help="default dcgan")
    add("--batch", type=whole(1, 10_000), help="images in each minibatch; default 32, dense 128")
    add("--rounds", type=whole(1, 1000), help="default 5")
    add("--where", action="store_true", help="numgan only: where its time is spent, and how it scales")
    add("--quality", action="store_true", help="digit-FID against minutes of training, as a table and a picture")
    add("--every", type=whole(), help="with --quality: steps from one measurement to the next; default 100")
    add("--samples", type=whole(2, 10_000), help="with --quality: digits that are measured each time; default 10,000")
    add("--seeds", type=whole(1, 1000), help="with --quality: runs of each engine; default 1")
    add("--out", type=console.file(".png"), help="with --quality: the picture; default runs/quality.png")
    add("--worker", choices=("where", "product"), help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    curves = given.pop("quality", False)
    settings = QUALITY if curves else SPEED
    for name in (name for name in given if name not in settings):
        raise InputError(f"--{name}: expected {'without' if curves else 'with'} --quality")
    return curves, argparse.Namespace(**settings | given)


def main():
    """Run the rounds of all engines, then print the table; or the curves."""
    curves, args = arguments()
    torch = ENGINES[1:] if importlib.util.find_spec("torch") else ()
    if curves:
        args.out.parent.mkdir(parents=True, exist_ok=True)  # if it cannot be, then now
        print_machine(args.threads)
        quality(torch, args)
        return
    batch = args.batch or BATCHES[args.game]
    if args.worker == "product":
        print(product_rate())
        return
    if args.worker == "where":
        where_the_time_goes(numgan_game("tutorial", args.game, batch, seed=0)[0])
        return
    print_machine(args.threads)
    job = {"game": args.game, "threads": args.threads}
    if args.where:
        print(f"{args.game}, batch {batch}, {args.threads} threads")
        print(apart(args.threads, "--worker", "where", "--game", args.game, "--batch", batch), end="")
        for size, threads in [(size, args.threads) for size in (8, 32, 64, 128, 256)] + [(batch, 1)]:
            result = measure("numgan", args.steps, **job | {"batch": size, "threads": threads})
            print(f"  batch {size:4}, {threads} threads: {result['median'] * 1e3:7.1f} ms, "
                  f"{result['median'] / size * 1e3:5.2f} ms per image, peak {result['peak']:.0f} MB")
        return
    engines = ("numgan", *(torch[:1] if args.game == "dense" else torch))
    rounds = [{engine: measure(engine, args.steps, 10_000, batch=batch, **job) for engine in engines}
              for _ in range(args.rounds)]
    print(f"{args.game}, batch {batch}, {args.threads} threads, {args.rounds} rounds of {args.steps} steps")
    print(f"{'engine':20} {'median':>9} {'best':>9} {'peak':>8} {'10,000 samples':>15}")
    for engine in engines:
        results = [r[engine] for r in rounds]
        typical, best = median(r["median"] for r in results), min(min(r["times"]) for r in results)
        peak, sample = max(r["peak"] for r in results), min(r["sample"] for r in results)
        print(f"{engine:20} {typical * 1e3:6.1f} ms {best * 1e3:6.1f} ms {peak:5.0f} MB {sample:13.2f} s")
    if len(engines) == 1:
        print("to compare with PyTorch: pip install torch")
        return
    for what in ("median", "sample"):
        ratios = sorted(min(r[e][what] for e in engines[1:]) / r["numgan"][what] for r in rounds)
        print(f"PyTorch's {what} / numgan's: {median(ratios):.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})")


if __name__ == "__main__":
    console.run(main)
