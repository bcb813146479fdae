"""demos/tour.py: every number that it prints is computed here again, without numgan; its exercises can be solved."""

import doctest
import io
import itertools
import re
import runpy
import sys
import textwrap
from contextlib import redirect_stdout

import numpy as np
import pytest

from numgan import gradcheck
from numgan.tensor import from_op

from .proof.tape import from_op_replaced, name_of
from .scripts import ROOT, demo

TOUR = ROOT / "demos" / "tour.py"


def played(*arguments):
    """What the tour prints with these arguments."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setattr(sys, "argv", [str(TOUR), *map(str, arguments)])
        patch.syspath_prepend(str(TOUR.parent))
        runpy.run_path(str(TOUR), run_name="__main__")
    return printed.getvalue()


@pytest.fixture(scope="module")
def chapters():
    """Number -> page."""
    pages = re.split(r"^(\d)\. .*\n=+\n", played("--quick"), flags=re.MULTILINE)
    return dict(zip(map(int, pages[1::2]), pages[2::2], strict=True))


def numbers(text):
    """All numbers in a text."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?", text.replace(",", ""))]


def line(page, *beginning):
    """The numbers after the first line that begins like this."""
    (found, *_) = re.findall(rf"^ *{re.escape(' '.join(beginning))}(.*)$", page, re.MULTILINE)
    return numbers(found)


def outputs(page):
    """What the code on a page printed, as numbers, statement by statement."""
    printed = re.split(r"^    (?:>>>|\.\.\.).*\n", page, flags=re.MULTILINE)[1:]
    blocks = [block.partition("\n\n")[0] if block.startswith("    ") else "" for block in printed]
    return [numbers(block) for block in blocks if numbers(block)]


def table(page, name):
    """The matrix after "name =" on a page: the numbers in the brackets that stand below each other."""
    lines = page.splitlines()
    (top, *_) = [i for i, text in enumerate(lines) if f"{name} =  [" in text]
    left = lines[top].index(f"{name} =  [") + len(name) + 4
    rows = []
    for text in lines[top:]:
        if text[left:left + 1] != "[":
            break
        rows.append(numbers(text[left:text.index("]", left)]))
    return np.array(rows)


def slope(f, x):
    """f'(x) for a number, by the complex step."""
    return f(x + 1e-30j).imag / 1e-30


def exercise(page, *answers):
    """The program to be completed on a page, with these answers in place of its dots, run: what it printed, a number."""
    lines = page.partition("Your turn.")[2].partition("\n\n")[2].splitlines()
    code = textwrap.dedent("\n".join(itertools.takewhile(lambda text: text[:4].strip() == "", lines)))
    assert code.count("...") == len(answers)
    for answer in answers:
        code = code.replace("...", answer, 1)
    with redirect_stdout(io.StringIO()) as printed:
        exec(code, {"np": np, "gradcheck": gradcheck, "from_op": from_op})
    return float(printed.getvalue())


# ---- the numbers


def test_1_slopes_multiply(chapters):
    page, h = chapters[1], 0.001
    L = lambda w, x: (w * x) ** 2
    dw, dx, da = slope(lambda w: L(w, 3), 2), slope(lambda x: L(2, x), 3), slope(lambda a: a * a, 6)
    assert outputs(page) == [[dw, dx]]
    assert line(page, "da/dw = x")[:1] == [slope(lambda w: w * 3, 2)]
    assert line(page, "da/dw = x")[-3:] == [da, 3, dw]
    assert re.findall(r"= (\d+)", page.partition("L: 1")[2].partition("\n")[0]) == [f"{value:g}" for value in (da, dw, dx)]
    change = L(2 + h, 3) - L(2, 3)
    assert line(page, "a changes by") == [round(3 * h, 3), 3]
    assert line(page, "L changes by") == [round(change, 3), round(change / (3 * h), 3), round(change / h, 3)]


