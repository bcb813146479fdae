"""Graphs as boxes: what is in them, their gradients, which ops a layer's box holds, and where they stand in a picture."""

import io
import re
import sys

import numpy as np
import pytest

import numgan as ng
from numgan import SGD, Dense, Layer, Parameter, Sequential, Tensor
from numgan import graph as graph_module
from numgan.games import DCGAN, VanillaGAN
from numgan.graph import graph, layout, print_graph
from numgan.plotting import draw_graph

from .errors import refused


def leaf(value):
    return Tensor(np.array(value, float), requires_grad=True)


def g_loss(game, n=4):
    """G's loss as in its step."""
    with game.discriminator.frozen():
        return game.losses.g_loss(game.discriminator(game.generator(game.latent(n))), None)


def minimal():
    return VanillaGAN(variant="minimal", rng=np.random.default_rng(0))


def small():
    return DCGAN(size=8, width=2, latent_dim=24, rng=np.random.default_rng(0))


def titles(boxes, *kinds):
    return [box.title for box in boxes if box.kind in kinds]


# ---- values and gradients


def test_the_example_in_the_docstring(capsys):
    x, w = leaf(3), leaf(2)
    print_graph((x * w) * x, x=x, w=w)
    shown = capsys.readouterr().out
    assert shown in re.sub(r"^    ", "", graph_module.__doc__, flags=re.MULTILINE)
    assert len(shown.splitlines()) == 5


def test_drawing_finds_the_gradients_of_backward_and_leaves_everything_as_it_was():
    x, w = leaf([[1, 2], [3, 4]]), leaf([[0.5, -1], [2, 0.1]])
    h = ng.tanh(x @ w)
    loss = (h * h + x).sum()
    boxes = graph(loss, x=x, w=w, h=h)
    assert x.grad is None
    loss.backward()
    H = np.tanh(x.data @ w.data)
    expected = {"x": 1 + (2 * H * (1 - H**2)) @ w.data.T, "w": x.data.T @ (2 * H * (1 - H**2)), "h = tanh": 2 * H}
    np.testing.assert_allclose(x.grad, expected["x"])
    np.testing.assert_allclose(w.grad, expected["w"])
    for box in boxes:
        if box.title in expected:
            (line,) = (text for text in box.text if text.startswith("gradient"))
            shown = np.array(re.findall(r"-?\d+\.?\d*", line), float).reshape(2, 2)
            np.testing.assert_allclose(shown, expected[box.title], rtol=1e-3)
    with refused("released"):
        graph(loss)


def test_a_gradient_is_the_sum_over_the_lines_down():
    """Of one number computed from others: local derivative times the gradient there; a value used twice has two."""
    x, w = leaf(0.7), leaf(-1.3)
    a = x * w
    boxes = graph(a * a + ng.exp(x) / w - a)
    gradient = {box: float(box.text[-1].removeprefix("gradient ")) for box in boxes}
    for box in boxes[:-1]:
        terms = [slope * gradient[user] for user in boxes for slope in user.inputs.get(box, ())]
        assert sum(terms) == pytest.approx(gradient[box], rel=2e-3, abs=2e-3)
    assert [len(slopes) for slopes in graph(a * a)[-1].inputs.values()] == [2]


@pytest.mark.parametrize(("array", "text"), [
    (np.array(1.23456), "1.235"), (np.array([1.0, -2]), "[1, -2]"), (np.eye(2), "[[1, 0], [0, 1]]"),
    (np.arange(6.0), "[0, 1, 2, 3, 4, 5]"),
    (np.full(7, 2.0), "norm 5.29"), (np.zeros((0, 3)), "[]"), (np.array([np.inf, np.nan]), "[inf, nan]")])
def test_an_array_in_a_few_characters(array, text):
    assert graph_module.shown(array) == text


def test_without_a_loss_or_when_told_there_are_no_gradients():
    x = leaf([1, 2, 3])
    for boxes in graph(x * 2), graph((x * 2).sum(), gradients=False), graph((x * 2).sum().detach()):
        assert not any("gradient" in text for box in boxes for text in box.text)
    assert graph(x * 2)[-1].text == ["(3,), [2, 4, 6]"]


