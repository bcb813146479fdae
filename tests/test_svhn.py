"""Real house numbers (SVHN), and the reader of MATLAB's files: right arrays, or one clear line. Drawn ones: test_houses.py."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numgan import data, matlab
from numgan.errors import InputError

from .digits import damaged, random_bytes
from .errors import refused


def element(kind, content, order="<"):
    """An element of a MATLAB file, small if it can be, from the format's description."""
    if len(content) <= 4 and kind < matlab.MATRIX:
        return struct.pack(f"{order}I", len(content) << 16 | kind) + content.ljust(4, b"\0")
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9, "i8": 12, "u8": 13}
DOUBLE, UINT8 = 6, 9  # classes


def variable(name, array, order="<", flags=None, stored=None, shape=None):
    """A variable: an array as MATLAB stores it, columns first."""
    stored = stored or array.dtype.str[1:]
    flags = flags or (UINT8 if array.dtype == np.uint8 else DOUBLE)
    numbers = array.astype(order + stored).tobytes("F")
    shape = array.shape if shape is None else shape
    return element(14, element(6, struct.pack(f"{order}II", flags, 0), order)
                   + element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
                   + element(1, name.encode(), order) + element(TYPES[stored], numbers, order), order)


def zipped(content, order="<"):
    packed = zlib.compress(content)
    return struct.pack(f"{order}II", 15, len(packed)) + packed


def mat(*elements, order="<", version=0x0100):
    mark = struct.pack(f"{order}HH", version, 0x4D49)  # "MI" as one number
    return b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + mark + b"".join(elements)


PIXELS, LABELS = random_bytes((32, 32, 3, 12)), np.array([[*range(1, 11), 10, 3]], float).T
X, Y = variable("X", PIXELS), variable("y", LABELS)
FLAGS, SHAPE = element(6, struct.pack("<II", UINT8, 0)), element(5, struct.pack("<4i", *PIXELS.shape))
NAME, NUMBERS = element(1, b"X"), element(2, PIXELS.tobytes("F"))  # the four elements of X


def expected():
    """What svhn makes of PIXELS and LABELS: 32 * 7 = 28 * 8 fine pixels per axis, averaged 8 * 8."""
    fine = PIXELS.transpose(3, 0, 1, 2).repeat(7, 1).repeat(7, 2)
    return np.rint(fine.reshape(12, 28, 8, 28, 8, 3).mean((2, 4))).astype(np.uint8), [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 3]


def assert_is_svhn(got):
    images, labels = expected()
    assert (got[0].dtype, got[1].dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(got[0], images)
    np.testing.assert_array_equal(got[1], labels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("stored", ["u1", "i2", "f4", "f8", "u8"])
def test_svhn_reads_every_way_to_store_it(tmp_path, order, stored):
    x, y = variable("X", PIXELS, order), variable("y", LABELS, order, stored=stored)
    for i, elements in enumerate([(x, y), (zipped(y, order), zipped(x, order)), (x, zipped(y, order))]):
        (tmp_path / f"{i}").mkdir()
        (tmp_path / f"{i}" / "test_32x32.mat").write_bytes(mat(*elements, order=order))
        assert_is_svhn(data.svhn("test", tmp_path / f"{i}"))


def test_svhn_reads_the_folder_of_the_environment(tmp_path, monkeypatch):
    (tmp_path / "train_32x32.mat").write_bytes(mat(X, Y))
    assert_is_svhn(data.load("svhn", tmp_path))
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    assert_is_svhn(data.svhn())
    assert data.load("svhn", size=14)[0].shape == (12, 14, 14, 3)
    monkeypatch.delenv("NUMGAN_DATA")
    with refused("SVHN: expected a folder", "house_numbers"):
        data.svhn()


def test_svhn_knows_its_splits_and_names_the_missing_file(tmp_path):
    with refused("SVHN split: expected train or test; got 'extra'"):
        data.svhn("extra", tmp_path)
    with refused(tmp_path / "test_32x32.mat", "got no such file"):
        data.svhn("test", tmp_path)


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(24, dtype=np.int16).reshape(2, 3, 4),
                                   np.array([[2**40]], np.int64), np.array([[-1.5, np.pi]])])
