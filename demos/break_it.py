"""One derivative of numgan is broken: find it. python demos/break_it.py --seed 3  (see --help)

The fault is planted into the running process: numgan's files stay as they are, and so does every other process.
"""

import argparse
import inspect
import sys
import textwrap

import numpy as np
from check_gradients import CHECKS
from faults import FAULTS, line_of

import numgan as ng
from numgan import InputError, Tensor, console, gradcheck
from numgan.console import SEED
from numgan.rewrite import rewritten

normal = np.random.default_rng(15).standard_normal
INPUTS = {
    "z": normal((3, 4)), "w1": normal((4, 8)), "gamma": normal(8), "beta": normal(8), "w2": normal((3, 3, 2, 2)),
    "b2": normal(2), "w3": normal((3, 3, 2, 3)), "v": normal((12, 1)), "length": normal((1, 1)),
}


def loss(z, w1, gamma, beta, w2, b2, w3, v, length):
    """What the generator of a GAN minimises: codes z (3, 4) -> one number."""
    # G draws images from codes
    h = ng.elu(ng.batch_norm(z @ w1, gamma, beta)[0])
    h = ng.upsample(ng.reshape(h, 3, 2, 2, 2))  # made of reshape and broadcast_to
    image = ng.tanh(ng.conv2d(h, w2) + b2)  # (3, 4, 4, 2)
    # D judges them
    h = ng.max_pool2d(ng.leaky_relu(ng.conv2d(image, w3)), 2)  # (3, 2, 2, 3)
    w4 = v * (length / ng.sqrt((v * v).sum(0, keepdims=True)))  # weight norm: w4 points as v does, and is that long
    logits = ng.reshape(h, 3, 12) @ w4
    return ng.bce_with_logits(logits, 1.0)


def ops_of(value):
    """The names of all ops that a Tensor was computed with, in the order of their first use."""
    return list(dict.fromkeys(tensor.op for tensor in value._history() if tensor.op))


def checked(f, *inputs):
    """Whether gradcheck finds the derivatives of f right, and what it says."""
    try:
        return True, f"right (error {gradcheck(f, *inputs):.0e})"
    except AssertionError as difference:
        return False, f"WRONG: {str(difference).removeprefix('gradcheck: ').partition(': error')[0]}"


def show(suspects):
    """The network, and gradcheck of the loss with respect to each of its inputs."""
    print("One derivative of numgan is broken now, in this process only. What this computes is right, its gradients are not:\n")
    print(inspect.getsource(loss))
    for name, array in INPUTS.items():
        def of_this_input(tensor, name=name):
            return loss(**{other: Tensor(a) for other, a in INPUTS.items()} | {name: tensor})
        print(f"d loss / d {name:7} {checked(of_this_input, array)[1].replace('input 0, ', '')}")
    print("\nThe gradient starts at the loss and flows back to every input. Which of them does it reach through the broken op?")
    print("An op that is used in several places is broken in all of them.")
    print(textwrap.fill(f"The ops, in the order of their first use: {', '.join(suspects)}", 120))


def guessed(name):
    """Check one op alone, and say what comes out. Whether it is the broken one."""
    right, said = checked(*CHECKS[getattr(ng, name)])
    print(f"{name}, checked alone, is {said}" + (": it is another one." if right else ""))
    return not right


def play(suspects):
    """Ask until the op is found or the reader gives up. Whether to show the line: not if the input ends (Ctrl-D)."""
    guesses = 0
    while True:
        try:
            name = input('\nWhich op is broken? (or "reveal") ').strip()
        except EOFError:
            print()
            return False
        if name == "reveal":
            return True
        if name not in suspects:
            print("This is none of the ops above.")
            continue
        guesses += 1
        if guessed(name):
            print(f"Found, with {guesses} {'guess' if guesses == 1 else 'guesses'}.")
            return True


def main():
    """Plant a fault, show what it does, and let the reader look for it."""
    parser = argparse.ArgumentParser(description="One derivative of numgan is broken, in this process only: find it.")
    parser.add_argument("--seed", type=SEED, default=0, help=f"which fault, of {len(FAULTS)}; default 0")
    parser.add_argument("--guess", metavar="OP", help="check this op alone; exit status 1 if it is not the broken one")
    parser.add_argument("--reveal", action="store_true", help="show the line that is broken")
    options = parser.parse_args()
    suspects = ops_of(loss(**{name: Tensor(array, requires_grad=True) for name, array in INPUTS.items()}))
    if options.guess not in (None, *suspects):
        raise InputError(f"--guess: expected one of {', '.join(suspects)}, got {options.guess!r:.40}")

    function, old, new = FAULTS[np.random.default_rng(7).permutation(len(FAULTS))[options.seed % len(FAULTS)]]
    path, number, line = line_of(function, old)
    found = options.reveal
    with rewritten(function, old, new):
        if options.guess:
            found |= guessed(options.guess)
        elif not options.reveal:
            show(suspects)
            if sys.stdin and sys.stdin.isatty():
                found = play(suspects)
            else:
                again = console.command(sys.argv[0], "--seed", options.seed)
                print(f"Check one op alone:  {again} --guess OP\nShow the line:       {again} --reveal")
    if found:
        print(f"\nnumgan/{path.name}, line {number}, in {function.__name__}:\n"
              f"  right    {line}\n  planted  {line.replace(old, new)}")
    elif options.guess:
        sys.exit(1)


if __name__ == "__main__":
    console.run(main)
