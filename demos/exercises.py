"""Write derivatives by hand, and let numgan check them: python demos/exercises.py  (see --help)

The first run makes my_derivatives.py in the current folder, a text with gaps to be filled in. Every run checks it.
"""

import argparse
import re
import sys
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

import numpy as np
from judging import Wrong, demand_array, gradients, judge, same

import numgan as ng
from numgan import InputError, console
from numgan.files import atomic

MINE, SOLUTIONS = Path("my_derivatives.py"), Path(__file__).with_name("solutions.py")


@dataclass
class Exercise:
    """A function of solutions.py, and numgan's own op to compare it with."""

    op: Callable  # the leaves, as Tensors -> the value, a Tensor
    leaves: dict  # name of a gradient -> the array that it belongs to, in the order in which the function returns them
    arguments: tuple  # what the function gets; and g, unless its value is the loss
    hint: str
    follows: dict = field(default_factory=dict)  # name of a gradient -> of the one that it is computed from


def exercises():
    """name -> Exercise. All axes have different lengths, so that a gradient of a wrong shape cannot look right."""
    normal = np.random.default_rng(0).standard_normal
    x, w, gamma, beta = normal((5, 3)), normal((3, 4)), normal(3), normal(3)
    ties = x.copy()
    ties[1, 0] = ties[1, 2] = 3.0
    labels = np.array([0, 2, 1, 1, 2])
    images, kernels = normal((2, 5, 6, 3)), normal((2, 3, 3, 4))
    z, g_w, g_b, d_v, d_c, d_u = normal((5, 2)), normal((2, 4)), normal(4), normal((4, 3)), normal(3), normal((3, 1))
    real, fake = normal((5, 1)), normal((3, 1))

    def g_loss(to_logits, to_fake, w, b):
        """The loss of G. To get the gradient of an intermediate value, add a 0 to the value, and take the gradient of the 0."""
        fake = ng.tanh(z @ w + b) + to_fake
        return ng.bce_with_logits(ng.tanh(fake @ d_v + d_c) @ d_u + to_logits, 1.0)

    return {
        "softplus": Exercise(ng.softplus, {"dx": x}, (x,), """
            The derivative of ln u is 1 / u, and here u = 1 + eˣ. The chain rule multiplies it by g, element by element."""),
        "matmul": Exercise(ng.matmul, {"dx": x, "dw": w}, (x, w), """
            x[i, l] reaches all of row i of y, with the weights w[l, j]: so dx[i, l] = Σ g[i, j] w[l, j] over j. Which
            product of two matrices is that? For dw, w[l, j] reaches column j of y, with the weights x[i, l]. The shapes
            nearly decide both."""),
        "row_max": Exercise(lambda x: ng.max(x, 1), {"dx": ties}, (ties,), """
            If an element that is not the largest changes a little, y does not: its gradient is 0. The largest one gets its
            row's g. In row 1, two elements are equally large."""),
        "softmax_cross_entropy": Exercise(lambda x: ng.softmax_cross_entropy(x, labels), {"dx": x}, (x, labels), """
            The gradient of ln Σ eˣ is eˣ / Σ eˣ = p. That of x[label] is 1 at the label and 0 elsewhere. The loss is a mean
            over n rows."""),
        "conv2d": Exercise(lambda w: ng.conv2d(images, w, padding="valid"), {"dw": kernels}, (images, kernels), """
            In the forward loop, one window of x is multiplied by w[a, b], as in matmul, at every image and pixel. So
            dw[a, b] follows from that window and g as dw follows from x and g in matmul: first reshape both to one row
            for each image and pixel."""),
        "batch_norm": Exercise(lambda beta, gamma, x: ng.batch_norm(x, gamma, beta)[0],
                               {"dbeta": beta, "dgamma": gamma, "dx": x}, (x, gamma, beta), """
            One beta and one gamma serve all rows, so their gradients are sums over the rows. x reaches y in three ways:
            directly, through the mean, and through sigma. Directly it gets h = gamma g / sigma. The mean takes the mean of
            h away from that, and sigma takes away xhat times the mean of h xhat."""),
        "d_loss": Exercise(lambda real, fake: ng.bce_with_logits(real, 1.0) + ng.bce_with_logits(fake, 0.0),
                           {"dreal": real, "dfake": fake}, (real, fake), """
            -ln D = ln(1 + e^-logit): its derivative is D - 1. -ln(1 - D) = ln(1 + e^logit): its derivative is D. Each mean is
            over its own images."""),
        "g_step": Exercise(g_loss, {"dlogits": np.zeros((5, 1)), "dfake": np.zeros((5, 4)), "dw": g_w, "db": g_b},
                           (z, g_w, g_b, d_v, d_c, d_u), """
            Go back line by line: loss, logits, hidden, fake, then w and b. tanh' = 1 - tanh². A matrix product passes the
            gradient on as in the exercise matmul. The loss is a mean over all logits, and one b serves all rows.""",
            follows={"dfake": "dlogits", "dw": "dfake", "db": "dfake"}),
    }


# ---- the reader's file


def gaps(text):
    """solutions.py without its solutions: from "# your turn: dx, dw" to "# done", only dx = ... and dw = ... are left."""
    def gap(found):
        return "".join(f"{found[1]}{name} = ...  # your turn\n" for name in found[2].split(", "))
    return re.sub(r"^( +)# your turn: (.*)\n(?:.*\n)*?\1# done\n", gap, text, flags=re.MULTILINE)


