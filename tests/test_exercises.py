"""What demos/exercises.py promises: solutions that are exact, stubs that fail, and an answer's mistake named where it is."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from .scripts import ROOT

SCRIPT, SOLUTIONS = ROOT / "demos" / "exercises.py", ROOT / "demos" / "solutions.py"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(SCRIPT.parent))
    DEMO = runpy.run_path(str(SCRIPT))
EXERCISES = DEMO["exercises"]()
STUBS = DEMO["gaps"](SOLUTIONS.read_text(encoding="utf-8"))
GRADIENTS = [(name, gradient) for name, exercise in EXERCISES.items() for gradient in exercise.leaves]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The path of the reader's file in the current folder. It is not there yet."""
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    return Path("my_derivatives.py")


@pytest.fixture
def answered(mine, script):
    """A function that writes answers into an exercise's gaps, and checks it: (exit status, stdout)."""
    def run(name, *options, **changes):
        before, start, text = STUBS.partition(f"def {name}(")
        for gradient, formula in changes.items():
            assert f"    {gradient} = ...  # your turn\n" in text
            text = text.replace(f"    {gradient} = ...  # your turn\n", f"    {gradient} = {formula}\n", 1)
        mine.write_text(before + start + text, encoding="utf-8")
        status, out, error = script(SCRIPT, name, *options)
        assert error == ""
        return status, out
    return run


# ---- solutions and stubs


@pytest.mark.parametrize("name", EXERCISES)
def test_a_solution_agrees_with_the_engine_to_twelve_digits(name):
    exercise, rng = EXERCISES[name], np.random.default_rng(5)
    y, g, expected = DEMO["gradients"](exercise, rng.standard_normal)
    value, *got = runpy.run_path(str(SOLUTIONS))[name](*exercise.arguments, *([g] if y.ndim else []))
    np.testing.assert_allclose(value, y, rtol=1e-12)
    for gradient, (of, array) in zip(got, expected.items(), strict=True):
        assert gradient.dtype == array.dtype == np.float64
        assert np.abs(array).max() > 1e-3
        np.testing.assert_allclose(gradient, array, rtol=0, atol=1e-12 * np.abs(array).max(), err_msg=of)


def test_the_script_finds_the_solutions_exact(script, mine):
    status, out, error = script(SCRIPT, "--solutions")
    assert (status, error) == (0, "")
    rows = [line.split()[:3] for line in out.splitlines() if ", gradcheck" in line]
    assert rows == [[*of, "exact"] for of in GRADIENTS]
    assert all(float(error) <= 1e-12 for error in re.findall(r"error (\S+),", out))
    assert "\n8 of 8 exercises are right.\n" in out
    assert not mine.exists()


def test_the_first_run_makes_the_stubs_and_every_exercise_fails(script, mine):
    status, out, error = script(SCRIPT)
    assert (status, error) == (1, "")
    assert mine.read_text(encoding="utf-8") == STUBS
    lines = STUBS.splitlines()
    for name, gradient in GRADIENTS:
        row = next(line for line in out.splitlines() if line.split()[:2] == [name, gradient])
        number = re.search(r"not written yet +my_derivatives\.py, line (\d+)$", row)[1]
        assert lines[int(number) - 1] == f"    {gradient} = ...  # your turn"
        assert max(i for i, line in enumerate(lines[:int(number)]) if line.startswith("def ")) == lines.index(
            next(line for line in lines if line.startswith(f"def {name}(")))
    assert "Made my_derivatives.py" in out
    assert "0 of 8 exercises are right.\nNext: softplus." in out


@pytest.mark.parametrize("name", EXERCISES)
def test_every_stub_fails_alone(script, mine, name):
    status, out, _ = script(SCRIPT, name)
    assert status == 1
    assert out.count("not written yet") == len(EXERCISES[name].leaves)
    assert "0 of 1 " in out


def test_a_stub_is_its_solution_without_what_the_reader_writes():
    solved = SOLUTIONS.read_text(encoding="utf-8")
    assert STUBS.count(" = ...  # your turn\n") == len(GRADIENTS)
    assert "# done" not in STUBS
    for found in re.finditer(r"# your turn: (.*)\n((?:.*\n)*?)    # done\n", solved):
        assert all(f"    {name} = " in found[2] for name in found[1].split(", "))
        assert found[2] not in STUBS
    inserted = [line for line in STUBS.splitlines() if line not in solved.splitlines()]
    assert all(line.endswith(" = ...  # your turn") for line in inserted)