def test_a_single_value_is_a_graph():
    assert [(box.title, box.kind, box.text) for box in graph(leaf(2), fold=True)] == [("leaf", "leaf", ["2", "gradient 1"])]


# ---- frozen parameters


def test_the_step_of_g_shows_every_op_and_d_in_grey():
    game = minimal()
    boxes = graph(g_loss(game), G=game.generator, D=game.discriminator)
    assert titles(boxes, "op") == ["matmul", "add", "relu", "matmul", "add", "tanh", "reshape", "reshape",
                                   "matmul", "add", "relu", "matmul", "add", "bce_with_logits"]
    assert titles(boxes, "leaf") == [f"G.{p.name}" for p in game.generator.parameters()]
    assert titles(boxes, "frozen") == [f"D.{p.name}" for p in game.discriminator.parameters()]
    assert [box.title for box in boxes if box.frozen] == titles(boxes, "frozen")
    assert all(box.text[-1] == "frozen" for box in boxes if box.frozen)
    loss = game.losses.g_loss(game.discriminator(game.generator(game.latent(4))), None)
    assert titles(graph(loss), "frozen") == []


def test_a_frozen_parameter_is_found_behind_its_reshape_and_a_reshaped_one_is_not_frozen():
    w, x = Parameter(np.ones((2, 2)), "w"), leaf([1, 2, 3, 4])
    assert titles(graph(w.reshape(4) * x), "frozen") == []
    w.frozen = 1
    assert titles(graph(w.reshape(4) * x), "frozen") == ["w"]


def test_a_view_of_a_view_of_a_parameter_has_one_line_to_it():
    w = Parameter(np.ones((2, 2)), "w")
    boxes = graph(w.reshape(4).reshape(2, 2) @ leaf([[1, 2], [3, 4]]))
    assert [[source.title for source in box.inputs] for box in boxes if box.title == "reshape"] == [["w"], ["reshape"]]


# ---- layers


def test_a_layer_is_a_box_with_the_ops_that_follow_it():
    game = small()
    boxes = graph(g_loss(game), G=game.generator, D=game.discriminator, fold=True)
    assert [(box.title, box.text[0]) for box in boxes] == [
        ("G.0_Dense", "matmul, add, leaky_relu"), ("G.2_BatchNorm", "batch_norm, reshape"),
        ("G.4_ResizeConv2D", "reshape ×5, matmul, transpose ×2, conv2d, add"), ("G.5_BatchNorm", "batch_norm, leaky_relu"),
        ("G.7_ResizeConv2D", "reshape ×5, matmul, transpose ×2, conv2d, add, tanh"),
        ("D.0_Conv2D", "conv2d, add, leaky_relu"), ("D.3_Conv2D", "conv2d, add, leaky_relu, reshape"),
        ("D.7_Dense", "matmul, add"), ("bce_with_logits", boxes[-1].text[0])]
    assert [box.frozen for box in boxes] == [False] * 5 + [True] * 3 + [False]
    assert [list(box.inputs) for box in boxes] == [[], *([box] for box in boxes[:-1])]
    assert [text for text in boxes[6].text if "frozen" in text] == ["w, b frozen"]
    assert [text.split(" norm")[0] for text in boxes[1].text if "gradient of" in text] == [
        "gradient of gamma", "gradient of beta"]


def test_folding_loses_no_value_and_holds_all_parameters_once():
    game = small()
    loss = game.losses.d_loss(*(game.discriminator(game.generator(game.latent(4))) for _ in range(2)), None)
    whole, folded = (graph(loss, fold=fold) for fold in (False, True))
    values = lambda boxes, kinds: sorted(v.born for box in boxes if box.kind in kinds for v in box.values)
    assert values(whole, ("op",)) == values(folded, ("op", "layer"))
    assert all(len(box.values) == 1 for box in whole)
    assert titles(folded, "op") == ["bce_with_logits", "bce_with_logits", "add", "mul"]
    used = [p for box in folded for p in box.parameters.values()]
    parameters = game.generator.parameters() + game.discriminator.parameters()
    assert all(used.count(p) == 2 for p in parameters)  # both networks run twice
    for boxes in whole, folded:
        for i, box in enumerate(boxes):
            assert all(source in boxes[:i] for source in box.inputs)