def where(error, path):
    """An exception of the reader's code in one line, with the line of the file that it comes from."""
    inside = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    number, line = (inside[-1].lineno, inside[-1].line) if inside else (None, "")
    message = str(error)
    if isinstance(error, SyntaxError):
        number, line, message = error.lineno, error.text, error.msg
    place = f"line {number}, `{(line or '').strip()}`: " if number else ""
    return f"{place}{type(error).__name__}: {' '.join(message.split())}"


def line_of(name, function, path):
    """The number of the line in which the function gives `name` a value, or else of the function's first line."""
    start = function.__code__.co_firstlineno
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[start:], start + 1):
        if re.match(rf"\s+{name} =", line):
            return number
    return start


def load(path):
    """The names that the file defines. InputError if it does not run."""
    source, names = path.read_bytes(), {"__name__": path.stem}
    try:
        exec(compile(source, str(path), "exec"), names)
    except (Exception, SystemExit) as error:  # the reader's code may raise anything
        raise InputError(f"{path}: {where(error, path)}") from None
    return names


# ---- checking


def answers(exercise, function, path, y, g):
    """name -> gradient, as the reader's function returns them."""
    names = ["loss" if y.ndim == 0 else "y", *exercise.leaves]
    arguments = [*exercise.arguments, *([g] if y.ndim else [])]
    if not isinstance(function, FunctionType):
        raise Wrong(f"{path} has no such function", "Move the file away, run this script again, and copy it from the new one.")
    try:
        values = function(*(array.copy() for array in arguments))  # copies: whatever it does to them stays there
    except (Exception, SystemExit) as error:  # the reader's code may raise anything
        shapes = [f"{name} {a.shape}" for name, a in zip(function.__code__.co_varnames, arguments, strict=False)]
        raise Wrong(where(error, path), f"The shapes of its arguments: {', '.join(shapes)}") from None
    if not isinstance(values, tuple) or len(values) != len(names):
        got = f"{len(values)} values" if isinstance(values, tuple) else type(values).__name__
        raise Wrong(f"it must end in: return {', '.join(names)}. It returned {got}")
    if not same(demand_array(names[0], values[0], y), y):
        raise Wrong(f"{names[0]} is not what it was: leave its lines as they are, and write only {', '.join(names[1:])}")
    return dict(zip(names[1:], values[1:], strict=True))


def check(name, exercise, function, path, hint):
    """Print a line per gradient, what can be said of the wrong ones, and the hint if it is wanted. Whether all are right."""
    y, g, expected = gradients(exercise, np.random.default_rng(1).standard_normal)
    _, _, without_g = gradients(exercise, np.ones)
    verdicts = {}

    def report(gradient, verdict, remark, *more):
        verdicts[gradient] = verdict
        print(f"{name:22} {gradient:8} {verdict:16} {remark}")
        for text in filter(None, more):
            print(textwrap.indent(text, "    "))

    try:
        for gradient, got in answers(exercise, function, path, y, g).items():
            if got is ...:
                report(gradient, "not written yet", f"{path}, line {line_of(gradient, function, path)}")
                continue
            try:
                report(gradient, *judge(exercise, gradient, got, g, expected[gradient], without_g[gradient]))
            except Wrong as wrong:
                source = exercise.follows.get(gradient)
                follows = verdicts.get(source) == "wrong" and np.shape(got) == expected[gradient].shape
                report(gradient, "wrong", *wrong.args,
                       f"{gradient} follows from {source}: repair that first." if follows else "")
    except Wrong as wrong:
        report("", "wrong", *wrong.args)
    if hint:
        print(textwrap.fill(f"Hint: {' '.join(exercise.hint.split())}", 100, initial_indent="    ", subsequent_indent="    "))
    return set(verdicts.values()) <= {"exact", "close"}


def main():
    """Make the reader's file if there is none, then check it."""
    known = exercises()
    parser = argparse.ArgumentParser(description=f"Check the derivatives in {MINE}, which the first run makes in this folder.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"check only these: {', '.join(known)}")
    parser.add_argument("--hint", action="store_true", help="show the hint for each of them, too")
    parser.add_argument("--solutions", action="store_true", help="check the solutions, demos/solutions.py, instead")
    options = parser.parse_args()
    for name in options.names:
        if name not in known:
            raise InputError(f"expected names of exercises ({', '.join(known)}), got {name!r:.40}")
    path = SOLUTIONS if options.solutions else MINE
    if not path.exists():
        with atomic(path) as temporary:
            temporary.write_text(gaps(SOLUTIONS.read_text(encoding="utf-8")), encoding="utf-8")
        print(f'Made {path}: open it in an editor, and replace every "..." by a gradient. It is never overwritten.\n')
    functions = load(path)
    right = {name: check(name, known[name], functions.get(name), path, options.hint) for name in options.names or known}
    print("\nErrors are relative: differences from numgan's gradient or, for gradcheck, from a difference quotient.")
    print(f"{sum(right.values())} of {len(right)} exercises are right.")
    if not all(right.values()):
        following = next(name for name in right if not right[name])
        print(f"Next: {following}. To check it alone, with a hint: {console.command(sys.argv[0], following, '--hint')}")
        sys.exit(1)
    if not options.names:
        print("Next, find the fault in other derivatives: demos/break_it.py --seed 1")


if __name__ == "__main__":
    console.run(main)
