"""What `numgan.checkpoint` promises: what is saved comes back bit by bit; what is not whole is refused in one line."""

import io
import json
import os
import struct
import time
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numgan import InputError, checkpoint

from .errors import refused

ABOUT = {"game": "DCGAN", "rng": {"state": 2**127 + 1}, "settings": {"lr": 0.1, "name": "line\nline"}}
ARRAYS = {"game.d.0_Dense.w": np.arange(6, dtype=np.float32).reshape(2, 3), "t": np.array(7), "none": np.zeros((0, 4))}


def same(saved, loaded):
    """Whether two pairs (about, arrays) are equal, arrays bit for bit; `loaded` may tell more about itself."""
    (about, arrays), (about_too, arrays_too) = saved, loaded
    bits, bits_too = ({name: (a.dtype, a.shape, a.tobytes()) for name, a in each.items()}
                      for each in (arrays, arrays_too))
    return about == {key: about_too.get(key) for key in about} and bits == bits_too


def zipped(members, compression=zipfile.ZIP_STORED):
    """The bytes of a zip file with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def npy(array, **options):
    """The bytes of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npy_with_header(header, payload=b"", version=1):
    """The bytes of an .npy file with this header, whatever it says."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + payload


def members(path, arrays):
    """Name -> bytes of what is in the zip file that save writes, to be changed and zipped again."""
    checkpoint.save(path, ABOUT, arrays)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Where the tests write their file; a module's fixture, since Hypothesis shares it among examples."""
    return tmp_path_factory.mktemp("checkpoint") / "checkpoint.npz"


@pytest.fixture(scope="module")
def valid(path):
    """The bytes that save writes."""
    checkpoint.save(path, ABOUT, ARRAYS)
    return path.read_bytes()


@pytest.fixture(scope="module")
def changed(path):
    """A function that writes a checkpoint, whole but for one member of its zip file: about.json, or an array, w.npy."""
    whole = members(path, {"w": np.zeros((2, 3), np.float32)})

    def write(name, content):
        assert name in whole
        path.write_bytes(zipped(whole | {name: content}))
    return write


# --- What is saved comes back


