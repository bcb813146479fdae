"""Part of a function replaced temporarily: how a fault is planted, to see whether a check finds it.

tests/proof/mutants.py plants hundreds, demos/break_it.py one at a time. Read plotting.py next.
"""

import inspect
import textwrap
from contextlib import contextmanager


@contextmanager
def rewritten(function, old, new):
    """`function` with `old` replaced by `new` in its source, wherever it has been imported, until the block ends.

    Raises LookupError if the source does not contain `old`.
    """
    source = textwrap.dedent(inspect.getsource(function))
    if old not in source:
        raise LookupError(f"{function.__qualname__} no longer contains {old!r}")
    namespace = dict(function.__globals__)
    inside_class = "class Fault:\n" + textwrap.indent(source.replace(old, new), "    ")  # so that super() finds its class
    exec(compile("from __future__ import annotations\n" + inside_class, "fault", "exec"), namespace)
    fault, parts = vars(namespace["Fault"])[function.__name__], ("__code__", "__defaults__", "__kwdefaults__")
    original = [getattr(function, part) for part in parts]
    try:
        for part in parts:
            setattr(function, part, getattr(fault, part))
        yield
    finally:
        for part, own in zip(parts, original, strict=True):
            setattr(function, part, own)
