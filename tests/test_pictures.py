"""Pictures of one's own: what a folder, an .npz or idx files become; other sizes; and one clear line for what is wrong."""

import gzip
import shutil
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image

from numgan import data, pictures, plotting, resample
from numgan.errors import InputError

from .digits import IMAGES, LABELS, damaged, idx, random_bytes
from .errors import refused

Image = image.PIL.Image  # Pillow, which comes with matplotlib: it writes what is to be read, and resamples

# --- Another size


def test_an_area_s_mean_counts_parts_of_pixels_by_their_size():
    np.testing.assert_allclose(resample.area(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(resample.area(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    np.testing.assert_allclose(resample.area(5, 3)[1], [0, 0.2, 0.6, 0.2, 0])


@given(old=st.integers(1, 40), new=st.integers(1, 40))
def test_weights_add_up_to_one_and_areas_count_every_pixel_alike(old, new):
    for matrix in (resample.area(old, new), resample.cubic(old, new)) if new <= old else (resample.cubic(old, new),):
        assert matrix.shape == (new, old)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
        np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)  # left and right are alike
    if new <= old:
        np.testing.assert_allclose(resample.area(old, new).sum(0), new / old, atol=1e-12)


def test_the_bicubic_weights_are_those_of_keys():
    np.testing.assert_array_equal(resample.keys(np.array([0, 0.5, 1, 1.5, 2, 3])), [1, 0.5625, 0, -0.0625, 0, 0])
    np.testing.assert_array_equal(resample.cubic(8, 16)[7] * 128, [0, 0, -9, 111, 29, -3, 0, 0])
    np.testing.assert_array_equal(resample.cubic(8, 16)[8] * 128, [0, 0, -3, 29, 111, -9, 0, 0])
    np.testing.assert_array_equal(resample.cubic(8, 16)[0] * 128, [-3 + 29 + 111, -9, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(resample.cubic(5, 5), np.eye(5))


def test_a_parabola_is_enlarged_without_error_away_from_the_border():
    x, new = np.arange(12.0), (np.arange(30) + 0.5) * 12 / 30 - 0.5
    y = resample.cubic(12, 30) @ (3 - x + 0.5 * x**2)
    inside = (new > 1) & (new < 10)
    np.testing.assert_allclose(y[inside], (3 - new + 0.5 * new**2)[inside], atol=1e-12)


@pytest.mark.parametrize(("old", "new"), [(8, 2), (12, 4), (8, 16), (7, 28), (20, 33)])
def test_pillow_agrees_to_a_level(old, new):
    pixels = 90 + random_bytes((2, old, old, 3), old) // 4  # no curve overshoots a byte: Pillow rounds after each axis
    got = resample.resampled(pixels, new)
    assert (got.shape, got.dtype) == ((2, new, new, 3), np.uint8)
    for picture, mine in zip(pixels, got, strict=True):
        pillow = Image.fromarray(picture)
        theirs = pillow.reduce(old // new) if new < old else pillow.resize((new, new), Image.Resampling.BICUBIC)
        border = 0 if new < old else 2 * -(-new // old)  # where Pillow leaves out what lies beyond, instead of repeating pixels
        apart = np.abs(np.asarray(theirs).astype(int) - mine)[border:new - border, border:new - border]
        assert apart.size
        assert apart.max() <= 1


def test_a_curve_that_overshoots_stays_a_byte_and_other_shapes_are_stretched():
    edge = np.zeros((1, 6, 4, 1), np.uint8)
    edge[:, :, 2:] = 255
    got = resample.resampled(edge, 16)
    assert (got[0, :, :6] == 0).all()
    assert (got[0, :, 10:] == 255).all()
    assert (got == got[:, :1]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_shrunk_and_enlarged_by_whole_factors(dtype):
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 3)).astype(dtype)
    blocks = x.reshape(2, 2, 2, 3, 2, 3).mean((2, 4))
    assert resample.shrink(x, 2).dtype == resample.bicubic(x, 3).dtype == dtype
    np.testing.assert_allclose(resample.shrink(x, 2), blocks, atol=1e-6)
    rows, columns = resample.cubic(4, 12), resample.cubic(6, 18)
    np.testing.assert_allclose(resample.bicubic(x, 3)[1, :, :, 2], rows @ x[1, :, :, 2] @ columns.T, atol=1e-5)
    for function in resample.shrink, resample.bicubic:
        for wrong in x[0], x > 0, x[:, :0], x[:, :, :0], x.tolist():
            with refused(f"{function.__name__}: expected", "(n, h, w, C)"):
                function(wrong, 2)
        for wrong in 0, 2.0:
            with refused(f"{function.__name__}: expected a positive integer as factor", wrong):
                function(x, wrong)
    for wrong in x[0], x > 0:
        with refused("distorted: expected", "(n, h, w, C)"):
            resample.distorted(wrong, np.random.default_rng(0))
    for images, factor in (x, 4), (x[:, :, :4], 3), (x[:, :3], 4):
        with refused(f"divisible by {factor}", images.shape):
            resample.shrink(images, factor)


def test_chunks_do_not_show():
    pixels = random_bytes((40, 300, 300, 1))
    np.testing.assert_array_equal(resample.resampled(pixels, 8)[33:], resample.resampled(pixels[33:], 8))


def test_a_picture_of_millions_of_pixels_is_shrunk():
    assert (resample.resampled(np.full((2, 2100, 2100, 1), 200, np.uint8), 2) == 200).all()


UNDISTORTED = {"slant": 0, "turn": 0, "stretch": 0, "bend": 0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_distortion_changes_nothing(dtype):
    images = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(dtype)
    got = resample.distorted(images, np.random.default_rng(1), **UNDISTORTED)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, images, atol=1e-6)


def test_a_slant_shifts_each_row_in_proportion_to_its_height():
    ramp = np.arange(9.0) + np.zeros((1, 9, 9))
    got = resample.distorted(ramp[..., None], np.random.default_rng(0), **UNDISTORTED | {"slant": 0.2})
    shift = (got[..., 0] - ramp)[0, :, 3:6]
    slope = shift[5, 0]
    assert slope != 0
    np.testing.assert_allclose(shift, slope * np.arange(-4, 5)[:, None] + np.zeros(3), atol=1e-6)


def test_beyond_the_border_of_a_distorted_image_its_outermost_pixel_is_repeated():
    ramp = np.arange(9.0) + np.zeros((30, 9, 9))
    got = resample.distorted(ramp[..., None], np.random.default_rng(0), **UNDISTORTED | {"stretch": 0.5})
    assert (np.diff(got, axis=2) >= -1e-6).all()
    assert (got[:, :, :2] == 0).all(axis=(1, 2, 3)).any()


# --- A folder


def save(path, pixels, mode=None, **options):
    """A picture of these values, converted to one of Pillow's modes."""
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path, **options)


def test_a_folder_s_pictures_come_in_the_order_of_their_names(tmp_path):
    pixels = random_bytes((4, 8, 8, 3))
    for name, picture in zip(["b.png", "a.BMP", "10.webp", "c.bmp"], pixels, strict=True):
        save(tmp_path / name, picture, **({"lossless": True} if name == "10.webp" else {}))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".b.png").write_text("hidden")
    (tmp_path / "folder").mkdir()
    images, labels = data.load(str(tmp_path))
    assert labels is None
    np.testing.assert_array_equal(images, pixels[[2, 1, 0, 3]])


def test_one_colour_anywhere_makes_all_pictures_coloured(tmp_path):
    grey = random_bytes((8, 8))
    save(tmp_path / "a.png", grey)
    save(tmp_path / "b.png", grey, "RGB")
    save(tmp_path / "c.png", grey, "P")
    np.testing.assert_array_equal(pictures.read(tmp_path)[0], [grey] * 3)
    colour = np.stack([grey] * 3, -1)
    colour[3, 4, 1] ^= 1
    save(tmp_path / "d.png", colour)
    np.testing.assert_array_equal(pictures.read(tmp_path)[0], [*[np.stack([grey] * 3, -1)] * 3, colour])


@pytest.mark.parametrize(("mode", "pixel", "seen"), [
    ("RGBA", (200, 100, 0, 255), (200, 100, 0)), ("RGBA", (200, 100, 0, 0), (255, 255, 255)),
    ("RGBA", (200, 100, 0, 51), (244, 224, 204)), ("LA", (100, 102), (193, 193, 193)), ("L", 7, (7, 7, 7)),
    ("1", 1, (255, 255, 255)), ("I;16", 0x12FF, (0x13, 0x13, 0x13)), ("I;16", 0xFFFF, (255, 255, 255)),
    ("CMYK", (0, 255, 255, 0), (255, 0, 0))])
def test_every_kind_of_picture_becomes_what_read_documents(tmp_path, mode, pixel, seen):
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new(mode, (2, 2), pixel).save(tmp_path / f"a.{suffix}")
    save(tmp_path / "b.png", np.uint8([[[0, 0, 1]] * 2] * 2))  # so that there are colours
    images, _ = pictures.read(tmp_path)
    assert (images[0] == seen).all()


def test_a_palette_s_transparent_colour_becomes_white(tmp_path):
    picture = Image.new("P", (2, 2), 1)
    picture.putpalette([0, 0, 0, 200, 0, 0])
    picture.putpixel((1, 0), 0)
    picture.save(tmp_path / "a.gif", transparency=1)
    np.testing.assert_array_equal(pictures.read(tmp_path)[0], [[[255, 0], [255, 255]]])


def test_a_picture_is_read_by_what_it_holds_whatever_its_name(tmp_path):
    for i, kind in enumerate(("PNG", "BMP", "GIF")):
        Image.fromarray(random_bytes((4, 4))).save(tmp_path / f"{i}.jpg", kind)
    np.testing.assert_array_equal(pictures.read(tmp_path)[0], [random_bytes((4, 4))] * 3)


def png(bits, channels, row, width, transparent=None):
    """A PNG file of one row. Pillow cannot write all kinds: its chunks are written here from the format's description."""
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">2I5B", width, 1, bits, {1: 0, 3: 2}[channels], 0, 0, 0)
    colour = b"" if transparent is None else chunk(b"tRNS", struct.pack(f">{channels}H", *transparent))
    content = chunk(b"IHDR", header) + colour + chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


@pytest.mark.parametrize(("bits", "row", "stored", "seen"), [
    (1, b"\x50", [0, 1, 0, 1], [0, 255, 0, 255]), (2, b"\x1b", [0, 1, 2, 3], [0, 85, 170, 255]),
    (4, b"\x05\xaf", [0, 5, 10, 15], [0, 85, 170, 255]), (8, b"\x00\x55\xaa\xff", [0, 85, 170, 255], [0, 85, 170, 255]),
    (16, struct.pack(">4H", 0, 256, 40_000, 65_535), [0, 256, 40_000, 65_535], [0, 1, 156, 255])])
def test_grey_of_every_depth_becomes_8_bits_and_one_grey_may_be_transparent(tmp_path, bits, row, stored, seen):
    path, stored, seen = tmp_path / "a.png", np.array(stored), np.array(seen)
    path.write_bytes(png(bits, 1, row, 4))
    np.testing.assert_array_equal(pictures._picture(path)[0], np.stack([seen] * 3, -1))
    for grey in stored:
        path.write_bytes(png(bits, 1, row, 4, [grey]))
        np.testing.assert_array_equal(pictures._picture(path)[0], np.stack([seen, seen, seen, 255 * (stored != grey)], -1))


@pytest.mark.parametrize("colour", [None, (0x12FF, 0x3400, 0xFFFF), (10, 20, 30)])
def test_16_bits_in_colour_lose_their_lower_half(tmp_path, colour):
    row = struct.pack(">6H", 0x12FF, 0x3400, 0xFFFF, 10, 20, 30)
    (tmp_path / "a.png").write_bytes(png(16, 3, row, 2, colour))
    alpha = {None: ([], []), 0x12FF: ([0], [255]), 10: ([255], [0])}[colour and colour[0]]
    seen = [[0x12, 0x34, 0xFF, *alpha[0]], [0, 0, 0, *alpha[1]]]
    assert pictures._picture(tmp_path / "a.png")[0].tolist() == seen


def test_a_colour_that_is_declared_transparent_becomes_white(tmp_path):
    Image.fromarray(np.uint8([[[255, 0, 0], [0, 0, 0]]] * 2)).save(tmp_path / "a.png", transparency=(0, 0, 0))
    assert pictures.read(tmp_path)[0].tolist() == [[[[255, 0, 0], [255, 255, 255]]] * 2]


def test_a_picture_lies_as_it_is_stored_and_an_animation_shows_its_first_frame(tmp_path):
    grey = random_bytes((4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    save(tmp_path / "a.png", grey, exif=exif)
    first, second = (Image.fromarray(x) for x in random_bytes((2, 4, 4), 1))
    first.save(tmp_path / "b.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(pictures.read(tmp_path)[0], [grey, np.asarray(first)])


def test_the_central_square_is_cut_out_and_sizes_are_made_equal(tmp_path):
    wide, tall = random_bytes((4, 9, 3)), random_bytes((7, 4, 3), 1)
    save(tmp_path / "a.png", wide)
    save(tmp_path / "b.png", tall)
    np.testing.assert_array_equal(pictures.read(tmp_path)[0], [wide[:, 2:6], tall[1:5]])
    save(tmp_path / "c.png", random_bytes((8, 8, 3), 2))
    images, _ = pictures.read(tmp_path, 4)
    assert images.shape == (3, 4, 4, 3)
    np.testing.assert_array_equal(images[2], resample.resampled(random_bytes((1, 8, 8, 3), 2), 4)[0])


# --- Arrays


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3)])
@pytest.mark.parametrize("known", [True, False])
def test_an_npz_holds_images_and_perhaps_labels(tmp_path, shape, known):
    images, labels = random_bytes(shape), np.array([3, 1, 4, 1, 9])
    np.savez_compressed(tmp_path / "a.npz", images=images, **({"labels": labels} if known else {}))
    got, given = data.load(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(got, images[..., 0] if shape[3:] == (1,) else images)
    assert (given.dtype == np.uint8 and (given == labels).all()) if known else given is None


def test_transparent_pixels_in_an_npz_become_white(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.uint8([[[[200, 100, 0, 51]]]]))
    assert pictures.read(tmp_path / "a.npz")[0].tolist() == [[[[244, 224, 204]]]]


def test_idx_files_come_with_the_labels_beside_them(tmp_path):
    images, labels = random_bytes((3, 6, 4)), np.array([7, 0, 2], np.uint8)
    (tmp_path / IMAGES).write_bytes(idx(images))
    got, given = pictures.read(tmp_path / IMAGES)
    np.testing.assert_array_equal(got, images[:, 1:5])
    assert given is None
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(idx(labels)))
    for path in tmp_path / IMAGES, tmp_path:  # the folder stands for its training images
        assert pictures.read(path)[1].tolist() == [7, 0, 2]
    shutil.copy(tmp_path / IMAGES, tmp_path / "other")
    assert pictures.read(tmp_path / "other")[1] is None
    images, labels = data.load(str(tmp_path), size=8)
    assert (images.shape, labels.tolist()) == ((3, 8, 8), [7, 0, 2])


# --- What is refused


def two(folder, a=(8, 8), b=(8, 8)):
    """Two sound pictures of these shapes."""
    save(folder / "a.png", random_bytes((*a, 3)))
    save(folder / "b.png", random_bytes((*b, 3)))


def bad(name, content):
    """Two sound pictures and a file that is none."""
    def write(folder):
        two(folder)
        (folder / name).write_bytes(content)
    return write


def cut(folder):
    two(folder, (40, 40), (40, 40))
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:-200])


def npz(**arrays):
    return lambda folder: np.savez(folder / "x.npz", **arrays)


def bomb(folder):
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\1\0v\0" + repr(
            {"descr": "|u1", "fortran_order": False, "shape": (10**15, 8, 8)}).encode().ljust(117) + b"\n")


