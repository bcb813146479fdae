"""A reader of MATLAB's files, version 5: as much of the format as the real house numbers need.

MathWorks describes it in "MAT-File Format". After a header of 128 bytes come elements: a type, a number of bytes, and these
bytes. An element of type MATRIX is a variable and consists of elements again: its flags, its shape, its name and its numbers.
One of type COMPRESSED unpacks to a MATRIX. What a file says about its size is compared with its bytes. Read houses.py next.
"""

import itertools
import math
import zlib
from pathlib import Path

import numpy as np

from .errors import InputError
from .files import check_no_device

INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15  # types of elements
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # of an element's type
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # of a variable
COMPLEX = 0x800  # a flag
MAX_BYTES = 256 << 20  # the largest variable of SVHN's training and test files has 225 MB


def read(path, *names):
    """The variables of these names in the file `path`: a list of arrays with MATLAB's types and shapes, at least two axes each.

    InputError if the file cannot be read, is damaged or not of version 5 (7.3 is HDF5, another format), lacks one of the
    names, or has anything other than real numbers in that variable; and if a variable has more than MAX_BYTES.
    """
    check_no_device(path)
    try:
        raw = memoryview(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: expected a readable file; got {error.strerror}") from None
    try:
        found = dict(_variables(raw, names))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: expected the variables {', '.join(names)}; got no {', '.join(missing)}")
    return [found[name] for name in names]


def _variables(raw, names):
    """A pair (name, array) for each variable in the bytes of a file whose name is one of these."""
    order = {b"IM": "little", b"MI": "big"}.get(bytes(raw[126:128]))  # "MI" as one number, in the writer's byte order
    version = int.from_bytes(raw[124:126], order) if order else None
    if version == 0x0200 or raw[1:4] == b"HDF":
        raise InputError("expected a MATLAB file of version 5; got version 7.3, which MATLAB's save -v7 turns into version 5")
    if version != 0x0100:
        raise InputError(f"expected a MATLAB file, with the bytes 00 01 49 4d or 01 00 4d 49 after the first 124; "
                         f"got {bytes(raw[124:128]).hex(' ') or f'{len(raw)} bytes'}")
    for kind, content in _elements(raw[128:], order):
        if kind == COMPRESSED:
            kind, content = next(_elements(_inflated(content), order), (0, b""))
        if kind == MATRIX:
            yield from _variable(_elements(content, order), order, names)


def _elements(raw, order):
    """A pair (type, bytes) for each element in these bytes."""
    at = 0
    while at < len(raw):
        if len(raw) - at < 8:
            raise InputError(f"expected an element of 8 bytes or more; got {len(raw) - at}: the file is cut off or damaged")
        kind, size = _words(raw[at:at + 8], order)
        start, room = at + 8, len(raw) - at - 8
        if kind >> 16:  # a small element: 2 bytes of size, 2 bytes of type, and room for 4 bytes
            kind, size, start, room = kind & 0xFFFF, kind >> 16, at + 4, 4
        if size > room:
            raise InputError(f"expected an element of {size} bytes; got {room}: the file is cut off or damaged")
        yield kind, raw[start:start + size]
        at = start + size
        if kind != COMPRESSED:
            at += -at % 8  # an element begins at a multiple of 8, except after a compressed one


def _words(raw, order):
    """The integers in these bytes, 4 bytes each."""
    return [int.from_bytes(raw[i:i + 4], order) for i in range(0, len(raw), 4)]


def _inflated(raw):
    """What zlib unpacks these bytes to."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(raw, MAX_BYTES + 1)
    except zlib.error as error:
        raise InputError(f"expected sound compressed bytes; got {error}") from None
    if len(content) > MAX_BYTES or not unpacking.eof:
        raise InputError(f"expected compressed bytes, complete, and at most {MAX_BYTES} once unpacked; "
                         f"got {'more' if len(content) > MAX_BYTES else 'an incomplete part'}")
    return memoryview(content)


def _variable(elements, order, names):
    """The pair (name, array) of a variable with these elements, if its name is one of these."""
    head = list(itertools.islice(elements, 3))
    if [kind for kind, _ in head] != [UINT32, INT32, INT8] or bytes(head[2][1]).decode("latin-1") not in names:
        return  # a variable that nobody asked for, or an object without a shape or name
    name = bytes(head[2][1]).decode("latin-1")
    flags, *_ = [*_words(head[0][1], order), 0]
    shape = _words(head[1][1], order)
    kind, numbers = next(elements, (0, b""))
    if flags & 0xFF not in CLASSES or flags & COMPLEX or kind not in NUMBERS:
        raise InputError(f"variable {name}: expected real numbers; got class {flags & 0xFF} in an element of type {kind}"
                         f"{', complex' if flags & COMPLEX else ''}")
    dtype = np.dtype(NUMBERS[kind]).newbyteorder(order)  # MATLAB often stores small doubles as bytes, say
    if len(shape) < 2 or 0 in shape or len(numbers) != math.prod(shape) * dtype.itemsize:
        raise InputError(f"variable {name}: expected at least 1 number and as many as its shape says, "
                         f"{' x '.join(map(str, shape))}; got {len(numbers) / dtype.itemsize:g}")
    yield name, np.frombuffer(numbers, dtype).reshape(shape[::-1]).T.astype(CLASSES[flags & 0xFF], copy=False)
