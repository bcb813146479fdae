"""House numbers: what the drawn ones promise, and how they are kept. Real ones: test_svhn.py."""

import os
import sys

import numpy as np
import pytest

from numgan import data, files, houses

from .digits import names_in
from .errors import refused

# --- Drawn house numbers


def seeded(seed):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def pictures():
    """1,000 drawn house numbers and their labels."""
    return houses.render(1000, seeded(0))


def test_house_numbers_are_colour_pictures_with_labels(pictures):
    images, labels = pictures
    assert (images.shape, images.dtype) == ((1000, 28, 28, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((1000,), np.uint8)
    assert np.ptp(images.reshape(1000, -1).astype(int), axis=1).min() > 40
    assert len({image.tobytes() for image in images}) == 1000


def test_all_digits_are_equally_frequent(pictures):
    counts = np.bincount(pictures[1], minlength=10)
    assert counts.shape == (10,)
    assert ((counts - 100)**2 / 100).sum() < 27.9  # chi square with 9 degrees of freedom exceeds it with p = 0.001


def test_channels_are_like_those_of_svhn(pictures):
    levels = pictures[0].reshape(-1, 3) / 255
    np.testing.assert_allclose(levels.mean(0), [0.438, 0.444, 0.473], atol=0.02)
    np.testing.assert_allclose(levels.std(0), [0.198, 0.201, 0.197], atol=0.02)


def test_a_state_of_the_generator_determines_every_byte():
    a, b, c = (data.house_numbers(13, seeded(seed)) for seed in (1, 1, 2))
    for first, second, other in zip(a, b, c, strict=True):
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)


def test_the_last_chunk_may_be_smaller(monkeypatch):
    monkeypatch.setattr(houses, "CHUNK", 6)
    images, labels = houses.render(8, seeded(0))
    assert np.ptp(images.reshape(8, -1).astype(int), axis=1).min() > 40
    assert images.shape == (8, 28, 28, 3)
    np.testing.assert_array_equal(labels, houses.render(8, seeded(0))[1])


def test_the_generator_goes_on():
    rng = seeded(1)
    a, b = (data.house_numbers(20, rng)[0] for _ in range(2))
    assert not np.array_equal(a, b)


def test_digits_and_walls_differ_in_luminance():
    digits, walls = (np.clip(colours, 0, 1) @ houses.LUMA for colours in houses._colours(20_000, seeded(0)))
    contrast = np.abs(digits - walls)
    assert contrast.min() > 0.9 * houses.CONTRAST
    assert 0.45 < (digits > walls).mean() < 0.55


def test_a_picture_shows_that_contrast(pictures):
    middle = pictures[0][:, 4:-4, 7:-7] / 255 @ houses.LUMA
    low, high = np.quantile(middle.reshape(1000, -1), [0.05, 0.95], axis=1)
    assert (high - low).min() > 0.1
    assert (high - low).mean() > 0.25


def test_labels_name_the_middle_digit(pictures):
    """Most pictures correlate best, or anticorrelate best, with the mean glyph of their label: chance is 10 %."""
    def unit(x):
        x = x[:, 2:-2, 4:-4].reshape(len(x), -1).astype(float)
        x -= x.mean(1, keepdims=True)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    glyphs = houses._glyphs()[0][:, :10, 4:60, 4:60].mean(0).reshape(10, 28, 2, 28, 2).mean((2, 4))
    images, labels = pictures
    likeness = np.abs(unit(images @ houses.LUMA) @ unit(glyphs).T)
    assert (likeness.argmax(1) == labels).mean() > 0.65


def test_every_digit_lies_inside_its_picture():
    sizes = houses._glyphs()[1][:, :10].reshape(-1, 2)
    pose, centre, reach = houses._pose(sizes.repeat(5, 0), seeded(0))
    for corner in (-1, -1), (-1, 1), (1, -1), (1, 1):
        place = (pose @ (sizes.repeat(5, 0) * corner / 2)[..., None])[..., 0]
        assert (np.abs(place) <= reach + 1e-9).all()
        assert np.abs(place + centre).max() <= 13.5 + 1e-9
    assert reach[:, 1].min() > 7
    assert reach[:, 0].min() > 2


def test_every_face_has_ten_whole_and_different_digits():
    glyphs, sizes = houses._glyphs()
    assert len(glyphs) == sum(len(thickenings) for *_, thickenings in houses.FACES)
    assert not glyphs[:, :, [0, -1]].any()
    assert not glyphs[:, :, :, [0, -1]].any()
    assert not glyphs[:, houses.BLANK].any()
    assert not sizes[:, houses.BLANK].any()
    assert np.ptp(sizes[:, :10, 1], axis=1).max() <= 3  # lining figures: all are of one height
    for digits in glyphs[:, :10]:
        assert len({digit.tobytes() for digit in digits}) == 10


@pytest.mark.parametrize("n", [0, -1, 2.5, "10", None])
def test_house_numbers_refuse_what_is_no_number_of_pictures(n):
    with refused("house_numbers: expected a positive integer", repr(n)):
        data.house_numbers(n, seeded(0))


@pytest.mark.parametrize("rng", [0, None, np.random.RandomState(0)])
def test_house_numbers_refuse_what_is_no_generator(rng):
    with refused("house_numbers: expected rng=numpy.random.default_rng(seed)"):
        data.house_numbers(1, rng)


def test_a_missing_font_is_named(monkeypatch):
    monkeypatch.setattr(houses, "FACES", [("Absent", 0x30, (0,))])
    houses._glyphs.cache_clear()
    with refused("Absent.ttf", "comes with matplotlib"):
        houses.render(1, seeded(0))
    monkeypatch.setattr(houses, "FACES", [("cmr10", 0x1D7E2, (0,))])
    with refused("cmr10.ttf", "without digits at 0x1d7e2"):
        houses.render(1, seeded(0))


# --- Kept in the cache


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The cache's folder, in which three pictures are worth keeping; `cache.drawn` lists what had to be drawn."""
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(houses, "WORTH_KEEPING", 3)
    drawn, render = [], houses.render
    monkeypatch.setattr(houses, "render", lambda n, rng: (drawn.append(n), render(n, rng))[1])
    return tmp_path / "numgan" / "house-numbers", drawn


def assert_same(a, b):
    for first, second in zip(a, b, strict=True):
        np.testing.assert_array_equal(first, second)


def test_many_pictures_are_drawn_once(cache):
    folder, drawn = cache
    rngs = [seeded(5), seeded(5)]
    first, again = (data.house_numbers(3, rng) for rng in rngs)
    assert drawn == [3]
    assert len(names_in(folder)) == 1
    assert_same(first, again)
    assert rngs[0].bit_generator.state == rngs[1].bit_generator.state
    assert all(array.flags.writeable for array in (*first, *again))
    data.house_numbers(2, seeded(5))
    assert len(names_in(folder)) == 1  # two are not worth keeping


@pytest.mark.parametrize("damage", [lambda raw: b"", lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: b"\1" + raw[1:],
                                    lambda raw: raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:]])
