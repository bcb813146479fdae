"""Pictures of your own, in files: a folder of pictures, an .npz, or idx files as MNIST has them.

Networks need pictures that are square, of one size, and all grey or all in colour. `read` makes them so where it can; for
anything else, one line says which file and what is wrong with it. Read resample.py next.
"""

import math
import os
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from . import download
from .checkpoint import DAMAGED
from .errors import InputError
from .memory import check_memory
from .resample import resampled

SUFFIXES = ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"
PNG = b"\x89PNG\r\n\x1a\n"
SIGNS = PNG, b"\xff\xd8", b"GIF8", b"BM", b"RIFF"  # how files of these kinds begin
IDX = "train-images-idx3-ubyte"


def read(path, size=None):
    """The pictures in `path`: (uint8 (n, side, side), or (n, side, side, 3) in colour; labels uint8 (n,), 0 … 9, or None).

    path is one of
      a folder   its files with one of SUFFIXES, in the order of their names; other files, hidden ones and folders are left
                 out. A folder with Fashion-MNIST's train-images-idx3-ubyte, say, stands for that idx file
      *.npz      the arrays images, uint8 (n, h, w) or (n, h, w, c), and labels, if they are known
      idx file   uint8 (n, h, w), gzipped or not; labels from the file beside it, with "labels-idx1" in its name, if it exists

    From each picture the central square is cut out. With `size`, it becomes size × size pixels, see `resampled`; without it,
    all must have the same size. Transparent areas become white. 16-bit channels become 8-bit. EXIF orientation is ignored; of
    an animation, the first frame is read. If all pixels of all pictures are grey, there is one channel.

    InputError if a file cannot be read or is empty, if sizes differ, and for other types, shapes or labels.
    """
    path = Path(path)
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        raise InputError(f"{path}: expected a folder of pictures, an .npz or an idx file; got a single picture")
    if path.is_dir() and not download.find(IDX, path):
        return _grey_if_grey(_folder(path, size)), None
    images, labels = _npz(path) if path.suffix == ".npz" else _idx(download.find(IDX, path) or path)
    return alike(images, size), labels


def alike(images, size=None):
    """Pictures as `read` promises them: uint8 (n, h, w, c) with c = 1, 3 or 4 -> (n, side, side) or (n, side, side, 3)."""
    side = size or min(images.shape[1:3])
    check_memory(4 * len(images) * side * side, f"{len(images)} pictures of {side} × {side} pixels")
    return _grey_if_grey(resampled(_square(_opaque(images)), side))


def _grey_if_grey(images):
    """(n, h, w, c) with c = 1 or 3 -> (n, h, w), unless one of the pixels has a colour."""
    coloured = images.shape[-1] == 3 and (images[..., :2] != images[..., 1:]).any()
    return images if coloured else np.ascontiguousarray(images[..., 0])


def _square(pixels):
    """The central squares of pictures (n, h, w, c)."""
    h, w = pixels.shape[1:3]
    side = min(h, w)
    y, x = (h - side) // 2, (w - side) // 2
    return pixels[:, y:y + side, x:x + side]


def _opaque(pixels):
    """Pictures (n, h, w, c) on a white ground: c = 4 becomes 3, with pixels that are alpha · colour + (1 - alpha) · white."""
    if pixels.shape[-1] < 4:
        return pixels
    colours, alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:].astype(np.float32)
    return np.rint(255 + (colours - 255) * alpha / 255).astype(np.uint8)


# ---- a folder