def test_2_paths_add_up(chapters):
    page, h, x, w = chapters[2], 0.001, 3, 2
    L = lambda first, second: first * w * second
    assert line(page, "only where a is computed", "      L changes by") == [round(L(x + h, x) - L(x, x), 6)]
    assert line(page, "only where L is computed", "      L changes by") == [round(L(x, x + h) - L(x, x), 6)]
    assert line(page, "in both places", "                L changes by") == [round(L(x + h, x + h) - L(x, x), 6)]
    first, second = slope(lambda t: L(t, x), x), slope(lambda t: L(x, t), x)
    assert line(page, "x → a → L")[-1] == first
    assert line(page, "x → L")[-1] == second
    assert line(page, "gradient of x")[:3] == [first, second, first + second]
    assert line(page, "gradient of x")[-1] == slope(lambda t: L(t, t), x)
    tree = [18, 1, x, 12, 6, slope(lambda a: a * x, 6), x, 12, w, slope(lambda w: x * w * x, w)]
    assert outputs(page)[0] == tree
    assert line(page, "a, gradient 3:")[-2:] == [6, 12]
    assert outputs(page)[1] == [2.0**20, 2**20]
    assert "1,048,576 paths" in page
    assert "takes 40 steps" in " ".join(page.split())


def test_3_a_vjp_is_the_jacobian_transposed_times_g(chapters):
    page, x, g = chapters[3], np.array([3, 5]), np.array([1, 2])
    J = np.array([[slope(lambda t: t * t, x[i]) if i == j else 0 for j in range(2)] for i in range(2)])
    assert np.array_equal(table(page, "J"), J)
    assert np.array_equal(table(page, "g"), g[:, None])
    assert np.array_equal(table(page, "Jᵀ g"), (J.T @ g)[:, None])
    assert outputs(page) == [[*(J.T @ g)]]
    n = 32 * 28 * 28 * 64
    text = " ".join(page.split())
    for expected in (f"{n:,} numbers", f"{n:,}² = {n * n:.2g}", f"{n * n * 4 / 1e12:.1f} TB", f"{n * 4 / 1e6:.1f} MB"):
        assert expected in text


def test_4_the_gradients_of_a_matrix_product(chapters):
    page = chapters[4]
    A, B, g = table(page, "A"), table(page, "B"), table(page, "g")
    by_hand = {"Y = A B": np.zeros((4, 2)), "dL/dA = g Bᵀ": np.zeros((4, 3)), "dL/dB = Aᵀ g": np.zeros((3, 2))}
    for i, j, k in np.ndindex(4, 2, 3):  # y[i, j] has the term A[i, k] B[k, j]
        by_hand["Y = A B"][i, j] += A[i, k] * B[k, j]
        by_hand["dL/dA = g Bᵀ"][i, k] += g[i, j] * B[k, j]
        by_hand["dL/dB = Aᵀ g"][k, j] += g[i, j] * A[i, k]
    for name, expected in by_hand.items():
        assert np.array_equal(table(page, name), expected)
    for name, array in {"A": A, "B": B, "g": g}.items():
        assert line(page, f">>> {name} = np.array(") == [*array.flat]
    assert "    True True\n" in page
    text = " ".join(page.split())
    assert "g is 4 × 2, B is 3 × 2, and dL/dA must be 4 × 3" in text
    factors = [(a, b) for one, other in ((g, B), (B, g)) for a in (one, one.T) for b in (other, other.T)]
    assert [(a @ b).shape for a, b in factors if a.shape[1] == b.shape[0]].count(A.shape) == 1  # "no other product"
    value = by_hand["dL/dA = g Bᵀ"][0, 1]
    assert f"{g[0, 0]:g} · {B[1, 0]:g} + {g[0, 1]:g} · {B[1, 1]:g} = {value:g}." in text
    assert f"changes L by {0.001 * value:.6f}." in text
    assert [numbers(text)[-1] for text in re.findall(r"slope with respect.*", page)] == [*B[1]]


