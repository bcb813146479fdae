"""numgan against PyTorch on this machine's CPU, side by side: python demos/benchmark.py

Each engine trains the same network on the same numbers in a process of its own, in turn (A B A B ...), so that a machine
that gets slower or faster does so for both; the ratio is taken within each round. PyTorch is written as an expert would:
eager, the better of contiguous and channels_last, fused Adam, BCE on logits, G's forward pass used for both steps, D frozen
in G's step. Without PyTorch (pip install torch) only numgan's figures are shown.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time

ENGINES = ("numgan", "torch", "torch channels_last")
BATCHES = {"dcgan": 32, "dense": 128, "lsgan": 32}


def numgan_game(game, batch):
    """A function that does one training step, and one that samples n images."""
    import numpy as np

    from numgan.games import DCGAN, LSGAN, VanillaGAN
    made = {"dcgan": DCGAN, "dense": VanillaGAN, "lsgan": LSGAN}[game](rng=np.random.default_rng(0))
    images = np.random.default_rng(1).uniform(-1, 1, (batch, 28, 28, 1)).astype(np.float32)
    return lambda: made.step(images), made.sample


def torch_game(game, batch, channels_last, threads):
    """The same for PyTorch."""
    import torch
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
        if game == "dense":  # one batch of both, and fresh z for G's step
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


def worker(engine, game, batch, threads, steps):
    """Measures one engine in this process; prints a line of JSON."""
    if engine == "numgan":
        step, sample = numgan_game(game, batch)
    else:
        step, sample = torch_game(game, batch, "channels_last" in engine, threads)
    times = []
    for _ in range(steps + 5):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    sample(10_000)
    print(json.dumps({"times": times[5:], "peak": peak, "sample": time.perf_counter() - began}))


def measure(engine, args, batch):
    """Runs a worker with the given number of threads."""
    threads = {name: str(args.threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, __file__, "--worker", engine, "--game", args.game, "--batch", str(batch),
               "--threads", str(args.threads), "--steps", str(args.steps)]
    done = subprocess.run(command, env=os.environ | threads, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    result["median"] = sorted(result["times"])[len(result["times"]) // 2]
    return result


def main():
    """Rounds of all engines, then the table."""
    parser = argparse.ArgumentParser(description="numgan against PyTorch on this CPU.", usage="%(prog)s [options]")
    parser.add_argument("--game", choices=BATCHES, default="dcgan")
    parser.add_argument("--batch", type=int, help="default 32, dense 128")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="per round")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    batch = args.batch or BATCHES[args.game]
    if args.worker:
        worker(args.worker, args.game, batch, args.threads, args.steps)
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
        print("for the comparison: pip install torch")
        return
    for what in ("median", "sample"):
        ratios = sorted(min(r[e][what] for e in engines[1:]) / r["numgan"][what] for r in rounds)
        print(f"PyTorch's {what} / numgan's: {ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
