"""Every op passes through from_op: here it can be watched, or broken."""

from contextlib import contextmanager

from numgan import conv, losses, norm, ops, resize, tensor

MODULES = (ops, conv, norm, losses, resize)  # all that define ops


def name_of(vjp):
    """The op that a vjp was written in."""
    return vjp.__qualname__.partition(".")[0]


@contextmanager
def from_op_replaced(make):
    """make(from_op) in place of from_op wherever ops are defined."""
    original = tensor.from_op
    for module in MODULES:
        module.from_op = make(original)
    try:
        yield
    finally:
        for module in MODULES:
            module.from_op = original
