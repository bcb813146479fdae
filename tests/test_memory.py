"""numgan.memory: what cannot fit is refused before it is allocated, on any system."""

import ctypes
import os

import numpy as np
import pytest

from numgan.batches import ImageBatches
from numgan.games import DCGAN
from numgan.memory import check_memory, keep_freed_memory
from numgan.run import Run

from .errors import refused


def test_what_needs_all_the_memory_fits_and_a_byte_more_does_not(monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_000_000}.__getitem__, raising=False)
    check_memory(8_192_000_000, "a batch")
    with refused("a batch: expected what fits into this machine's 8 GB of memory, got what needs about 8.19 GB"):
        check_memory(8_192_000_001, "a batch")


def test_nothing_is_refused_where_a_system_does_not_tell_its_memory(monkeypatch):
    for error in ValueError, OSError:
        def unknown(name, error=error):
            raise error(f"no {name}")

        monkeypatch.setattr(os, "sysconf", unknown, raising=False)
        check_memory(10**30, "a batch")
    monkeypatch.delattr(os, "sysconf", raising=False)
    check_memory(10**30, "a batch")


def test_a_c_library_without_mallopt_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # as musl's
    keep_freed_memory()


def test_every_game_asks_for_it(monkeypatch):
    asked = []
    monkeypatch.setattr("numgan.games.game.keep_freed_memory", lambda: asked.append(True))
    DCGAN(width=1, rng=np.random.default_rng(0))
    assert asked == [True]


@pytest.mark.parametrize("size", [10**8, 10**23])
def test_a_batch_larger_than_the_memory_is_refused_before_it_is_drawn(tmp_path, size):
    with refused("batches of", "GB of memory"):
        Run(DCGAN(rng=np.random.default_rng(0)), ImageBatches(np.zeros((1, 28, 28), np.uint8), size, np.random.default_rng(1)),
            tmp_path / "run")
    assert not (tmp_path / "run").exists()
