"""numgan against PyTorch on this machine's CPU, side by side: python demos/benchmark.py

Each engine trains the same network on uniform random images, in its own process and in turn (A B A B ...), so that changes
in the machine's speed affect both; ratios are taken within each round. PyTorch is written as an expert would write it:
eager, the better of contiguous and channels_last, fused Adam, BCE on logits, one forward pass of G for both steps (except
dense), D frozen in G's step. Without PyTorch (pip install torch) only numgan's figures are shown.
"""

import argparse
import ast
import cProfile
import importlib.util
import json
import os
import pstats
import subprocess
import sys
import time

from numgan import InputError, console
from numgan.console import whole

ENGINES = ("numgan", "torch", "torch channels_last")
OTHER = "elementwise, sums, Python"
BATCHES = {"dcgan": 32, "dense": 128, "lsgan": 32}


def numgan_game(game, batch):
    """Two functions: one does a training step, the other samples n images."""
    import numpy as np

    from numgan.games import DCGAN, LSGAN, VanillaGAN
    made = {"dcgan": DCGAN, "dense": VanillaGAN, "lsgan": LSGAN}[game](rng=np.random.default_rng(0))
    images = np.random.default_rng(1).uniform(-1, 1, (batch, 28, 28, 1)).astype(np.float32)
    return lambda: made.step(images), made.sample