@st.composite
def any_arrays(draw):
    """An array of any bits (NaNs with payloads too) in any memory layout."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    dtype = np.dtype(draw(st.sampled_from(["<f4", "<f8", "<i8", "|u1", ">f4"])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from(["C", "F", "reversed", "gaps", "read-only"]))
    if layout == "gaps" and shape:
        wide = (*shape[:-1], 2 * shape[-1])
        return np.frombuffer(rng.bytes(int(np.prod(wide)) * dtype.itemsize), dtype).reshape(wide)[..., ::2]
    array = np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)  # read-only
    if layout == "reversed" and shape:
        return array[::-1]
    return array if layout == "read-only" else np.array(array, order="F" if layout == "F" else "C")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2**128, 2**128) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5)


@given(about=st.dictionaries(st.text(max_size=3), json_values, max_size=3),
       arrays=st.dictionaries(st.text("aw0_.θ", min_size=1, max_size=8), any_arrays(), max_size=3))
def test_what_is_saved_is_loaded_bit_for_bit_in_any_layout_and_under_any_name(path, about, arrays):
    checkpoint.save(path, about, arrays)
    loaded = checkpoint.load(path)
    assert same((about, arrays), loaded)
    for array in loaded[1].values():
        assert array.flags.writeable
        assert array.flags.c_contiguous


def test_names_with_dots_and_suffixes_stay_as_they_are(path):
    names = ["a.b.c", "w.npy", "about", "about.json", "0_Dense.w.moment1"]
    arrays = {name: np.array([i]) for i, name in enumerate(names)}
    checkpoint.save(path, {}, arrays)
    assert same(({}, arrays), checkpoint.load(path))


def test_an_about_hides_nothing_that_load_needs(path):
    checkpoint.save(path, {"format": "mine", "arrays": 3, "note": "kept"}, ARRAYS)
    assert same(({"note": "kept"}, ARRAYS), checkpoint.load(path))


def test_save_leaves_its_arguments_as_they_were(path):
    about, arrays = dict(ABOUT), {name: array.copy() for name, array in ARRAYS.items()}
    checkpoint.save(path, about, arrays)
    assert about == ABOUT
    assert same((ABOUT, ARRAYS), (about, arrays))


def test_a_checkpoint_is_an_npz_file_that_numpy_reads(path, valid):
    path.write_bytes(valid)
    with np.load(path) as archive:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(archive[name], array)


def test_equal_content_gives_equal_bytes_whatever_the_time(path, valid, monkeypatch):
    for now in (4e8, 0):  # 1982 and, as on boards without a clock, 1970, which a zip file cannot tell
        monkeypatch.setattr(time, "time", lambda now=now: now)
        checkpoint.save(path, ABOUT, ARRAYS)
        assert path.read_bytes() == valid


def test_a_checkpoint_that_was_unpacked_and_zipped_again_is_loaded(path):
    path.write_bytes(zipped(members(path, ARRAYS)))
    assert same((ABOUT, ARRAYS), checkpoint.load(path))


@pytest.mark.parametrize(("about", "arrays"), [
    ({"rng": object()}, ARRAYS), ({}, ARRAYS | {"last": np.array([{}, None])}), ({}, ARRAYS | {"last": None})])
def test_a_failing_save_keeps_the_old_checkpoint(tmp_path, about, arrays):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, ABOUT, ARRAYS)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        checkpoint.save(path, about, arrays)
    assert os.listdir(tmp_path) == ["checkpoint.npz"]
    assert same((ABOUT, ARRAYS), checkpoint.load(path))


# --- What is not a whole checkpoint is refused


def test_missing_files_and_folders_are_refused(tmp_path):
    with refused(tmp_path / "none.npz", "No such file"):
        checkpoint.load(tmp_path / "none.npz")
    with refused(tmp_path / "no" / "folder.npz"):
        checkpoint.load(tmp_path / "no" / "folder.npz")
    with refused(tmp_path):
        checkpoint.load(tmp_path)


def npz(**arrays):
    """The bytes of an ordinary .npz file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