def test_5_a_convolution_and_its_gradients(chapters):
    page = chapters[5]
    image, kernel, g = table(page, "image"), table(page, "kernel"), table(page, "g")
    y, dx, dw, counts = np.zeros((2, 2)), np.zeros((3, 3)), np.zeros((2, 2)), np.zeros((3, 3))
    rows, shares = np.zeros((4, 4)), np.zeros((4, 4))
    for i, j, a, b in np.ndindex(2, 2, 2, 2):
        y[i, j] += image[i + a, j + b] * kernel[a, b]
        dx[i + a, j + b] += g[i, j] * kernel[a, b]
        dw[a, b] += g[i, j] * image[i + a, j + b]
        counts[i + a, j + b] += 1
        rows[2 * i + j, 2 * a + b], shares[2 * i + j, 2 * a + b] = image[i + a, j + b], g[i, j] * kernel[a, b]
    for name, expected in {"y": y, "patches": rows, "g kernelᵀ": shares, "copies of each pixel": counts,
                           "patchesᵀ g": dw.reshape(4, 1),
                           "gradient of the image": dx, "· kernel": kernel.reshape(4, 1), "= y": y.reshape(4, 1)}.items():
        assert np.array_equal(table(page, name), expected), name
    assert [value for printed in outputs(page) for value in printed] == [*dx.flat, *dw.flat]
    assert np.array_equal(rows, rows.T)  # "patchesᵀ = patches"
    text = " ".join(page.split())
    terms = [f"{image[a, b]:g} · {kernel[a, b]:g}" for a, b in np.ndindex(2, 2)]
    assert f"y₁₁ = {' + '.join(terms)} = {y[0, 0]:g}." in text
    copies = [f"{share:g}" for share in shares[rows == image[1, 1]]]
    assert f"add up: {' + '.join(copies)} = {dx[1, 1]:g}." in text
    assert f"with gradient {dx[0, 0]:g}." in text


def test_6_batch_norm_and_its_two_missing_components(chapters):
    page = chapters[6]
    x, g = np.array(line(page, "x = (")[:5]), np.array(line(page, "g   "))
    mean = lambda v: sum(v) / 5
    normal = lambda v: (v - mean(v)) / np.sqrt(mean((v - mean(v)) ** 2))
    dx = np.array([(g * normal(x + 1e-30j * np.eye(5)[i])).sum().imag / 1e-30 for i in range(5)])
    sigma = np.sqrt(mean((x - mean(x)) ** 2))
    assert line(page, "x = (")[-2:] == [mean(x), round(sigma, 4)]
    close = dict(rtol=0, atol=0.0051)
    np.testing.assert_allclose(line(page, "y = (x - μ) / σ ="), normal(x), **close)
    assert line(page, "shift:")[1:] == line(page, "stretch:")[1:] == line(page, "y = (x - μ) / σ =")
    np.testing.assert_allclose(line(page, "- mean(g)"), -np.full(5, mean(g)), **close)
    np.testing.assert_allclose(line(page, "- x̂ · mean(g x̂)"), -normal(x) * mean(g * normal(x)), **close)
    np.testing.assert_allclose(line(page, "P g      "), dx * sigma, **close)
    np.testing.assert_allclose(line(page, "dL/dx = P g / σ"), dx, **close)
    assert "<x̂, x̂> = 5, the number" in " ".join(page.split())
    np.testing.assert_allclose(outputs(page)[0], dx, **close)
    assert "    True True\n" in page