def test_large_graphs_are_folded_unless_told_otherwise():
    net = Sequential(*[Dense(2) for _ in range(11)], input_shape=(2,), rng=np.random.default_rng(0))
    ones = np.ones((1, 2), np.float32)
    loss = net(ones).sum()  # 22 ops, 22 parameters and the sum
    assert len(graph(loss)) == 12
    assert len(graph(loss, fold=False)) == 45
    assert len(graph(g_loss(minimal()))) == 22
    assert len(graph(g_loss(minimal()), fold=True)) == 5


def test_forty_boxes_are_not_folded_and_four_hundred_are_drawn():
    net = Sequential(*[Dense(2) for _ in range(10)], input_shape=(2,), rng=np.random.default_rng(0))
    y = net(np.ones((1, 2), np.float32))  # 20 ops and 20 parameters
    assert len(graph(y)) == 40
    assert len(graph(y.sum())) == 11
    y = leaf(1)
    for _ in range(399):
        y = ng.tanh(y)
    assert len(graph(y)) == 400
    with refused("at most 400 boxes", "401"):
        graph(ng.tanh(y))


def test_a_layer_is_grey_only_if_all_of_its_parameters_are_frozen():
    net = Sequential(Dense(2), input_shape=(2,), rng=np.random.default_rng(0), dtype=np.float64)
    for p, said, grey in zip(net.parameters(), ("w frozen", "w, b frozen"), (False, True), strict=True):
        p.requires_grad = False
        _, layer, _ = graph(net(leaf([[1, 2]])).sum(), fold=True)
        assert (layer.text[-1], layer.frozen) == (said, grey)


def test_a_number_that_a_parameter_makes_has_a_box_of_its_own():
    k = Parameter(np.array(3.0), "0_Scale.k")
    assert titles(graph(k * leaf(2), fold=True), "layer", "op") == ["mul"]


def test_a_box_that_is_used_on_a_way_around_it():
    """h reaches the sum directly, in its own layer's box, and through another layer."""
    class Around(Layer):
        def build(self, shape, rng, dtype):
            self.first, self.second = Dense(2), Dense(2)
            for layer in self.first, self.second:
                layer.build(shape, rng, dtype)

        def forward(self, x):
            h = self.first(x)
            other = self.second(h)
            return other + ng.tanh(h)

    net = Sequential(Around(), input_shape=(2,), rng=np.random.default_rng(0))
    boxes = graph(net(np.ones((1, 2), np.float32)).sum(), fold=True)
    assert [(box.title, list(box.parameters)) for box in boxes] == [
        ("0_Around.first", ["w", "b"]), ("0_Around.second", ["w", "b"]), ("add", []), ("sum", [])]
    assert boxes[0].text[0] == "matmul, add, tanh"
    assert list(boxes[2].inputs) == [boxes[1], boxes[0]]
    draw_graph(net(np.ones((1, 2), np.float32)).sum(), fold=True)


# ---- where the boxes stand


def test_every_line_goes_down_row_by_row_and_nothing_stands_in_its_way():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = [leaf(1.0), leaf(2.0), leaf(0.5)]
        for _ in range(12):
            a, b = (values[i] for i in rng.integers(len(values), size=2))
            values.append(a * b if rng.random() < 0.7 else ng.tanh(a))
        boxes = graph(values[-1] + values[-2] + values[-3])
        places, edges = layout(boxes)
        assert set(places) == set(boxes)
        assert set(edges) == {(source, box) for box in boxes for source in box.inputs}
        standing = list(places.values())
        for (source, box), points in edges.items():
            assert [points[0], points[-1]] == [places[source], places[box]]
            assert [row for _, row in points] == list(range(places[source][1], places[box][1] + 1))
            standing += points[1:-1]
        for i, (x, row) in enumerate(standing):
            assert all(abs(x - other) > 0.999 for other, same in standing[:i] if same == row)
        assert min(row for _, row in standing) == 0
        assert places[boxes[-1]][1] == max(row for _, row in standing)


