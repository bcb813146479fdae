"""The two engines of benchmark.py: one game, played by numgan and by PyTorch, each in a process of its own.

Both train on the embedded digits. PyTorch is written as an expert would write it: eager, fused Adam, BCE on logits, one forward
pass of G for both steps (except dense), D frozen in G's step. It plays the tutorials' recipe. Two things are each library's
default: the initial weights (PyTorch's uniform in ±1/√inputs, numgan's Glorot), and batch norm's eps (1e-5, 1e-3) and share of
the newest batch in the running statistics (0.1, 0.01).
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
from mnist_gan import DEFAULTS, new_run

from numgan import InputError, console, data

ENGINES = ("numgan", "torch", "torch channels_last")
RECIPES = {"default": {}, "tutorial": {"recipe": "tutorial"}}  # options of mnist_gan.py
BATCHES = {"dcgan": 32, "dense": 128, "lsgan": 32}
IMAGE = (28, 28, 1)
WARM_UP = 5  # steps


def numgan_game(recipe, game, batch, seed):
    """Two functions: one does a training step, the other samples n images, (n, 28, 28, 1)."""
    run = new_run(DEFAULTS | RECIPES[recipe] | {"game": game, "batch": batch, "seed": seed}, Path("unused"))
    return lambda: run.game.step(*next(run.batches)), lambda n: run.game.sample(n, np.random.default_rng(seed))


def torch_game(channels_last, threads, game, batch, seed):
    """The same two functions for PyTorch."""
    try:
        import torch
    except ImportError:
        raise InputError("expected PyTorch for the comparison: pip install torch") from None
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits as bce
    from torch.nn.functional import mse_loss
    batch = batch or BATCHES[game]
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
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
    digits = torch.from_numpy(data.digits_10k()[0])[:, None]  # (10000, 1, 28, 28)
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    loss = mse_loss if game == "lsgan" else bce

    def latent(n):
        return torch.rand(n, 10) * 2 - 1 if game == "dense" else torch.randn(n, 100)

    def step():
        real = (digits[torch.randint(len(digits), (batch,))] / 127.5 - 1).to(memory_format=form)
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
            images = torch.cat([G(latent(min(500, n - i))) for i in range(0, n, 500)])
        G.train()
        return images.clamp_(-1, 1).reshape(n, *IMAGE).numpy()

    return step, sample


# ---- in the engine's process


def serve(step, sample):
    """Answer every line "steps samples" of standard input: a line of JSON, then the samples as bytes. See Engine.ask."""
    parent = os.getppid()
    for line in sys.stdin:
        steps, samples = map(int, line.split())
        times = []
        while len(times) < steps and os.getppid() == parent:  # who asked may be gone
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        answer = {"times": times, "peak": peak_memory()}
        began = time.perf_counter()
        images = np.asarray(sample(samples), np.float32) if samples else np.empty(0)
        answer["sample"] = time.perf_counter() - began
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + images.tobytes())
        sys.stdout.buffer.flush()


def peak_memory():
    """The most memory that this process has had, in MB; not known on Windows."""
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    """Be the engine that benchmark.py asks for."""
    parser = argparse.ArgumentParser(description="An engine at work for benchmark.py, which starts it.")
    parser.add_argument("job", type=json.loads, help="Engine's arguments as JSON")
    job = parser.parse_args().job
    engine, threads, recipe = (job.pop(name) for name in ("engine", "threads", "recipe"))
    if engine == "numgan":
        serve(*numgan_game(recipe, **job))
    else:
        serve(*torch_game("channels_last" in engine, threads, **job))


# ---- in the process of who asks


class Engine:
    """An engine in a process of its own, which ends with the `with` block, or soon after the asking process if that is killed.

    engine: one of ENGINES; recipe: one of RECIPES (PyTorch plays the tutorials' only); batch: None for the recipe's own.
    """

    def __init__(self, engine, *, threads, recipe="tutorial", game="dcgan", batch=None, seed=0):
        job = dict(engine=engine, threads=threads, recipe=recipe, game=game, batch=batch, seed=seed)
        self.name = f"{engine}, batch {batch}" if batch else engine
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen([sys.executable, __file__, json.dumps(job)], env=environment(threads),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            file.close()

    def ask(self, steps, samples=0):
        """Train for so many steps, then draw so many samples: a dict and the images, float32 (samples, 28, 28, 1).

        The dict has the seconds of each step ("times"), those of all samples ("sample"), and the most memory that training
        has taken so far, in MB ("peak"). InputError if the process has ended.
        """
        with suppress(OSError):  # of a process that has ended; it will not answer
            os.write(self.process.stdin.fileno(), f"{steps} {samples}\n".encode())
        size = 4 * samples * math.prod(IMAGE)
        answer, images = self.process.stdout.readline(), self.process.stdout.read(size)
        if not answer or len(images) < size:
            status = self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().decode(errors="replace").splitlines() or [f"status {status}"]
            raise InputError(f"{self.name}: expected {steps} steps and {samples} samples, got {said[-1]}")
        return json.loads(answer), np.frombuffer(images, np.float32).reshape(-1, *IMAGE)


def environment(threads):
    """An environment in which every library uses this many threads."""
    return os.environ | {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def measure(engine, steps, samples=0, **job):
    """The dict of Engine.ask after a warm-up, and the median of its times."""
    with Engine(engine, **job) as running:
        running.ask(WARM_UP)
        result, _ = running.ask(steps, samples)
    return result | {"median": median(result["times"])}


if __name__ == "__main__":
    console.run(main)