def test_7_both_paths_step_by_step(chapters):
    page, scale, start = chapters[7], np.array([1, 50]), np.array([-9.0, 1.0])
    loss = lambda p: (scale * p * p).sum() / 2

    def sgd():
        p = start.copy()
        yield p
        for _ in range(60):
            p = p - 2 / 51 * scale * p
            yield p

    def adam(turn):
        c, s = np.cos(turn), np.sin(turn)
        R = np.array([[c, -s], [s, c]])
        p, m, v = R @ start, 0, 0
        yield R.T @ p
        for t in range(1, 61):
            g = R @ (scale * (R.T @ p))
            m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
            p = p - 0.5 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            yield R.T @ p

    by_sgd, by_adam, turned = (list(walk) for walk in (sgd(), adam(0), adam(np.pi / 4)))
    rows = [numbers(row) for row in re.findall(r"^ +\d+ +-?\d\.\d{3} .*$", page, re.MULTILINE)]
    assert [row[0] for row in rows] == [0, 1, 2, 5, 10, 20, 40, 60]
    for step, *printed in rows:
        expected = [value for walk in (by_sgd, by_adam) for p in [walk[int(step)]] for value in (*p, loss(p))]
        np.testing.assert_allclose(printed, expected, rtol=0.006, atol=0.00051)
    assert outputs(page)[0] == [round(value, 6) for value in by_adam[1]]
    text = " ".join(page.split())
    assert "lr = 2 / 51 = 0.0392" in text
    assert f"factors {1 - 2 / 51:.4f} and {1 - 100 / 51:.4f}" in text
    assert "lr and β1 are 0.5, which suits this valley, and β2 is 0.999" in text
    told = numbers(text.partition("Turn the valley")[2].partition("In the code")[0].replace(". ", " "))
    np.testing.assert_allclose(told[:4], [45, 60, loss(turned[-1]), loss(by_adam[-1])], rtol=0.05)
    np.testing.assert_allclose(told[4], loss(by_sgd[-1]), rtol=0.005)


def test_8_both_players_step_by_step(chapters):
    """With gradients by hand: the slope of -ln sigmoid(a) is sigmoid(a) - 1, that of -ln(1 - sigmoid(a)) is sigmoid(a)."""
    page, rng = chapters[8], np.random.default_rng(0)
    D = lambda x: 1 / (1 + np.exp(-(w * x + c)))
    draw = lambda: (rng.normal(2, 1, 1000), rng.normal(0, 1, 1000) + s)
    d_loss = lambda: (lambda real, fake: -np.log(D(real)).mean() - np.log(1 - D(fake)).mean())(*draw())
    g_loss = lambda: -np.log(D(rng.normal(0, 1, 1000) + s)).mean()
    s = w = c = 0.0

    def d_step():
        real, fake = draw()
        a, b = D(real) - 1, D(fake)
        return w - 0.3 * ((a * real).mean() + (b * fake).mean()), c - 0.3 * (a.mean() + b.mean())

    for _ in range(500):
        w, c = d_step()
    np.testing.assert_allclose(outputs(page)[0], [w, c], atol=0.0051)
    np.testing.assert_allclose([w, c], [2, -2], atol=0.03)  # the best D
    x = np.linspace(-3, 5, 9)
    np.testing.assert_allclose(np.exp(-(x - 2) ** 2 / 2) / np.exp(-(x**2) / 2), np.exp(2 * x - 2))  # p / q
    rows = []
    for _ in range(301):
        rows.append([s, w, d_loss(), g_loss()])
        w, c = d_step()
        s -= 0.3 * ((D(rng.normal(0, 1, 1000) + s) - 1) * w).mean()
    printed = [numbers(row) for row in re.findall(r"^ +\d+ +-?\d\.\d\d +-?\d\.\d\d .*$", page, re.MULTILINE)]
    assert [int(row[0]) for row in printed] == [0, 40, 80, 300]
    for step, *values in printed:
        np.testing.assert_allclose(values, rows[int(step)], atol=0.0051)
    assert rows[40][0] > 3 > 2 > rows[80][0]  # "gone too far", "comes back"
    assert rows[40][1] < 0
    text = " ".join(page.split())
    assert f"2 ln 2 = {2 * np.log(2):.3f} then, and G's is ln 2 = {np.log(2):.3f}." in text
    assert f"0 if p = 1, {np.log(2):.3g} if p = 0.5, {np.log(1000):.3g} if p = 0.001" in text