def test_a_variable_keeps_its_type_and_shape(tmp_path, array):
    classes = {np.dtype(name): number for number, name in matlab.CLASSES.items()}
    (tmp_path / "a.mat").write_bytes(mat(variable("text", array, flags=4),
                                         variable("long_name", array, flags=classes[array.dtype])))
    [got] = matlab.read(tmp_path / "a.mat", "long_name")
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("stored", ["u1", "i4", "f4"])
def test_a_variable_has_its_own_type_however_its_numbers_are_stored(tmp_path, stored):
    (tmp_path / "a.mat").write_bytes(mat(variable("y", LABELS, stored=stored)))
    [got] = matlab.read(tmp_path / "a.mat", "y")
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, LABELS)


def test_a_variable_whose_name_is_no_text_is_passed_over(tmp_path):
    unreadable = element(14, FLAGS + SHAPE + element(1, b"\xff\xfe") + NUMBERS)
    (tmp_path / "train_32x32.mat").write_bytes(mat(unreadable, X, Y))
    assert_is_svhn(data.svhn("train", tmp_path))


BAD_FILES = {
    "empty": (b"", ["expected a MATLAB file", "got 0 bytes"]),
    "short": (mat(X)[:100], ["expected a MATLAB file", "got 100 bytes"]),
    "no MATLAB": (b"hello" * 100, ["expected a MATLAB file", "00 01 49 4d"]),
    "version 7.3": (mat(version=0x0200) + b"\x89HDF\r\n", ["version 5", "7.3", "-v7"]),
    "HDF5": (b"\x89HDF\r\n\x1a\n".ljust(500, b"\0"), ["version 5", "7.3"]),
    "version 4": (struct.pack("<5I", 0, 32, 32, 0, 2).ljust(500, b"\0"), ["expected a MATLAB file"]),
    "another version": (mat(X, Y, version=0x0300), ["expected a MATLAB file", "got 00 03 49 4d"]),
    "nothing inside": (mat(), ["variables X, y", "no X, y"]),
    "nothing inside what is compressed": (mat(X, zipped(b"")), ["variables X, y", "got no y"]),
    "no labels": (mat(X), ["variables X, y", "got no y"]),
    "other names": (mat(variable("x", PIXELS), Y), ["got no X"]),
    "cut off": (mat(X, Y)[:-20], ["cut off or damaged"]),
    "cut off by a byte": (mat(X, Y)[:-1], ["cut off or damaged"]),
    "cut off in a tag": (mat(X, Y) + b"1234", ["8 bytes or more; got 4"]),
    "cut off in what is compressed": (mat(Y, zipped(X)[:-9]), ["cut off or damaged"]),
    "incomplete deflate": (mat(Y, element(15, zipped(X)[8:-60])), ["complete", "incomplete"]),
    "wrong checksum": (mat(Y, zipped(X)[:-4] + b"oops"), ["sound compressed bytes", "incorrect data check"]),
    "no deflate": (mat(Y, element(15, b"hello, hello")), ["sound compressed bytes", "incorrect header check"]),
    "too large a small element": (mat(struct.pack("<II", 5 << 16 | 2, 0)), ["an element of 5 bytes; got 4"]),
    "complex numbers": (mat(variable("X", PIXELS, flags=UINT8 | 0x800), Y), ["variable X", "real numbers", "complex"]),
    "a cell array": (mat(variable("X", PIXELS, flags=1), Y), ["variable X", "real numbers", "class 1"]),
    "text": (mat(element(14, FLAGS + SHAPE + NAME + element(16, b"a text")), Y), ["variable X", "real numbers", "type 16"]),
    "no numbers": (mat(element(14, FLAGS + SHAPE + NAME), Y), ["variable X", "real numbers", "type 0"]),
    "no flags": (mat(element(14, element(6, b"") + SHAPE + NAME + NUMBERS), Y), ["variable X", "real numbers", "class 0"]),
    "more numbers": (mat(variable("X", PIXELS, shape=(32, 32, 3, 11)), Y), ["32 x 32 x 3 x 11; got 36864"]),
    "fewer numbers": (mat(variable("X", PIXELS[..., :11], shape=PIXELS.shape), Y), ["32 x 32 x 3 x 12; got 33792"]),
    "a huge shape": (mat(variable("X", PIXELS, shape=(2**31 - 1,) * 4), Y), ["2147483647 x 2147483647", "got 36864"]),
    "a negative length": (mat(variable("X", PIXELS, shape=(32, -32, 3, 12)), Y), ["variable X", "got 36864"]),
    "no pictures": (mat(variable("X", PIXELS[..., :0]), variable("y", LABELS[:0])), ["at least 1 number"]),
    "one axis": (mat(variable("X", PIXELS, shape=(36864,)), Y), ["its shape says, 36864;"]),
    "floats": (mat(variable("X", PIXELS / 255), Y), ["X uint8 (32, 32, 3, n)", "float64 (32, 32, 3, 12)"]),
    "pictures first": (mat(variable("X", PIXELS.transpose(3, 0, 1, 2)), Y), ["X uint8 (32, 32, 3, n)", "got uint8 (12, 32"]),
    "grey": (mat(variable("X", PIXELS[:, :, 0]), Y), ["X uint8 (32, 32, 3, n)", "uint8 (32, 32, 12)"]),
    "too few labels": (mat(X, variable("y", LABELS[:11])), ["y (n, 1)", "float64 (11, 1)"]),
    "labels in a row": (mat(X, variable("y", LABELS.T)), ["y (n, 1)", "float64 (1, 12)"]),
    "label 0": (mat(X, variable("y", LABELS - 1)), ["labels from 1 to 10; got 0"]),
    "label 11": (mat(X, variable("y", LABELS + 1)), ["labels from 1 to 10; got 11"]),
    "label 1.5": (mat(X, variable("y", LABELS / 2 + 1)), ["labels from 1 to 10; got 1.5"]),
    "label NaN": (mat(X, variable("y", LABELS * np.nan)), ["labels from 1 to 10; got nan"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_svhn_refuses_bad_files(tmp_path, name):
    content, mentions = BAD_FILES[name]
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(content)
    with refused(path, "expected", *mentions):
        data.svhn("train", tmp_path)


@pytest.mark.parametrize("made", [Path.mkdir, os.mkfifo] if hasattr(os, "mkfifo") else [Path.mkdir])
def test_what_is_no_file_is_refused(tmp_path, made):
    made(tmp_path / "train_32x32.mat")
    with refused(tmp_path / "train_32x32.mat", "expected a file, got a folder or a device"):
        data.svhn("train", tmp_path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "MAX_BYTES", 1 << 20)
    (tmp_path / "bomb.mat").write_bytes(mat(zipped(bytes(50 << 20))))
    tracemalloc.start()
    try:
        with refused("bomb.mat", "at most 1048576", "got more"):
            matlab.read(tmp_path / "bomb.mat", "X")
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


SMALL = np.arange(1, 7, dtype=np.uint8).reshape(2, 3)


@given(edits=st.lists(st.tuples(st.sampled_from(["flip", "cut", "insert"]), st.integers(0, 300), st.integers(1, 255)),
                      max_size=3), order=st.sampled_from("<>"), packed=st.booleans())
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path_factory, edits, order, packed):
    inner = variable("X", SMALL, order)
    content = damaged(mat(zipped(inner, order) if packed else inner, order=order), edits)
    path = tmp_path_factory.getbasetemp() / "fuzz.mat"
    path.write_bytes(content)
    try:
        [got] = matlab.read(path, "X")
    except InputError as error:
        message = str(error)
        assert message.startswith(f"{path}: expected ")
        assert "\n" not in message
        assert edits
    else:
        assert edits or (got.tolist() == SMALL.tolist() and got.dtype == np.uint8)
