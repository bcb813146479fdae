"""Check every derivative of numgan against difference quotients, and print what was checked: python demos/check_gradients.py"""

import argparse
import inspect
import sys
import textwrap

import numpy as np

import numgan as ng
from numgan import console

rng = np.random.default_rng(0)
normal = rng.standard_normal


def positive(*shape):
    """Random numbers in [0.5, 2): positive, for log and its kin."""
    return rng.uniform(0.5, 2, shape)


# op: (a function of tensors, its inputs)
CHECKS = {
    ng.add: (ng.add, normal((3, 4)), normal(4)), ng.sub: (ng.sub, normal((3, 4)), normal((3, 1))),
    ng.mul: (ng.mul, normal((3, 4)), normal(4)), ng.div: (ng.div, normal((3, 4)), positive(4)),
    ng.neg: (ng.neg, normal((3, 4))), ng.power: (lambda x: ng.power(x, 3), positive(3, 4)),
    ng.matmul: (ng.matmul, normal((3, 4)), normal((4, 2))),
    ng.exp: (ng.exp, normal((3, 4))), ng.log: (ng.log, positive(3, 4)), ng.sqrt: (ng.sqrt, positive(3, 4)),
    ng.abs: (ng.abs, normal((3, 4))), ng.tanh: (ng.tanh, normal((3, 4))), ng.sigmoid: (ng.sigmoid, normal((3, 4))),
    ng.softplus: (ng.softplus, normal((3, 4))), ng.relu: (ng.relu, normal((3, 4))),
    ng.leaky_relu: (ng.leaky_relu, normal((3, 4))), ng.elu: (ng.elu, normal((3, 4))),
    ng.reshape: (lambda x: ng.reshape(x, 4, 3), normal((3, 4))), ng.transpose: (ng.transpose, normal((3, 4))),
    ng.getitem: (lambda x: ng.getitem(x, np.array([0, 2, 2])), normal((3, 4))),
    ng.concatenate: (lambda *x: ng.concatenate(x), normal((2, 3)), normal((4, 3))),
    ng.pad: (lambda x: ng.pad(x, ((1, 2), (0, 1))), normal((3, 4))),
    ng.broadcast_to: (lambda x: ng.broadcast_to(x, (3, 4)), normal(4)),
    ng.sum: (lambda x: ng.sum(x, 0), normal((3, 4))), ng.mean: (lambda x: ng.mean(x, 1), normal((3, 4))),
    ng.max: (lambda x: ng.max(x, 1), normal((3, 4))),
    ng.conv2d: (lambda x, w: ng.conv2d(x, w, strides=2), normal((2, 6, 5, 3)), normal((3, 4, 3, 2))),
    ng.conv2d_transpose: (ng.conv2d_transpose, normal((2, 3, 2, 2)), normal((4, 3, 3, 2))),
    ng.max_pool2d: (lambda x: ng.max_pool2d(x, 3, strides=2, padding="same"), normal((2, 6, 5, 3))),
    ng.upsample: (ng.upsample, normal((2, 2, 3, 2))), ng.depth_to_space: (ng.depth_to_space, normal((2, 2, 3, 4))),
    ng.resize_conv2d: (ng.resize_conv2d, normal((2, 3, 3, 2)), normal((5, 5, 2, 3))),
    ng.batch_norm: (lambda *x: ng.batch_norm(*x)[0], normal((5, 3)), normal(3), normal(3)),
    ng.bce_with_logits: (lambda x: ng.bce_with_logits(x, 0.9), normal((3, 4))),
    ng.bce: (lambda p: ng.bce(p, 0.9), rng.uniform(0.1, 0.9, (3, 4))),
    ng.l2: (lambda y: ng.l2(y, 1.0), normal((3, 4))), ng.l1: (lambda y: ng.l1(y, 0.0), normal((3, 4))),
    ng.softmax: (ng.softmax, normal((3, 4))),
    ng.softmax_cross_entropy: (lambda x: ng.softmax_cross_entropy(x, np.array([0, 3, 1])), normal((3, 4))),
}


def formula(op):
    """Lines from an op's docstring: its first paragraph, and a sentence from the next if that begins with a gradient."""
    first, *paragraphs = (inspect.getdoc(op) or "").split("\n\n")
    gradients = paragraphs[0].partition(". ")[0] if paragraphs and paragraphs[0].startswith("dL") else ""
    parts = f"{first.partition(' InputError')[0]}   {gradients}".split("   ")  # three spaces part a value and its derivative
    return [line for part in parts for line in textwrap.wrap(part, 88)]


def main():
    """Print one row per op."""
    argparse.ArgumentParser(description="Check every derivative of numgan against difference quotients.").parse_args()
    print(f"{'op':22} max error  what is checked")
    worst = 0.0
    for op, (f, *inputs) in CHECKS.items():
        try:
            error = ng.gradcheck(f, *inputs)
        except AssertionError as difference:
            sys.exit(f"{op.__name__}: {difference}")
        worst = max(worst, error)
        first, *more = formula(op)
        print(f"{op.__name__:22} {error:9.1e}  {first}", *(f"{'':34}{line}" for line in more), sep="\n")
    print(f"{len(CHECKS)} ops; all derivatives agree with difference quotients to {worst:.0e}")


if __name__ == "__main__":
    console.run(main)