def _folder(folder, size):
    """The pictures in a folder, square, of one size and in three channels."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: expected a folder that can be read; got {error.strerror}") from None
    paths = [folder / name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    paths = [path for path in paths if not path.is_dir()]
    if not paths:
        raise InputError(f"{folder}: expected pictures, files whose names end in {' '.join(SUFFIXES)}; "
                         f"got none among {len(names)} files and folders")
    images = None
    for i, path in enumerate(paths):
        pixels = _square(_opaque(_picture(path)[np.newaxis]))
        side = size or pixels.shape[1]
        if images is None:
            check_memory(4 * len(paths) * side * side, f"{len(paths)} pictures of {side} × {side} pixels")
            images = np.empty((len(paths), side, side, 3), np.uint8)
        if side != images.shape[1]:
            raise InputError(f"{path}: expected a picture whose shorter side has {images.shape[1]} pixels, as that of "
                             f"{paths[0].name}; got {side}. --size makes all equal")
        images[i:i + 1] = resampled(pixels, side)
    return images


def _picture(path):
    """The picture in a file, uint8 (h, w, 3), or (h, w, 4) if parts of it may be transparent."""
    from matplotlib.image import imread  # slow to import

    if not path.is_file() or not path.stat().st_size:
        got = "an empty file" if path.is_file() else "no file: a broken link or a pipe, say"
        raise InputError(f"{path}: expected a picture; got {got}")
    with open(path, "rb") as file:
        head = file.read(26)
    if not head.startswith(SIGNS):  # Matplotlib would read some others, such as TIFFs of floats, and clip their values
        raise InputError(f"{path}: expected a picture of a kind that its name may have ({', '.join(SUFFIXES)}); "
                         f"got a file that begins with {head[:8]!r}")
    if png := head.startswith(PNG) and len(head) == 26:
        width, height, bits, kind = struct.unpack(">2I2B", head[16:])
        check_memory(16 * width * height, path)  # of other formats, Pillow limits the size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of oddities that do not keep a picture from being read
            pixels = imread(path, format="by content")  # any name but "png" means that
            colour = _transparent(path.read_bytes()) if png and kind in (0, 2) else None  # grey, RGB
    except Exception as error:
        sorts = *DAMAGED, OSError, struct.error, zlib.error
        if not (isinstance(error, sorts) or type(error).__module__.startswith("PIL.")):  # Pillow, which reads it, has its own
            raise
        problem = f"{type(error).__name__}: {str(error).replace(str(path), path.name):.100}"
        raise InputError(f"{path}: expected a sound picture; got {problem}") from None
    opaque = None
    if png:  # 0 … 1, but Matplotlib divides greys of 2 and 4 bits by 3 and 15, which Pillow has stretched to 8 bits
        pixels = pixels * ((2**bits - 1) / 255) if bits in (2, 4) and pixels.max() > 1 else pixels
        if colour is not None:
            bits, colour = (8, colour >> 8) if bits == 16 and kind == 2 else (bits, colour)  # Pillow keeps the upper half
            opaque = (np.rint(pixels * (2**bits - 1)).reshape(*pixels.shape[:2], -1) != colour).any(-1)
        pixels = np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise InputError(f"{path}: expected a picture of 8 bits for each channel, or a PNG; got {pixels.dtype}")
    colours = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, -1)
    return np.dstack([colours, opaque * np.uint8(255)]) if opaque is not None else colours


def _transparent(png):
    """The colour that a grey or RGB PNG, given as bytes, declares transparent: integers (1,) or (3,); None if there is none."""
    start, name = len(PNG), b""
    while name != b"IDAT" and start < len(png):
        length, name = struct.unpack_from(">I4s", png, start)
        if name == b"tRNS":
            return np.frombuffer(png, ">u2", length // 2, start + 8).astype(int)
        start += 12 + length
    return None


# ---- arrays


def _npz(path):
    """The pictures (n, h, w, c) in an .npz file, and their labels or None."""
    if not path.is_file():
        raise InputError(f"{path}: expected a file; got a folder, a device or nothing")
    try:
        with zipfile.ZipFile(path) as archive:
            check_memory(sum(info.file_size for info in archive.infolist()), path)
        with np.load(path) as archive:
            images, labels = (archive[name] if name in archive.files else None for name in ("images", "labels"))
            if isinstance(images, bytes) or isinstance(labels, bytes):  # NumPy returns their raw bytes
                raise ValueError("images or labels that are not arrays")
    except InputError:
        raise
    except (*DAMAGED, OSError, RuntimeError, zlib.error) as error:  # RuntimeError: it is encrypted
        raise InputError(f"{path}: expected a sound .npz file; got {type(error).__name__}: {error!s:.100}") from None
    got = "no such array" if images is None else f"{images.dtype} {images.shape}"
    if images is not None and images.ndim == 3:
        images = images[..., np.newaxis]
    if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or not images.size:
        raise InputError(f"{path}: expected images, uint8 (n, h, w) or (n, h, w, c) with c = 1, 3 or 4; got {got}")
    return images, None if labels is None else _checked(labels, images, path)


def _idx(path):
    """The pictures (n, h, w, 1) in an idx file, and the labels in the file beside it, or None."""
    images = read_idx(path)
    if images.ndim != 3:
        raise InputError(f"{path}: expected pictures, with 3 axes; got {images.ndim}")
    name = path.name.removesuffix(".gz")
    beside = download.find(name.replace("images-idx3", "labels-idx1"), path.parent) if "images-idx3" in name else None
    return images[..., np.newaxis], None if beside is None else _checked(read_idx(beside), images, beside)


def _checked(labels, images, path):
    """Labels as uint8, if they are digits, one for each image."""
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(f"{path}: expected an integer label for each of {len(images)} pictures; "
                         f"got {labels.dtype} {labels.shape}")
    if not 0 <= labels.min() <= labels.max() <= 9:
        raise InputError(f"{path}: expected labels from 0 to 9, for games with ten classes; leave out others; "
                         f"got {labels.min()} to {labels.max()}")
    return labels.astype(np.uint8)


def read_idx(path):
    """The uint8 array of 1 to 3 axes in the idx file `path`, gzipped or not.

    The format, from LeCun's MNIST page: the bytes 0, 0, 8 (for uint8) and the number of axes; the length of each axis as a
    big-endian uint32; the values, last axis fastest. InputError for anything else, and for more than download.MAX_BYTES.
    """
    return parse_idx(download.inflated(path), path)


def parse_idx(raw, path):
    """The same of the bytes `raw`, which were read from `path`."""
    if raw[:3] != b"\0\0\x08" or raw[3:4] not in (b"\1", b"\2", b"\3"):
        raise InputError(f"{path}: expected an idx file, which begins with 00 00 08 and 01, 02 or 03; "
                         f"got {raw[:4].hex(' ') or 'an empty file'}")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise InputError(f"{path}: expected an idx header of {start} bytes; got {len(raw)}")
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4).tolist()
    size = math.prod(shape)
    if size == 0 or len(raw) - start != size:
        raise InputError(f"{path}: expected at least 1 value and as many as the header says, "
                         f"{' x '.join(map(str, shape))} = {size}; got {len(raw) - start}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()  # a copy, since `raw` is read-only
