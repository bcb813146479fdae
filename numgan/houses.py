"""House numbers in colour, drawn from the fonts that come with matplotlib: a second kind of digits, without a download.

They imitate the cropped digits of Street View House Numbers (SVHN; Netzer et al. 2011). One digit fills most of the height, its
neighbours are cut off at the border, and colours, light and sharpness vary. Glyphs become shapes, shapes get colours, and a
camera makes bytes of them. Axes: n pictures, y down, x right, 3 colours; levels of light are in [0, 1]. Read captions.py next.
"""

import functools
from pathlib import Path

import numpy as np

from . import files
from .download import cache_folder
from .errors import InputError

SIDE, FINE = 28, 3  # pixels per side of a picture; a shape is sampled at FINE * FINE points per pixel
CHUNK = 250  # pictures drawn at a time
CONTRAST = 0.24  # between digit and wall, at least, in luminance
LUMA = np.array([0.299, 0.587, 0.114])  # luminance of red, green and blue (ITU-R BT.601)
MEAN = np.array([0.438, 0.444, 0.473])  # of SVHN's colours; here it is that of digits and walls
YELLOW_TO_BLUE = np.array([-1, 0, 1])  # along this line, daylight and its shadows differ most

CELL, POINTS = 64, 66  # pixels per side of a glyph's cell; the font size at which digits are 41 to 50 pixels high
FACES = (  # a font, the code of its digit 0, and by how many pixels its strokes are thickened on each side: one face each
    ("DejaVuSans", 0x30, (0, 1, 2)), ("DejaVuSans-Bold", 0x30, (0, 1)),
    ("STIXGeneral", 0x1D7E2, (0, 1, 2)), ("STIXGeneral", 0x1D7EC, (0, 1, 2)),  # its sans-serif digits, normal and bold
    ("cmss10", 0x30, (0, 1, 2, 3)), ("cmtt10", 0x30, (1, 2)),
    ("STIXGeneral", 0x30, (1, 2)), ("STIXGeneralBol", 0x30, (0, 1)), ("STIXGeneralBolIta", 0x30, (0, 1)),
    ("DejaVuSerif", 0x30, (1, 2)), ("DejaVuSerif-Bold", 0x30, (0,)), ("cmr10", 0x30, (1, 2)), ("cmb10", 0x30, (0, 1)))
BLANK = 10  # the glyph after those of the ten digits

WORTH_KEEPING = 1000  # pictures; fewer are drawn in less than a second


def render(n, rng):
    """n house numbers: (images uint8 (n, 28, 28, 3), labels uint8 (n,)), a pure function of n and the state of rng."""
    labels = rng.integers(0, 10, n, np.uint8)
    images = np.empty((n, SIDE, SIDE, 3), np.uint8)
    for start in range(0, n, CHUNK):
        chunk = slice(start, start + CHUNK)
        images[chunk] = _photograph(_paint(*_shapes(labels[chunk], rng), rng), rng)
    return images, labels


# ---- shapes


@functools.cache
def _glyphs():
    """The glyphs of all faces, uint8 (faces, 11, CELL, CELL), each centred, 255 is ink; their sizes (faces, 11, 2): x, y."""
    from matplotlib import ft2font, get_data_path

    unhinted = ft2font.LoadFlags.NO_HINTING if hasattr(ft2font, "LoadFlags") else ft2font.LOAD_NO_HINTING  # before 3.10
    faces = []
    for name, zero, thickenings in FACES:
        path = Path(get_data_path(), "fonts", "ttf", f"{name}.ttf")
        if not path.is_file():
            raise InputError(f"{path}: expected a font that comes with matplotlib; got no such file")
        font = ft2font.FT2Font(str(path))
        if not all(font.get_char_index(zero + digit) for digit in range(10)):
            raise InputError(f"{path}: expected the font that comes with matplotlib; got one without digits at {zero:#x}")
        font.set_size(POINTS, 72)
        cells = np.zeros((11, CELL, CELL), np.uint8)
        for digit, cell in enumerate(cells[:BLANK]):
            font.set_text(chr(zero + digit), 0, flags=unhinted)
            font.draw_glyphs_to_bitmap(antialiased=True)
            glyph = np.asarray(font.get_image())
            y, x = (np.array(cell.shape) - glyph.shape) // 2
            cell[y:y + glyph.shape[0], x:x + glyph.shape[1]] = glyph
        for pixels in range(max(thickenings) + 1):
            if pixels in thickenings:
                faces.append(cells)
            cells = np.maximum.reduce([cells, *(np.roll(cells, by, axis) for by in (-1, 1) for axis in (1, 2))])
    glyphs = np.stack(faces)
    return glyphs, np.stack([(glyphs.max(axis) > 0).sum(-1) for axis in (2, 3)], -1)