def test_9_the_vjps_that_are_kept_and_dropped():
    """Counted where ops hand them over, and the multiplications where matrices are multiplied."""
    kept, shapes = [], []

    def make(from_op):
        def watching(value, *inputs):
            y = from_op(value, *inputs)
            if y.parents:  # else a network is being built
                kept.append((len(inputs), len(y.parents)))
                for tensor, vjp in inputs:
                    if name_of(vjp) == "matmul":
                        shapes.append((tensor.requires_grad, inputs[0][0].shape, inputs[1][0].shape))
            return y
        return watching

    with from_op_replaced(make):
        page = played(9, "--only", "--quick")
    *graphs, last = [kept[i:i + 14] for i in range(0, len(kept), 14)]  # of 14 ops each
    assert len(graphs) == 3
    counts = [sum(count for _, count in graph) for graph in graphs]
    assert counts == [22, 21, 17] == [numbers(row)[0] for row in re.findall(r"^ +\d\d   (?:if|as) .*", page, re.MULTILINE)]
    assert sum(of for of, _ in last) == 22
    assert sum(count for _, count in last) == 17
    work = lambda which: sum(n * k * m for wanted, (n, k), (_, m) in which if wanted)
    walked, thawed = work(shapes[-8:]), work(shapes[8:16])
    text = " ".join(page.split())
    assert "for each of their 22 inputs" in text
    assert "the 17 vjps are the black lines, and the 4 dropped ones of D are dashed" in text
    assert f"Two of the {21 - 17} dropped vjps" in text
    assert f"taken {thawed - walked:,} multiplications, {(thawed - walked) / thawed:.0%} of" in text
    assert "unchanged, bit for bit" in text
    assert "    [True, True, True, True]\n    [False, False, False, False]\n" in page


# ---- the exercises


def test_softplus_can_be_written_after_chapter_3(chapters):
    assert exercise(chapters[3], "g * np.exp(X) / (1 + np.exp(X))") < 1e-6
    with pytest.raises(AssertionError, match="element"):
        exercise(chapters[3], "g / (1 + np.exp(X))")
    with pytest.raises(AssertionError, match="element"):
        exercise(chapters[3], "np.exp(X) / (1 + np.exp(X))")


def test_a_product_with_a_transpose_can_be_written_after_chapter_4(chapters):
    assert exercise(chapters[4], "g @ B", "g.T @ A") < 1e-6
    for wrong in ("g @ B.T", "A.T @ g"), ("g @ B", "g @ A"), ("g @ B", "A.T @ g"):
        with pytest.raises((AssertionError, ValueError, TypeError)):
            exercise(chapters[4], *wrong)


# ---- the pages


@pytest.mark.parametrize("chapter", range(1, 10))
def test_a_page_can_be_typed_from_its_top(chapters, chapter):
    """In a fresh interpreter, which knows none of the tour's names; it prints what the page says."""
    page = chapters[chapter].partition("Your turn.")[0]
    test = doctest.DocTestParser().get_doctest(page, {}, f"chapter {chapter}", str(TOUR), 0)
    assert test.examples
    with redirect_stdout(io.StringIO()) as report:
        results = doctest.DocTestRunner(verbose=False).run(test)
    assert results.failed == 0, report.getvalue()
    assert results.attempted == page.count(">>> ")


def test_a_page_fits_a_terminal_and_names_code_that_exists(chapters):
    assert list(chapters) == [*range(1, 10)]
    for number, page in chapters.items():
        assert max(map(len, page.splitlines())) <= 100
        assert len(page.strip().splitlines()) <= 55
        (where,) = re.findall(r"In the code: ([^`]*`.*(?:\n.+)*)", page)
        files = re.findall(r"numgan/[\w/]+\.py", where)
        assert files
        source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
        for name in re.findall(r"`(\w+)`", where):
            assert re.search(rf"(?:def|class) {name}\b", source), (number, name)


