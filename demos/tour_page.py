"""How tour.py writes a page: paragraphs, sessions at Python's prompt, exercises, matrices."""

import ast
import io
import re
import textwrap
from contextlib import redirect_stdout


def say(text):
    """Print paragraphs, lines of at most 100 characters, and formulas, which are indented, as they are."""
    for part in textwrap.dedent(text).strip("\n").split("\n\n"):
        if not part.startswith(" "):
            part = re.sub(r" ([-=·×+/]) ", "\xa0\\1\xa0", part)  # no line ends beside a sign, or within <g, dy>
            part = re.sub(r"<[^<>]*>", lambda product: product[0].replace(" ", "\xa0"), part)
            part = textwrap.fill(part, 100).replace("\xa0", " ")
        print(part, end="\n\n")


def session(code, names=None):
    """Print code as it looks at Python's prompt, run it, print what it prints. Returns all names that are now defined.

    `names` are those of an earlier session on the same page. There are no others: so whoever types the page gets the same.
    """
    code, names = textwrap.dedent(code).strip(), {} if names is None else names
    for statement in ast.parse(code).body:
        first, *rest = code.splitlines()[statement.lineno - 1:statement.end_lineno]
        end = ["    ..."] if rest else []  # the empty line that ends a block at the prompt
        print(f"    >>> {first}", *(f"    ... {line}" for line in rest), *end, sep="\n")
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(ast.Interactive([statement]), "tour.py", "single"), names)
        print(textwrap.indent(printed.getvalue(), "    "), end="")
    print()
    return names


def exercise(task, code):
    """Print a task, and a program in which the reader is to replace the dots."""
    say(f"Your turn. {task}")
    print(textwrap.indent(textwrap.dedent(code).strip(), "    ") + "\n")


def beside(*parts):
    """Print matrices and words side by side."""
    blocks = [[part] if isinstance(part, str) else aligned(part) for part in parts]
    for i in range(max(map(len, blocks))):
        print("    " + "  ".join(f"{block[i] if i < len(block) else '':{len(block[0])}}" for block in blocks).rstrip())
    print()


def aligned(matrix):
    """The rows of a matrix as texts of equal width."""
    width = max(len(f"{value:g}") for value in matrix.flat)
    return ["[ " + "  ".join(f"{value:{width}g}" for value in row) + " ]" for row in matrix]


def row(values, digits=2):
    """A vector as text."""
    return "(" + ", ".join(f"{round(float(value), digits) + 0.0:.{digits}f}" for value in values) + ")"