def test_what_the_reader_wrote_is_never_overwritten(script, mine):
    for text in ("", "def softplus(x, g):\n    return x, g\n", STUBS + "# mine"):
        mine.write_text(text, encoding="utf-8")
        assert script(SCRIPT)[0] == 1
        assert mine.read_text(encoding="utf-8") == text


# ---- wrong answers


@pytest.mark.parametrize(("name", "gradient", "formula", "says"), [
    ("softplus", "dx", "-g / (1 + np.exp(-x))", "sign"),
    ("softplus", "dx", "1 / (1 + np.exp(-x))", "if all of g were 1"),
    ("softplus", "dx", "g * 0", "Every element of yours is 0"),
    ("softplus", "dx", "g * (x > 0)", "15 of 15"),
    ("matmul", "dw", "x.T @ g / len(g)", "0.2 times"),
    ("row_max", "dx", "(x == y[:, None]) * g[:, None]", "2 of 15"),
    ("softmax_cross_entropy", "dx", "p - np.eye(3)[labels]", "5 times"),
    ("conv2d", "dw", "np.ones(w.shape)", "72 of 72"),
    ("batch_norm", "dx", "gamma / sigma * (g - g.mean(0))", "15 of 15"),
    ("batch_norm", "dgamma", "g.mean(0)", "3 of 3"),
    ("batch_norm", "dx", "gamma / sigma * (g - g.mean(0) - xhat * (g * xhat).sum(0) / (xhat * xhat).sum(0))", "nearly right"),
    ("d_loss", "dfake", "1 / (1 + np.exp(-fake)) / len(real)", "0.6 times"),
    ("d_loss", "dreal", "1 / (1 + np.exp(real)) / len(real)", "sign"),
    ("g_step", "dlogits", "-1 / (1 + np.exp(logits))", "5 times"),
    ("g_step", "db", "w.sum(0)", "4 of 4")])
def test_a_wrong_answer_names_its_first_wrong_element(answered, name, gradient, formula, says):
    status, out = answered(name, **{gradient: formula})
    assert status == 1
    row = next(line for line in out.splitlines() if line.split()[:3] == [name, gradient, "wrong"])
    index, wanted, got = re.search(r"(\[[\d, ]+\]): expected (\S+), got (\S+)$", row).groups()
    _, _, expected = DEMO["gradients"](EXERCISES[name], np.random.default_rng(1).standard_normal)
    first = tuple(eval(index))
    assert float(wanted) == pytest.approx(expected[gradient][first], rel=1e-9)
    assert float(got) != pytest.approx(float(wanted), rel=1e-6)
    assert says in " ".join(out.split())


def test_the_first_wrong_element_is_the_first_in_reading_order(answered):
    spoiled = "x.T @ g; dw[1, 2] += 1e-3; dw[2, 0] += 1"
    assert "dw[1, 2]: expected" in answered("matmul", dw=spoiled)[1]
    assert "2 of 12 elements" in answered("matmul", dw=spoiled)[1]


@pytest.mark.parametrize(("name", "gradient", "formula", "says"), [
    ("matmul", "dw", "(x.T @ g).T", "shape (4, 3): expected a float64 array of shape (3, 4) Yours is its transpose."),
    ("batch_norm", "dbeta", "g", "Summed over the first axis it is right"),
    ("matmul", "dx", "None", "dx is of type NoneType: expected a float64 array of shape (5, 3)"),
    ("matmul", "dx", "[[1.0]]", "of type list"), ("matmul", "dx", "3.0", "shape ()"),
    ("matmul", "dx", "(g @ w.T).astype(np.float32)", "dtype float32"), ("matmul", "dx", "x.astype(int)", "dtype int64"),
    ("matmul", "dx", "x + 1j", "dtype complex128"),
    ("matmul", "dx", "g @ w.T; dx[2, 1] = np.nan", "dx[2, 1] is nan"),
    ("matmul", "dx", "w @ g", "`dx = w @ g`: ValueError"), ("matmul", "dx", "1 / 0", "ZeroDivisionError"),
    ("matmul", "dx", "exit()", "SystemExit"), ("matmul", "dx", "unknown", "NameError"),
    ("matmul", "y", None, "y is not what it was"), ("matmul", "return", "return y", "return y, dx, dw. It returned ndarray"),
    ("matmul", "return", "return y, dx", "It returned 2 values"), ("matmul", "return", "pass", "It returned NoneType"),
    ("matmul", "def", "def other(", "no such function"), ("matmul", "def", "matmul = 3\n\n\ndef other(", "no such function")])