def test_no_line_ends_beside_a_sign_or_within_a_product_and_zero_has_no_sign(capsys):
    page = demo("tour_page.py")
    page["say"]("x " * 48 + "<g, dy> = 3")
    assert capsys.readouterr().out.splitlines()[1] == "<g, dy> = 3"
    page["session"]("for i in 0, 1:\n    print(i)\nprint(2)")
    assert " ".join(capsys.readouterr().out.split()) == ">>> for i in 0, 1: ... print(i) ... 0 1 >>> print(2) 2"
    assert page["row"]([-0.001, 1]) == "(0.00, 1.00)"


# ---- the script


def test_every_chapter_draws_its_picture_into_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **_: seen.append(figure) or path.touch())
    seen = []
    out = played("--out", tmp_path / "new")
    names = ["1-slopes", "2-paths", "3-vectors", "4-matmul", "5-im2col", "6-normalisation", "7-valley", "8-players",
             "9-frozen"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [f"{name}.png" for name in names]
    assert re.findall(r"The picture: (.*)", out) == [str(tmp_path / "new" / f"{name}.png") for name in names]
    texts = [{text.get_text() for axes in figure.axes for text in axes.texts} for figure in seen]
    assert {"dL/da = 12", "dL/dw = 36"} <= texts[0]
    assert {"× 6", "gradient 12", "gradient 16"} <= texts[1]
    assert {f"{value}" for value in (37, 47, 67, 77, 17, 11)} <= texts[4]
    assert {"D.1_Dense.w", "frozen", "bce_with_logits"} <= texts[8]
    styles = [edge.get_linestyle() for edge in seen[8].axes[0].lines]
    assert [styles.count("-"), styles.count("--")] == [17, 4]


def test_a_picture_is_a_png_file(tmp_path):
    played(5, "--only", "--out", tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == "5-im2col.png"
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.stat().st_size < 300_000


def test_where_it_starts_and_that_quick_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", None)  # closed: nobody to be asked
    titles = lambda *arguments: re.findall(r"^(\d)\. ", played(*arguments), re.MULTILINE)
    assert titles(6, "--quick") == ["6", "7", "8", "9"]
    assert titles(2, "--quick", "--only") == ["2"]
    assert list(tmp_path.iterdir()) == []


def test_its_folder_is_made_if_need_be_and_no_picture_stays_that_could_not_be_written_whole(script, tmp_path, monkeypatch):
    def full(figure, path):
        path.write_bytes(b"the first half")
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    status, _, error = script(TOUR, 5, "--only")
    assert (status, error.count("\n")) == (1, 1)
    assert [*(tmp_path / "runs" / "tour").iterdir()] == []


@pytest.mark.parametrize("chapter", ["0", "10", "one", "4.5"])
def test_a_chapter_that_does_not_exist(fails, chapter):
    fails(TOUR, chapter, mentions=("CHAPTER", "1 to 9", chapter))


def test_a_folder_that_cannot_be_one(fails, tmp_path):
    (tmp_path / "file").touch()
    fails(TOUR, "--out", tmp_path / "file", mentions=("file",))


@pytest.mark.parametrize(("typed", "last"), [("\n\n\n", "9"), ("\n", "7"), ("", "6")])
def test_at_a_terminal_enter_turns_the_page_and_the_end_of_input_ends_the_tour(typed, last, monkeypatch):
    terminal = io.StringIO(typed)
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    out = played(6, "--quick")
    assert re.findall(r"^(?:Enter.* )?(\d)\. ", out, re.MULTILINE)[-1] == last
    assert "Enter for chapter 7, Ctrl-C to stop" in out
    assert "Enter for chapter 10" not in out


def test_ctrl_c_at_the_end_of_a_page_says_how_to_go_on(script, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        isatty = lambda self: True

        def readline(self, *size):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Terminal())
    for chapter, options in (6, "--quick"), (5, f"--out {tmp_path}"):
        status, _, error = script(TOUR, chapter, *options.split())
        assert status == 130
        assert re.fullmatch(rf"\ngo on with: \S+ \S+tour.py {chapter + 1} {re.escape(options)}\n", error)