def _shapes(digits, rng):
    """How much of each pixel is ink, and how much lies beyond an edge in the wall: two arrays (n, SIDE, SIDE, 1) in [0, 1]."""
    glyphs, sizes = _glyphs()
    n = len(digits)
    face = rng.integers(0, len(glyphs), n)
    sides = np.where(rng.random((2, n)) < 0.4, BLANK, rng.integers(0, 10, (2, n)))
    shown = face * 11 + np.stack([sides[0], digits, sides[1]])  # left, middle, right
    sizes = sizes.reshape(-1, 2)[shown]
    pose, centre, reach = _pose(sizes[1], rng)

    # an edge above, below or beside the digit, as of a plate or a door
    direction = rng.integers(0, 4, n) * (np.pi / 2) + rng.normal(0, 0.1, n)
    normal = np.stack([np.cos(direction), np.sin(direction)], -1)
    distance = (np.abs(normal) * reach + normal * centre).sum(1) + rng.uniform(0.5, 8, n)
    line = np.arange(SIDE, dtype=np.float32) + 0.5 - SIDE / 2
    height = _each(normal[:, 0]) * line + _each(normal[:, 1]) * line[:, np.newaxis]
    return (_ink(glyphs, shown, sizes[..., 0], np.linalg.inv(pose), centre, rng.uniform(3, 14, n))[..., np.newaxis],
            np.clip(height - _each(distance) + 0.5, 0, 1)[..., np.newaxis])


def _pose(size, rng):
    """Where digits of these sizes (n, 2) are placed, all of them inside the picture.

    Returns matrices (n, 2, 2), which map steps between pixels of a glyph to steps between pixels of the picture, the digits'
    centres (n, 2), relative to the picture's, and half the sides (n, 2) of the upright boxes that hold the digits.
    """
    n = len(size)
    matrices = lambda a, b, c, d: np.stack(np.broadcast_arrays(a, b, c, d), -1).reshape(-1, 2, 2)
    scale, angle = rng.uniform(0.66, 0.94, n) * SIDE / size[:, 1], rng.normal(0, 0.07, n)
    stretch = matrices(scale * rng.uniform(0.75, 1.15, n), 0, 0, scale)
    slant = matrices(1, rng.normal(-0.04, 0.1, n), 0, 1)  # y goes down: a negative number leans to the right
    pose = matrices(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)) @ slant @ stretch
    reach = (np.abs(pose) @ size[..., np.newaxis])[..., 0] / 2
    room = SIDE / 2 - 0.5
    smaller = np.minimum(1, room / reach.max(1, keepdims=True))
    reach = reach * smaller
    return pose * smaller[..., np.newaxis], np.clip(rng.normal(0, 0.9, (n, 2)), reach - room, room - reach), reach


def _ink(glyphs, shown, widths, back, centre, gap):
    """A row of three glyphs in the picture: how much of each pixel they cover, float32 (n, SIDE, SIDE).

    shown, widths (3, n): which glyphs, and how wide; gap (n,) between them; back (n, 2, 2), centre (n, 2) as from `_pose`,
    inverted. Every point of the picture is traced back to the row, where the middle glyph's centre is at 0.
    """
    line = (np.arange(SIDE * FINE, dtype=np.float32) + 0.5) / FINE - SIDE / 2
    origin = (back @ centre[..., np.newaxis])[..., 0]
    x, y = (_each(back[:, i, 0]) * line + _each(back[:, i, 1]) * line[:, np.newaxis] - _each(origin[:, i]) for i in (0, 1))
    left, right = x < _each(-(widths[1] + gap) / 2), x > _each((widths[1] + gap) / 2)
    x += left * _each(gap + (widths[0] + widths[1]) / 2) - right * _each(gap + (widths[1] + widths[2]) / 2)
    glyph = np.choose(1 - left + right, shown[..., np.newaxis, np.newaxis])
    x, y = (np.clip(along + CELL / 2, 0, CELL - 1).astype(np.intp) for along in (x, y))  # the rim of a cell is empty
    ink = glyphs.reshape(-1)[(glyph * CELL + y) * CELL + x]
    return ink.reshape(-1, SIDE, FINE, SIDE, FINE).mean((2, 4), dtype=np.float32) / 255


def _each(x):
    """One number for each picture: (n,) -> float32 (n, 1, 1)."""
    return x.astype(np.float32)[:, np.newaxis, np.newaxis]


# ---- colours and light


