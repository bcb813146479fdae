"""What demos/break_it.py promises: one broken derivative per seed, which can be found by gradcheck, and only there."""

import importlib
import io

import numpy as np
import pytest

import numgan as ng
from numgan import Tensor
from numgan.rewrite import rewritten

from .scripts import ROOT

SCRIPT = ROOT / "demos" / "break_it.py"


@pytest.fixture(autouse=True)
def demos(monkeypatch):
    """The scripts find each other."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))


@pytest.fixture
def demo():
    return importlib.import_module("break_it")


@pytest.fixture
def faults():
    return importlib.import_module("faults")


@pytest.fixture
def planted(demo, faults):
    """A function that tells a seed's fault: (function, old, new)."""
    order = np.random.default_rng(7).permutation(len(faults.FAULTS))
    return lambda seed: faults.FAULTS[order[seed]]


def gradients(f, inputs):
    """f's value, and its gradients for an upstream gradient that is not all ones."""
    leaves = [Tensor(np.asarray(x), requires_grad=True) for x in inputs]
    y = f(*leaves)
    y.backward(np.random.default_rng(2).standard_normal(y.shape))
    return y.data, [leaf.grad for leaf in leaves]


def differ(one, other):
    return [not np.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(one, other, strict=True)]


def test_every_fault_reaches_a_gradient_and_breaks_one_op_alone(demo, faults):
    network = demo.loss, list(demo.INPUTS.values())
    leaves = {name: Tensor(array, requires_grad=True) for name, array in demo.INPUTS.items()}
    suspects = {name: demo.CHECKS[getattr(ng, name)] for name in demo.ops_of(demo.loss(**leaves))}
    loss, right = gradients(*network)
    alone = {name: gradients(f, inputs)[1] for name, (f, *inputs) in suspects.items()}
    for f, *inputs in suspects.values():
        assert demo.checked(f, *inputs)[0]
    for function, old, new in faults.FAULTS:
        code = function.__code__
        with rewritten(function, old, new):
            value, wrong = gradients(*network)
            broken = [name for name, (f, *inputs) in suspects.items() if any(differ(gradients(f, inputs)[1], alone[name]))]
            assert not demo.checked(*suspects[function.__name__])[0], new
        assert value == loss  # the function is right, its derivative is not
        assert any(differ(wrong, right)), new
        assert broken == [function.__name__], new
        assert function.__code__ is code


def test_a_default_value_can_be_rewritten_too():
    def power(x, exponent=2, *, factor=3):
        return factor * x**exponent

    with rewritten(power, "exponent=2, *, factor=3", "exponent=1, *, factor=5"):
        assert power(4) == 20
    assert power(4) == 48


def test_a_function_is_itself_again_after_an_exception_and_a_fault_without_a_place_is_named():
    def double(x):
        return 2 * x

    with pytest.raises(KeyError), rewritten(double, "2 * x", "3 * x"):
        raise KeyError(double(1))
    assert double(1) == 2
    with pytest.raises(LookupError, match="double no longer contains '4 x'"), rewritten(double, "4 x", "3 x"):
        pass


def test_each_op_of_the_network_has_its_faults(demo, faults):
    leaves = {name: Tensor(array, requires_grad=True) for name, array in demo.INPUTS.items()}
    assert {function.__name__ for function, _, _ in faults.FAULTS} == set(demo.ops_of(demo.loss(**leaves)))


def test_the_game_shows_failing_gradchecks_and_neither_op_nor_line(script, demo, planted):
    status, out, error = script(SCRIPT, "--seed", 1)
    function, _, new = planted(1)
    assert (status, error) == (0, "")
    rows = {line.split()[4]: line.split()[5] for line in out.splitlines() if line.startswith("d loss / d ")}
    before_the_fault = {"z", "w1", "gamma", "beta", "w2", "b2"}
    assert function is ng.tanh
    assert rows == {name: "WRONG:" if name in before_the_fault else "right" for name in demo.INPUTS}
    assert "backward gives" in out
    assert new not in out
    assert out.count("tanh") == 2  # in the network, and among the ops
    assert ["--seed 1 --guess OP\n" in out, "--seed 1 --reveal\n" in out] == [True, True]


def test_a_wrong_guess_ends_with_status_1_and_does_not_show_the_line(script, planted):
    status, out, _ = script(SCRIPT, "--seed", 1, "--guess", "conv2d")
    assert status == 1
    assert "conv2d, checked alone, is right" in out
    assert planted(1)[2] not in out


@pytest.mark.parametrize("options", [("--guess", "tanh"), ("--reveal",), ("--guess", "conv2d", "--reveal")])
def test_a_right_guess_and_reveal_show_the_line_as_it_stands_in_the_file(script, planted, options):
    status, out, _ = script(SCRIPT, "--seed", 1, *options)
    _, old, new = planted(1)
    assert status == 0
    number = int(out.partition("numgan/ops.py, line ")[2].partition(",")[0])
    line = (ROOT / "numgan" / "ops.py").read_text(encoding="utf-8").splitlines()[number - 1].strip()
    assert old in line
    assert f"right    {line}\n" in out
    assert f"planted  {line.replace(old, new)}\n" in out
    assert ng.gradcheck(ng.tanh, np.array([0.5, -1.0])) < 1e-9  # repaired


def test_the_first_seeds_are_all_different_and_the_same_each_time(script, faults):
    lines = [script(SCRIPT, "--seed", seed, "--reveal")[1] for seed in range(len(faults.FAULTS))]
    assert len(set(lines)) == len(faults.FAULTS) >= 30
    assert script(SCRIPT, "--seed", len(faults.FAULTS), "--reveal")[1] == lines[0]


@pytest.mark.parametrize(("typed", "says", "shown"), [
    ("conv2d\nnonsense\ntanh\n", ["conv2d, checked alone, is right", "none of the ops", "Found, with 2 guesses."], True),
    ("reveal\n", [], True), (" tanh \n", ["Found, with 1 guess."], True),
    ("leaky_relu\n", ["leaky_relu, checked alone, is right"], False)])
def test_at_a_terminal_it_asks_until_the_op_is_found(script, monkeypatch, planted, typed, says, shown):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal(typed))
    status, out, error = script(SCRIPT, "--seed", 1)
    assert (status, error) == (0, "")
    assert [word for word in says if word not in out] == []
    assert (planted(1)[2] in out) is shown


def test_without_standard_input_it_does_not_ask(script, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    status, out, error = script(SCRIPT, "--seed", 1)
    assert (status, error) == (0, "")
    assert "Which op is broken?" not in out


def test_an_op_that_is_not_there_ends_in_one_line(fails):
    fails(SCRIPT, "--guess", "tan", mentions=["matmul, batch_norm", "'tan'"])
    fails(SCRIPT, "--seed", "-1", mentions=["-1"])