FOREIGN = {
    "empty": b"", "text": b"step,d_loss,g_loss\n1,0.7,0.7\n" * 20, "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "array": npy(np.zeros(3)), "npz": npz(w=np.zeros(3)),
    "empty zip": zipped({}), "zip": zipped({"readme.txt": "hello"}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused(path, kind):
    path.write_bytes(FOREIGN[kind])
    with refused(path):
        checkpoint.load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_refused_before_they_are_unpacked(path, compression):
    whole = members(path, {"bomb": np.zeros(1 << 22, np.float32)})
    path.write_bytes(zipped(whole, compression))
    del whole
    with refused(path, "compressed"), little_memory():
        checkpoint.load(path)


def test_a_zip_file_of_a_version_to_come_is_no_checkpoint(path, valid):
    raw = bytearray(valid)
    raw[raw.index(b"PK\x01\x02") + 6] = 99  # the version needed to read the first member
    path.write_bytes(raw)
    assert not checkpoint.is_checkpoint(path)
    with refused(path):
        checkpoint.load(path)


def test_encrypted_members_are_refused(path, valid):
    raw = bytearray(valid)
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # in the flags of the first member
    path.write_bytes(raw)
    with refused(path, "encrypted"):
        checkpoint.load(path)


@contextmanager
def little_memory():
    """The block takes no more than 10 MB at any time."""
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10e6


@pytest.mark.parametrize("about", [
    b"", b"{", b"\xff\xfe\xff", b'"two\\nlines"', b"[]", b"17", b"null", b"{}", b'{"format": null}', b'{"format": "2"}',
    b'{"format": "numgan checkpoint 99", "text": "two\\nlines"}', b'"numgan checkpoint 1"', b"[" * 100_000, b"1" * 5000])
def test_an_about_that_is_not_this_format_s_is_refused(path, changed, about):
    changed("about.json", about)
    with refused(path, checkpoint.FORMAT):
        checkpoint.load(path)


def test_another_version_s_checkpoint_is_refused(path):
    whole = members(path, ARRAYS)
    about = json.loads(whole["about.json"])
    assert about["format"] == checkpoint.FORMAT
    path.write_bytes(zipped(whole | {"about.json": json.dumps(about | {"format": "numgan checkpoint 99"})}))
    with pytest.raises(InputError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == f"{path}: expected a {checkpoint.FORMAT}, got 'numgan checkpoint 99'"


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"
MEMBERS = {
    "nothing": b"", "no magic": b"\x93NUMPX\1\0" + bytes(20), "no header": b"\x93NUMPY\1\0",
    "unknown version": npy_with_header(HEADER, bytes(24), version=9),
    "short": npy(np.zeros((2, 3)))[:-1], "long": npy(np.zeros((2, 3))) + b"\0",
    "pickle": npy(np.array([{}, None]), allow_pickle=True),
    "pickle inside": npy_with_header(b"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }\n", bytes(8)),
    "no type": npy_with_header(HEADER.replace(b"<f4", b"what"), bytes(24)),
    "empty type": npy_with_header(HEADER.replace(b"<f4", b"|V0")),
    "type of nothing": npy_with_header(HEADER.replace(b"'<f4'", b"()"), bytes(24)),
    "negative lengths": npy_with_header(HEADER.replace(b"(2, 3)", b"(-2, -3)"), bytes(24)),
    "too many axes": npy_with_header(HEADER.replace(b"(2, 3)", b"(" + b"1, " * 70 + b")"), bytes(4)),
    "no tuple": npy_with_header(HEADER.replace(b"(2, 3)", b"6"), bytes(24)),
    "fractions": npy_with_header(HEADER.replace(b"(2, 3)", b"(2.0, 3)"), bytes(24)),
    "no dict": npy_with_header(b"[1, 2]\n", bytes(24)),
    "mixed keys": npy_with_header(b"{1: 2, 'descr': '<f4'}\n", bytes(24)),
    "unhashable key": npy_with_header(b"{[]: 2}\n", bytes(24)),
    "unclosed": npy_with_header(HEADER.replace(b"}", b" "), bytes(24)),
    "unclosed string": npy_with_header(HEADER.replace(b"'shape'", b"'''shape"), bytes(24)),
    "not Python": npy_with_header(b"{?}\n", bytes(24)),
    "nested": npy_with_header(b"(" * 5000 + b")" * 5000, bytes(24), version=2),
    "too long": npy_with_header(b" " * 20_000 + HEADER, bytes(24), version=2),
}


@pytest.mark.parametrize("kind", MEMBERS)
@pytest.mark.filterwarnings("ignore")  # NumPy may comment on headers
def test_a_member_that_is_not_a_plain_array_is_refused(path, changed, kind):
    changed("w.npy", MEMBERS[kind])
    with refused(path):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["game.0_Dense.w", "two\nlines"])
def test_a_damaged_member_is_refused_in_one_line_whatever_its_name(path, name):
    whole = members(path, {name: np.zeros(3)})
    path.write_bytes(zipped(whole | {f"{name}.npy": b""}))
    with refused(path, name.split()[0]):
        checkpoint.load(path)


@pytest.mark.parametrize("shape", [b"(4000000000,)", b"(1000000, 1000000, 1000000)", b"(1" + b"0" * 400 + b",)"])
def test_a_header_that_claims_gigabytes_is_refused_and_takes_no_memory(path, changed, shape):
    changed("w.npy", npy_with_header(HEADER.replace(b"(2, 3)", shape), bytes(24)))
    with refused(path), little_memory():
        checkpoint.load(path)


def test_a_directory_that_claims_gigabytes_takes_no_memory(path, valid):
    raw = bytearray(valid)
    start = raw.rindex(b"PK\x01\x02")
    raw[start + 20:start + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)  # sizes, compressed and not
    path.write_bytes(raw)
    with refused(path), little_memory():
        checkpoint.load(path)


def test_a_member_beyond_the_end_of_the_file_is_refused(path, valid):
    raw = bytearray(valid)
    start = raw.rindex(b"PK\x01\x02")  # the last member in the zip file's directory
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)  # the offset, in the 64 bits of a large file
    raw[start + 30:start + 32] = struct.pack("<H", len(extra))
    raw[start + 42:start + 46] = b"\xff" * 4
    end = raw.rindex(b"PK\x05\x06")
    raw[end + 12:end + 16] = struct.pack("<I", struct.unpack("<I", raw[end + 12:end + 16])[0] + len(extra))
    raw[end:end] = extra
    path.write_bytes(raw)
    with refused(path):
        checkpoint.load(path)


def test_arrays_in_fortran_order_are_refused_or_read_as_they_are(path, changed):
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    changed("w.npy", npy(array))
    assert_refused_or_same(path, (ABOUT, {"w": array}))


def loaded_or_refused(path):
    """What is in the checkpoint, or None if load raises InputError in one line that names it."""
    try:
        return checkpoint.load(path)
    except InputError as error:
        message = str(error)
    assert str(path) in message
    assert "\n" not in message


def assert_refused_or_same(path, saved):
    """`path` cannot be loaded, with an InputError in one line that names it, or it gives what was saved."""
    loaded = loaded_or_refused(path)
    assert loaded is None or same(saved, loaded)


# --- Damage


def test_a_file_cut_off_anywhere_is_refused(path, valid):
    for length in range(len(valid)):
        path.write_bytes(valid[:length])
        with refused(path):
            checkpoint.load(path)


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_a_byte_changed_anywhere_is_refused_or_harmless(path, valid, mask):
    for i in range(len(valid)):
        path.write_bytes(valid[:i] + bytes([valid[i] ^ mask]) + valid[i + 1:])
        assert_refused_or_same(path, (ABOUT, ARRAYS))


@given(edits=st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from(["set", "insert", "delete"])),
    min_size=1, max_size=4))