def torch_game(game, batch, channels_last, threads):
    """The same two functions for PyTorch."""
    try:
        import torch
    except ImportError:
        raise InputError("expected PyTorch for the comparison: pip install torch") from None
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits as bce
    from torch.nn.functional import mse_loss
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if game == "dense":
        sizes, act = (256, 512, 1024), lambda: nn.LeakyReLU(0.2)
        G = nn.Sequential(*(m for i, o in zip((10, *sizes), sizes, strict=False) for m in (nn.Linear(i, o), act())),
                          nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
        D = nn.Sequential(nn.Flatten(), *(m for i, o in zip((784, 1024, 512), (1024, 512, 256), strict=True)
                                          for m in (nn.Linear(i, o), act(), nn.Dropout(0.3))), nn.Linear(256, 1))
    else:
        G = nn.Sequential(nn.Linear(100, 6272), nn.LeakyReLU(0.2), nn.BatchNorm1d(6272), nn.Unflatten(1, (128, 7, 7)),
                          nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 5, padding=2), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
                          nn.Upsample(scale_factor=2), nn.Conv2d(64, 1, 5, padding=2), nn.Tanh())
        D = nn.Sequential(nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Conv2d(64, 128, 5, 2, 2),
                          nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Flatten(), nn.Linear(6272, 1))
    form = torch.channels_last if channels_last else torch.contiguous_format
    G, D = G.to(memory_format=form), D.to(memory_format=form)
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999), fused=True) for net in (G, D))
    real = (torch.rand(batch, 1, 28, 28) * 2 - 1).to(memory_format=form)
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    loss = mse_loss if game == "lsgan" else bce

    def latent(n):
        return torch.rand(n, 10) * 2 - 1 if game == "dense" else torch.randn(n, 100)

    def step():
        fake = G(latent(batch))
        if game == "dense":  # real and fake as one batch, and new z for G's step
            d_loss = loss(D(torch.cat([real, fake.detach()])), torch.cat([0.9 * ones, zeros]))
        else:
            d_loss = loss(D(real), ones) + loss(D(fake.detach()), zeros)
        d_adam.zero_grad(set_to_none=True)
        d_loss.backward()
        d_adam.step()
        D.requires_grad_(False)
        g_loss = loss(D(G(latent(batch)) if game == "dense" else fake), ones)
        g_adam.zero_grad(set_to_none=True)
        g_loss.backward()
        g_adam.step()
        D.requires_grad_(True)
        return d_loss.item(), g_loss.item()

    def sample(n):
        G.eval()
        with torch.no_grad():
            torch.cat([G(latent(500)) for _ in range(n // 500)])
        G.train()

    return step, sample


def where_the_time_goes(step, steps=20):
    """Print numgan's time by kind of work, and the time of its matrix products at the machine's best rate."""
    import numpy as np

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

    def rate():
        a = np.ones((2048, 2048), np.float32)
        began = time.perf_counter()
        a @ a
        return 2 * 2048**3 / (time.perf_counter() - began)

    best = max(rate() for _ in range(5))
    profile = cProfile.Profile()
    began = time.perf_counter()
    profile.runcall(lambda: [step() for _ in range(steps)])
    total = time.perf_counter() - began
    kinds = dict.fromkeys(("matrix products", "im2col, col2im", "random numbers", "optimiser", OTHER), 0.0)
    for (file, line, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():
        module, kind = os.path.basename(file), OTHER
        if name == "rows_times" or (module == "ops.py" and "matmul" in (name, function_at(file, line))):
            kind = "matrix products"
        elif name in ("im2col", "col2im", "<method 'reshape' of 'numpy.ndarray' objects>"):
            kind = "im2col, col2im"
        elif (module, function_at(file, line)) == ("layers.py", "Dropout") or "standard_normal" in name or "bytes" in name:
            kind = "random numbers"
        elif module == "optim.py":
            kind = "optimiser"
        kinds[kind] += own
    for kind, seconds in kinds.items():
        print(f"  {kind:28} {seconds / steps * 1e3:6.1f} ms {seconds / sum(kinds.values()):6.0%}")
    floor = flops[0] / best
    print(f"  {flops[0] / 1e9:.2f} GFLOP per step in matrix products; at this machine's {best / 1e9:.0f} GFLOP/s: "
          f"{floor * 1e3:.1f} ms, {floor / (total / steps):.0%} of the step")


def function_at(file, line):
    """The top-level function or class that contains a line of a source file, "" if there is none."""
    if not file.endswith(".py"):
        return ""
    with open(file, encoding="utf-8") as source:
        blocks = [node for node in ast.parse(source.read()).body if hasattr(node, "name")]
    return next((node.name for node in blocks if node.lineno <= line <= node.end_lineno), "")


def worker(engine, game, batch, threads, steps):
    """Measure one engine in this process, and print a line of JSON."""
    if engine == "where":
        where_the_time_goes(numgan_game(game, batch)[0])
        return
    if engine == "numgan":
        step, sample = numgan_game(game, batch)
    else:
        step, sample = torch_game(game, batch, "channels_last" in engine, threads)
    times = []
    for _ in range(steps + 5):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    peak = peak_memory()
    began = time.perf_counter()
    sample(10_000)
    print(json.dumps({"times": times[5:], "peak": peak, "sample": time.perf_counter() - began}))


def peak_memory():
    """The most memory that this process has had, in MB; not known on Windows."""
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def environment(threads):
    """An environment in which every library uses this many threads."""
    return os.environ | {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def worker_command(engine, args, batch):
    """The command that runs this script as a worker."""
    return [sys.executable, __file__, "--worker", engine, "--game", args.game, "--batch", str(batch),
            "--threads", str(args.threads), "--steps", str(args.steps)]


def measure(engine, args, batch, threads=None):
    """The figures that a worker printed, and the median of its step times."""
    done = subprocess.run(worker_command(engine, args, batch), env=environment(threads or args.threads), check=False,
                          capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise InputError(f"{engine}, batch {batch}: expected a measurement, got {reason[-1]}")
    result = json.loads(done.stdout)
    result["median"] = sorted(result["times"])[len(result["times"]) // 2]
    return result


def main():
    """Run the rounds of all engines, then print the table."""
    parser = argparse.ArgumentParser(description="numgan against PyTorch on this CPU.", usage="%(prog)s [options]")
    parser.add_argument("--game", choices=BATCHES, default="dcgan", help="default dcgan")
    parser.add_argument("--batch", type=whole(1, 10_000), help="images in each minibatch; default 32, dense 128")
    parser.add_argument("--threads", type=whole(1, 1024), default=2, help="default 2")
    parser.add_argument("--rounds", type=whole(1, 1000), default=5, help="default 5")
    parser.add_argument("--steps", type=whole(1, 100_000), default=40, help="steps in each round; default 40")
    parser.add_argument("--where", action="store_true", help="numgan only: where its time is spent, and how it scales")
    parser.add_argument("--worker", choices=("where", *ENGINES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    batch = args.batch or BATCHES[args.game]
    if args.worker:
        worker(args.worker, args.game, batch, args.threads, args.steps)
        return
    if args.where:
        print(f"{args.game}, batch {batch}, {args.threads} threads")
        subprocess.run(worker_command("where", args, batch), env=environment(args.threads), check=True)
        for size, threads in [(size, args.threads) for size in (8, 32, 64, 128, 256)] + [(batch, 1)]:
            result = measure("numgan", args, size, threads)
            print(f"  batch {size:4}, {threads} threads: {result['median'] * 1e3:7.1f} ms, "
                  f"{result['median'] / size * 1e3:5.2f} ms per image, peak {result['peak']:.0f} MB")
        return
    engines = ENGINES if importlib.util.find_spec("torch") else ENGINES[:1]
    if args.game == "dense":
        engines = engines[:2]
    rounds = [{engine: measure(engine, args, batch) for engine in engines} for _ in range(args.rounds)]
    print(f"{args.game}, batch {batch}, {args.threads} threads, {args.rounds} rounds of {args.steps} steps")
    print(f"{'engine':20} {'median':>9} {'best':>9} {'peak':>8} {'10,000 samples':>15}")
    for engine in engines:
        results = [r[engine] for r in rounds]
        median, best = sorted(r["median"] for r in results)[len(results) // 2], min(min(r["times"]) for r in results)
        peak, sample = max(r["peak"] for r in results), min(r["sample"] for r in results)
        print(f"{engine:20} {median * 1e3:6.1f} ms {best * 1e3:6.1f} ms {peak:5.0f} MB {sample:13.2f} s")
    if len(engines) == 1:
        print("to compare with PyTorch: pip install torch")
        return
    for what in ("median", "sample"):
        ratios = sorted(min(r[e][what] for e in engines[1:]) / r["numgan"][what] for r in rounds)
        print(f"PyTorch's {what} / numgan's: {ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})")


if __name__ == "__main__":
    console.run(main)