def test_whatever_the_reader_returns_or_raises_is_explained(script, mine, name, gradient, formula, says):
    rewritten = {"y": ("    y = x @ w\n", "    y = x @ w * 2\n"), "return": ("    return y, dx, dw\n", f"    {formula}\n"),
                 "def": (f"def {name}(", formula)}
    before, start, after = STUBS.partition(f"def {name}(")
    old, new = rewritten.get(gradient, (f"    {gradient} = ...  # your turn\n", f"    {gradient} = {formula}\n"))
    assert old in start + after
    mine.write_text(before + (start + after).replace(old, new, 1), encoding="utf-8")
    status, out, error = script(SCRIPT, name)
    assert (status, error) == (1, "")
    assert says in " ".join(out.split())


def test_an_exception_names_its_line(answered, mine):
    _, out = answered("matmul", dw="(w @\n          g)")
    number = mine.read_text(encoding="utf-8").splitlines().index("    dw = (w @") + 1
    assert f"line {number}, `dw = (w @`: ValueError" in out
    assert "The shapes of its arguments: x (5, 3), w (3, 4), g (5, 4)" in out


def test_a_difference_quotient_is_close_and_counts_as_right(answered):
    status, out = answered("softplus", dx="g * (np.log(1 + np.exp(x + 1e-4)) - np.log(1 + np.exp(x - 1e-4))) / 2e-4")
    assert status == 0
    assert out.split()[:3] == ["softplus", "dx", "close"]
    assert "a difference quotient" in out
    assert "1 of 1 " in out


def test_what_is_written_is_judged_while_the_rest_is_not(answered):
    status, out = answered("g_step", dlogits="-1 / (1 + np.exp(logits)) / logits.size")
    assert status == 1
    assert [line.split()[2] for line in out.splitlines() if line.startswith("g_step")] == ["exact", "not", "not", "not"]


def test_what_follows_from_a_wrong_gradient_says_so(answered):
    """Each wrong gradient is blamed on the one that it was computed from, unless that is right."""
    solution = SOLUTIONS.read_text(encoding="utf-8").partition("# your turn: dlogits")[2]
    lines = {line.split(" = ")[0].strip(): line.split(" = ")[1] for line in solution.splitlines() if " = " in line}
    dfake = lines["dfake"].replace("dhidden", f"({lines['dhidden']})")
    dw = f"(before := {lines['before_tanh']}, {lines['dw'].replace('before_tanh', 'before')})[1]"
    changes = {"dlogits": lines["dlogits"], "dfake": dfake, "dw": dw, "db": "before.sum(axis=0)"}
    blamed = lambda **wrong: re.findall(r"(\w+) follows from (\w+): repair", answered("g_step", **changes | wrong)[1])
    assert blamed() == []
    assert blamed(dlogits="1 + logits") == [("dfake", "dlogits"), ("dw", "dfake"), ("db", "dfake")]
    assert blamed(dfake=f"2 * {dfake}") == [("dw", "dfake"), ("db", "dfake")]
    assert blamed(dw="0 * w") == []
    assert blamed(dfake=f"2 * {dfake}", db="before.sum()") == [("dw", "dfake")], "a wrong shape is db's own fault"


def test_a_hint_is_shown_if_it_is_asked_for(answered):
    assert "Hint" not in answered("matmul", dx="g @ w")[1]
    assert "Hint: x[i, l] reaches all of row i of y" in answered("matmul", "--hint", dx="g @ w")[1]


def test_an_answer_may_change_its_arguments(answered):
    status, out = answered("matmul", dx="g @ w.T", dw="x.T @ g; x[:] = w[:] = g[:] = 0")
    assert (status, out.count("exact")) == (0, 2)


# ---- what the script refuses


@pytest.mark.parametrize(("text", "says"), [
    (b"x = = 1\n", ["line 1, `x = = 1`: SyntaxError"]), (b"import numpy\nimport nunpy\n", ["line 2", "ModuleNotFoundError"]),
    (b"raise ValueError('two\\nlines')\n", ["line 1", "ValueError: two lines"]), (b"\xff\n", ["my_derivatives.py"]),
    (b"a\0b", ["my_derivatives.py"]), (b"def f():\nreturn", ["IndentationError"]), (b"exit()\n", ["SystemExit"])])
def test_a_file_that_does_not_run_ends_in_one_line(fails, text, says):
    Path("my_derivatives.py").write_bytes(text)
    fails(SCRIPT, mentions=["my_derivatives.py", *says])


def test_an_unknown_exercise_or_a_folder_in_the_way_ends_in_one_line(fails):
    fails(SCRIPT, "softplus", "max", mentions=["softplus, matmul", "'max'"])
    Path("my_derivatives.py").mkdir()
    fails(SCRIPT, mentions=["my_derivatives.py"])
