"""Digits for the tests of data and downloads: files as MNIST has them, of random bytes."""

import hashlib
import struct

import numpy as np
import pytest

from numgan import download

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array):
    """An idx file's bytes, written from the format's description."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def random_bytes(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def fake(monkeypatch):
    """A tiny MNIST: {name: idx bytes}, known to `download.FILES` and to no mirror."""
    arrays = {IMAGES: random_bytes((3, 4, 4)), LABELS: np.array([7, 2, 1], np.uint8),
              "t10k-images-idx3-ubyte": random_bytes((2, 4, 4), 1),
              "t10k-labels-idx1-ubyte": np.array([0, 9], np.uint8)}
    files = {name: idx(array) for name, array in arrays.items()}
    monkeypatch.setattr(download, "FILES", {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()})
    monkeypatch.setattr(download, "MIRRORS", ())
    monkeypatch.delenv("NUMGAN_DATA", raising=False)
    return files


def assert_is_fake(got, files, split="train"):
    prefix = "train" if split == "train" else "t10k"
    assert [idx(array) for array in got] == [files[f"{prefix}-images-idx3-ubyte"], files[f"{prefix}-labels-idx1-ubyte"]]


def damaged(content, edits):
    """These bytes after (what, where, byte) edits: "flip" bits, "insert" the byte, or "cut" what follows."""
    content = bytearray(content)
    for edit, where, byte in edits:
        where %= len(content)
        if edit == "cut":
            del content[where + 1:]
        elif edit == "insert":
            content.insert(where, byte)
        else:
            content[where] ^= byte
    return bytes(content)