X = random_bytes((3, 8, 8))
BAD = {  # name -> (what makes it, where --data is in the folder, what the line must say)
    "mixed sizes": (lambda f: two(f, (8, 8), (10, 12)), "", ["b.png", "a.png", "got 10", "--size"]),
    "an empty file": (bad("c.png", b""), "", ["c.png", "an empty file"]),
    "no picture": (bad("c.jpg", b"hello" * 99), "", ["c.jpg", ".jpg", "begins with b'hellohel'"]),
    "no picture inside": (bad("c.jpg", b"\xff\xd8" + bytes(99)), "", ["c.jpg", "sound picture"]),
    "cut off": (cut, "", ["b.png", "sound picture"]),
    "a folder's name": (lambda f: (f / "c.png").mkdir(), "", ["expected pictures", "none among 1"]),
    "a dead link": (lambda f: (f / "c.png").symlink_to("nowhere"), "", ["c.png", "no file"]),
    "another format": (lambda f: Image.new("I;16", (8, 8)).save(f / "a.bmp", "TIFF"), "", ["a.bmp", "begins with"]),
    "floats": (lambda f: Image.new("F", (8, 8), 0.5).save(f / "a.png", "TIFF"), "", ["a.png", "begins with"]),
    "pictures of another format": (lambda f: Image.new("L", (8, 8)).save(f / "a.tiff"), "", [".png", "none among 1"]),
    "no files": (lambda f: None, "", ["expected pictures", ".png", "none among 0"]),
    "no pictures": (lambda f: (f / "x.txt").write_text("x"), "", ["expected pictures", "none among 1"]),
    "a size of 10": (lambda f: two(f, (10, 10), (10, 10)), "", ["--size", "multiple of 4", "10"]),
    "a picture": (two, "a.png", ["a folder of pictures", "a single picture"]),
    "text": (lambda f: (f / "x").write_text("x"), "x", ["idx"]), "a missing file": (two, "c.npz", ["does not exist", "c.npz"]),
    "labels alone": (lambda f: (f / "x").write_bytes(idx(X[0, 0])), "x", ["3 axes", "got 1"]),
    "an npz without images": (npz(x=X), "x.npz", ["uint8 (n, h, w)", "no such array"]),
    "an npz of floats": (npz(images=X / 255), "x.npz", ["uint8 (n, h, w)", "float64 (3, 8, 8)"]),
    "an npz of 16 bits": (npz(images=X.astype(np.uint16)), "x.npz", ["uint8", "uint16 (3, 8, 8)"]),
    "an npz of two channels": (npz(images=X.reshape(3, 8, 4, 2)), "x.npz", ["c = 1, 3 or 4", "(3, 8, 4, 2)"]),
    "an npz of no images": (npz(images=X[:0]), "x.npz", ["(0, 8, 8)"]),
    "an npz of objects": (npz(images=np.array([None])), "x.npz", ["sound .npz"]),
    "an npz that is none": (lambda f: (f / "x.npz").write_text("x"), "x.npz", ["sound .npz"]),
    "an npz that is a folder": (lambda f: (f / "x.npz").mkdir(), "x.npz", ["x.npz", "none among 0"]),
    "an npz that claims much": (bomb, "x.npz", ["sound .npz"]),
    "too few labels": (npz(images=X, labels=[1, 2]), "x.npz", ["3 pictures", "(2,)"]),
    "labels of text": (npz(images=X, labels=["a", "b", "c"]), "x.npz", ["integer label"]),
    "other labels": (npz(images=X, labels=[3, 99, 0]), "x.npz", ["0 to 9", "99"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_data_get_one_clear_line_and_nothing_is_written(fails, tmp_path, kind):
    from .scripts import ROOT
    make, name, mentions = BAD[kind]
    (tmp_path / "own").mkdir()
    make(tmp_path / "own")
    fails(ROOT / "demos" / "mnist_gan.py", "--data", tmp_path / "own" / name, "--steps", 1, "--batch", 2, "--out", "out",
          mentions=mentions)


def test_pictures_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1000)
    two(tmp_path)
    with refused("2 pictures of 1000 × 1000 pixels", "memory"):
        pictures.read(tmp_path, 1000)
    with refused("3 pictures of 1000 × 1000 pixels", "memory"):
        pictures.alike(X[..., np.newaxis], 1000)


def test_a_picture_too_large_to_read_is_refused(tmp_path, monkeypatch):
    save(tmp_path / "a.png", random_bytes((8, 8)))
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">2I", 10**6, 10**6)
    (tmp_path / "a.png").write_bytes(content)
    with refused("a.png: expected", "memory"):
        pictures.read(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    (tmp_path / "a.png").unlink()
    save(tmp_path / "a.bmp", random_bytes((16, 16)))
    with refused("a.bmp", "sound picture", "256 pixels"):
        pictures.read(tmp_path)


SEEDS = {suffix: (suffix, mode) for suffix, mode in (("png", "P"), ("gif", "L"), ("webp", "RGB"), ("jpg", "RGB"), ("bmp", "1"))}


@given(suffix=st.sampled_from(list(SEEDS)), edits=st.lists(st.tuples(st.sampled_from(["flip", "cut", "insert"]),
                                                                     st.integers(0, 2000), st.integers(1, 255)), max_size=3))
def test_a_damaged_picture_is_read_or_refused_in_one_line(tmp_path_factory, suffix, edits):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / f"a.{suffix}"
    save(path, random_bytes((6, 6, 3)), SEEDS[suffix][1])
    path.write_bytes(damaged(path.read_bytes(), edits))
    try:
        images, labels = pictures.read(folder)
    except InputError as error:
        message = str(error)
        assert message.startswith(f"{path}: expected ")
        assert "\n" not in message
        assert edits
    else:
        assert (images.dtype, labels, len(images)) == (np.uint8, None, 1)


# --- What is shown


@pytest.mark.parametrize("c", [1, 3])
def test_a_sheet_holds_the_images_byte_by_byte_in_their_colours(tmp_path, c):
    from matplotlib.image import imread
    pixels = random_bytes((5, 4, 6, c))
    page = plotting.sheet(data.to_images(pixels), columns=3)
    assert page.shape == ((2 * 6 + 2, 3 * 8 + 2) if c == 1 else (2 * 6 + 2, 3 * 8 + 2, c))
    tiles = [page[y:y + 4, x:x + 6] for y in (2, 8) for x in (2, 10, 18)]
    np.testing.assert_array_equal(np.array(tiles[:5]).reshape(pixels.shape), pixels)
    assert not tiles[5].any()
    plotting.save_sheet(tmp_path / "a.png", data.to_images(pixels), 3, zoom=2)
    shown = np.rint(imread(tmp_path / "a.png")[..., :3] * 255)
    np.testing.assert_array_equal(shown[::2, ::2], page if c == 3 else np.stack([page] * 3, -1))