def test_a_damaged_file_is_drawn_anew(cache, damage):
    folder, drawn = cache
    first = data.house_numbers(3, seeded(5))
    [path] = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert_same(first, data.house_numbers(3, seeded(5)))
    assert drawn == [3, 3]
    assert path.read_bytes() == whole


def test_another_number_seed_or_version_is_drawn_anew(cache, monkeypatch, tmp_path):
    _, drawn = cache
    for n, seed in (3, 0), (4, 0), (3, 1):
        houses.kept(n, seed)
    monkeypatch.setattr(np, "__version__", "0")
    houses.kept(3, 0)
    (tmp_path / "houses.py").write_text("another renderer")
    monkeypatch.setattr(houses, "__file__", str(tmp_path / "houses.py"))
    houses.kept(3, 0)
    assert drawn == [3, 4, 3, 3, 3]


def test_kept_bytes_are_made_once_and_few_files_stay(tmp_path):
    made = []
    make = lambda: made.append(1) or b"content"
    for age, name in enumerate("edcba"):
        for _ in range(2):
            assert files.kept(tmp_path / "folder" / name, make, most=3) == b"content"
        os.utime(tmp_path / "folder" / name, (age, age))
    assert len(made) == 5
    assert names_in(tmp_path / "folder") == ["a", "b", "c"]


def test_folders_beside_kept_files_stay_and_are_not_counted(tmp_path, capsys):
    for name in "xyz":
        (tmp_path / name).mkdir()
    assert files.kept(tmp_path / "a", lambda: b"content", most=1) == b"content"
    assert names_in(tmp_path) == ["a", "x", "y", "z"]
    assert capsys.readouterr().err == ""


def test_an_interrupted_writer_leaves_nothing_that_is_read(tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            files.kept(tmp_path / "file", lambda: b"content")
    assert names_in(tmp_path) == []
    (tmp_path / ".numgan-123.file").write_bytes(b"of a killed process")
    assert files.kept(tmp_path / "file", lambda: b"content") == b"content"
    assert names_in(tmp_path) == ["file"]


def test_what_cannot_be_kept_is_returned_and_reported(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    assert files.kept(tmp_path / "file" / "inside", lambda: b"content") == b"content"
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'file' / 'inside'}: cannot be kept for the next time: ")


def test_a_right_neighbour_stands_a_gap_beside_the_digit():
    glyphs = np.zeros((11, houses.CELL, houses.CELL), np.uint8)
    glyphs[1, :, 22:42] = 255
    shown, widths = np.ones((3, 1), int), np.full((3, 1), 20.0)
    ink = houses._ink(glyphs, shown, widths, np.eye(2)[None] * 4, np.zeros((1, 2)), np.array([4.0]))[0]
    np.testing.assert_allclose(ink, ink[:, ::-1], atol=0.4)  # like the left one
    assert ink[14, 18:22].min() == 1


def test_a_picture_is_shifted_down_and_right():
    dot = np.zeros((1, 15, 15, 1), np.float32)
    dot[0, 7, 7] = 1
    for shift, place in (([1.0, 0.0], (8, 7)), ([0.0, 1.0], (7, 8))):
        moved = houses._blurred(dot, np.array([0.3]), np.array([shift]))[0, :, :, 0]
        assert np.unravel_index(moved.argmax(), moved.shape) == place