def test_a_chain_stands_in_one_column():
    game = minimal()
    places, _ = layout(graph(g_loss(game)))
    assert {x for box, (x, _) in places.items() if box.kind == "op"} == {0}
    assert {x for box, (x, _) in places.items() if box.kind == "frozen"} == {1}


def test_the_picture_says_what_the_boxes_say_without_overlaps():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    game = small()
    x, w = leaf(3), leaf(2)
    a = x * w
    for tensor, options in (a * x + a, dict(x=x, w=w)), (g_loss(game), dict(D=game.discriminator)):
        figure, boxes = draw_graph(tensor, **options), graph(tensor, **options)
        (axes,) = figure.axes
        written = " ".join(text.get_text() for text in axes.texts)
        for box in boxes:
            assert all(line in written for line in [box.title, *box.text] if len(line) < 36)
        renderer = FigureCanvasAgg(figure).get_renderer()
        frames = [patch.get_window_extent(renderer) for patch in axes.patches]
        assert len(frames) == len(boxes)
        assert not any(one.overlaps(other) for i, one in enumerate(frames) for other in frames[:i])
        for text in axes.texts:
            extent = text.get_window_extent(renderer)
            assert 0 <= extent.x0 < extent.x1 <= figure.bbox.x1
            inside = [frame for frame in frames if frame.overlaps(extent)]
            assert text.get_text().startswith("×") or any(f.x0 < extent.x0 and extent.x1 < f.x1 for f in inside)
        assert {patch.get_facecolor()[:3] for patch, box in zip(axes.patches, boxes, strict=True) if box.frozen} <= {
            (13 * 17 / 255,) * 3}


def test_a_file_a_notebook_and_axes_of_ones_own(tmp_path):
    from matplotlib.figure import Figure
    x = leaf(3)
    figure = draw_graph(x * x, tmp_path / "new" / "graph.png", x=x)
    assert isinstance(figure, Figure)
    png = b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "new" / "graph.png").read_bytes()[:8] == png
    assert figure._repr_png_()[:8] == png
    axes = Figure().subplots()
    assert draw_graph(x * x, axes=axes) is axes.figure
    assert "× 3 + 3" in [text.get_text() for text in axes.texts]


# ---- what is printed


def test_a_shared_value_is_expanded_once_and_lines_fit(capsys):
    x = leaf(2)
    a = x * x
    print_graph(ng.tanh(a) + ng.exp(a), a=a)
    assert capsys.readouterr().out.count("see above") == 1
    game = small()
    print_graph(g_loss(game), G=game.generator, D=game.discriminator)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("─ " in text for text in lines) == 8  # every box but the first hangs on a branch
    assert ng.print_graph is print_graph
    deep = x
    for _ in range(40):
        deep = ng.tanh(deep)
    print_graph(deep)
    assert len(capsys.readouterr().out.splitlines()) == 41


# ---- what is refused


def test_a_console_without_the_lines_of_a_tree_shows_the_rest(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    print_graph(Tensor(np.ones(1), requires_grad=True) * 2.0)
    console.flush()
    assert console.buffer.getvalue().decode("cp1252").splitlines()[1].startswith("`- leaf")


def test_bad_input_gets_one_line():
    x, p = leaf(1), Parameter(np.ones(()))
    with refused("expected a Tensor", "ndarray"):
        graph(np.ones(2))
    with refused("expected a Tensor or a Layer as x", "float"):
        graph(x * 2, x=1.0)
    y = x
    for _ in range(2000):
        y = ng.tanh(y)
    with refused("at most 400 boxes", "2001"):
        draw_graph(y)
    y = ng.tanh(x)
    y.backward()
    with refused("released", "before"):
        print_graph(y)
    with refused("used already"):
        print_graph(y * 2)
    stale = p * x
    SGD([p], 0.1).minimize(p * 2.0)
    with refused("moved"):
        print_graph(stale)