def test_a_mutated_checkpoint_is_refused_or_loaded_as_it_was(path, valid, edits):
    raw = bytearray(valid)
    for position, byte, kind in edits:
        i = position % len(raw)
        raw[i:i + (kind != "insert")] = bytes([byte]) * (kind != "delete")
    path.write_bytes(raw)
    assert_refused_or_same(path, (ABOUT, ARRAYS))


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(path, valid, position, bit):
    raw = bytearray(valid)
    raw[position % len(raw)] ^= 1 << bit
    path.write_bytes(raw)
    assert_refused_or_same(path, (ABOUT, ARRAYS))


@given(raw=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(path, raw):
    path.write_bytes(raw)
    with refused(path):
        checkpoint.load(path)


@given(data=st.data())
def test_pieces_of_a_checkpoint_in_any_order_are_refused_or_loaded_as_they_were(path, valid, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(valid)), max_size=3)))
    pieces = [valid[a:b] for a, b in zip([0, *cuts], [*cuts, len(valid)], strict=True)]
    path.write_bytes(b"".join(data.draw(st.permutations(pieces))) + data.draw(st.binary(max_size=9)))
    assert_refused_or_same(path, (ABOUT, ARRAYS))


@given(position=st.integers(0, 80), text=st.binary(max_size=3), about=st.binary(max_size=20))
@pytest.mark.filterwarnings("ignore")  # NumPy may comment on headers
def test_any_header_and_any_about_in_a_sound_zip_file_load_or_are_refused(path, changed, position, text, about):
    array = bytearray(npy_with_header(HEADER, bytes(24)))
    array[position:position + len(text)] = text
    for name, content in {"w.npy": bytes(array), "about.json": about}.items():
        changed(name, content)
        loaded = loaded_or_refused(path)
        assert loaded is None or loaded[1]["w"].nbytes == 24