def _colours(n, rng):
    """The colours (2, n, 3) of n digits and of their walls, whose luminances differ by at least CONTRAST."""
    contrast = CONTRAST + 0.45 * rng.beta(1.2, 3.5, n)
    middle = np.clip(rng.normal(MEAN @ LUMA, 0.115, n), contrast / 2 + 0.04, 0.96 - contrast / 2)
    step = contrast / 2 * rng.choice([-1, 1], n)
    tint = MEAN + 0.03 * rng.normal(size=(n, 1)) * YELLOW_TO_BLUE  # of the light, which falls on both
    own = 0.02 * rng.standard_t(3, (2, n, 1)) * YELLOW_TO_BLUE + 0.006 * rng.standard_t(3, (2, n, 3))
    colours = tint + np.clip(own, -0.2, 0.2)  # of any luminance: the next line changes that alone
    return colours + (np.stack([middle + step, middle - step]) - colours @ LUMA)[..., np.newaxis]


def _paint(ink, beyond, rng):
    """Shapes in colour, float32 (n, SIDE, SIDE, 3): uneven walls and digits, shadows of the digits, and uneven light."""
    n = len(ink)
    digit, wall = _colours(n, rng).astype(np.float32)[:, :, np.newaxis, np.newaxis]
    step = rng.normal(0, 0.2, (n, 1)) + rng.normal(0, 0.02, (n, 3))
    wall = wall + beyond * step.astype(np.float32)[:, np.newaxis, np.newaxis] + 0.03 * _uneven(n, 9, rng)
    dark = np.maximum(0, rng.uniform(-0.7, 0.5, n))
    shadow = _blurred(ink, rng.uniform(0.3, 1, n), rng.uniform([0, -1.5], [1.5, 1.5], (n, 2)))
    wall = wall * (1 - _each(dark)[..., np.newaxis] * shadow)
    picture = wall + ink * (digit + 0.02 * _uneven(n, 9, rng) - wall)
    return picture * (1 + 0.12 * _uneven(n, 2, rng)) + 0.02 * _uneven(n, 3, rng)


def _uneven(n, k, rng):
    """Fields (n, SIDE, SIDE, 1) of standard normal numbers at k * k points, with linear interpolation between them."""
    position = np.linspace(0, k - 1, SIDE)[:, np.newaxis]
    weights = np.maximum(0, 1 - np.abs(position - np.arange(k))).astype(np.float32)  # (SIDE, k)
    return (weights @ rng.standard_normal((n, k, k), np.float32) @ weights.T)[..., np.newaxis]


def _blurred(picture, sigma, shift=0):
    """The picture (n, y, x, c) after a Gaussian filter of deviation sigma (n,), shifted down and right by shift (n, 2).

    Both are small numbers of pixels: the filter ends 3 pixels from its centre.
    """
    offsets = np.arange(3, -4, -1) - np.broadcast_to(shift, (len(picture), 2))[..., np.newaxis]  # (n, 2, 7)
    weights = np.exp(-(offsets / sigma[:, np.newaxis, np.newaxis])**2 / 2)
    weights = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
    for axis in (1, 2):
        wide = np.pad(picture, [(0, 0), *((3, 3) if i == axis else (0, 0) for i in (1, 2)), (0, 0)], mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(wide, 7, axis)  # (n, y, x, c, 7)
        picture = np.einsum("nyxci,ni->nyxc", views, weights[:, axis - 1])
    return picture


def _photograph(picture, rng):
    """What a camera that is not quite sharp and not free of noise makes of a picture: bytes (n, SIDE, SIDE, 3)."""
    n = len(picture)
    noise = _each(rng.uniform(0, 0.03, n))[..., np.newaxis] * rng.standard_normal(picture.shape, np.float32)
    picture = _blurred(picture, rng.uniform(0.3, 1.2, n)) + noise
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


# ---- the cache


def kept(n, seed):
    """`render(n, default_rng(seed))`: many pictures are kept in the user's cache, and read from there the next time."""
    from hashlib import sha256  # slow to import, like the next
    from importlib.metadata import version

    if n < WORTH_KEEPING:
        return render(n, np.random.default_rng(seed))
    causes = n, seed, np.__version__, version("matplotlib"), Path(__file__).read_bytes()  # all that the pictures depend on
    path = cache_folder("house-numbers") / f"{sha256(repr(causes).encode()).hexdigest()}.bytes"
    content = files.kept(path, lambda: b"".join(array.tobytes() for array in render(n, np.random.default_rng(seed))))
    pixels = np.frombuffer(content, np.uint8)
    return pixels[:-n].reshape(n, SIDE, SIDE, 3).copy(), pixels[-n:].copy()
