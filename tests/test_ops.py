"""Every op and layer × every property."""

import copy
import inspect
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given

from numgan import embedding, layers, residual
from numgan.network import Layer, Sequential

from .proof import properties
from .proof.cases import CASES
from .proof.edges import EDGES, SMOOTH
from .proof.laws import RANDOM
from .proof.mutants import all_vjps
from .proof.properties import PROPERTIES, NotChecked, demand, properties_of
from .proof.registry import drawn

CHECKS = [(holds, case) for holds in PROPERTIES for case in CASES.values() if holds in properties_of(case)]


@pytest.mark.parametrize(("holds", "case"), CHECKS, ids=lambda value: getattr(value, "__name__", None) or value.name)
def test_property(holds, case):
    try:
        demand(holds, case)
    except Exception:
        @given(case.examples)
        def smallest(example):
            with suppress(NotChecked):
                holds(case, example)

        smallest()  # Hypothesis finds the fault once more, and the smallest example of it
        raise


def test_every_layer_of_the_package_has_cases_and_every_random_one_a_law():
    concrete = {name: layer for name, layer in (vars(layers) | vars(residual) | vars(embedding)).items()
                if inspect.isclass(layer) and issubclass(layer, Layer) and layer not in (Layer, Sequential, layers.Linear)}
    assert {name.partition(" ")[0] for name in CASES if name[0].isupper()} == set(concrete)
    assert {name for name, layer in concrete.items() if "self.rng" in inspect.getsource(layer)} == RANDOM


def test_every_op_has_its_edges_written_down_or_has_none():
    ops, with_edges = {op for op, _ in all_vjps()}, {edge.op for edge in EDGES}
    assert with_edges & SMOOTH == set()
    assert ops <= with_edges | SMOOTH <= set(CASES)


def is_linear(case, i):
    """Whether, in every example, 2u - 3v as input i makes the reference's value 2y(u) - 3y(v)."""
    for example in drawn(case.name):
        u = example.inputs[i]
        v = np.random.default_rng(0).standard_normal(u.shape)
        inputs = [[*example.inputs[:i], x, *example.inputs[i + 1:]] for x in (u, v, 2 * u - 3 * v)]
        y_u, y_v, y = (case.reference(*arrays, **copy.deepcopy(example.options)) for arrays in inputs)
        if not np.allclose(y, 2 * y_u - 3 * y_v, rtol=1e-9, atol=1e-9):
            return False
    return True


def test_what_is_linear_is_declared_to_be_so_that_the_dot_product_identity_is_demanded():
    for case in CASES.values():
        linear = tuple(i for i in range(min(len(e.inputs) for e in drawn(case.name))) if is_linear(case, i))
        assert case.linear == (linear if case.name != "batch_norm" else (1,)), case.name  # in gamma, up to beta


def test_every_property_that_is_written_is_checked():
    written = [f for f in vars(properties).values() if inspect.isfunction(f) and list(inspect.signature(f).parameters) == [
        "case", "example"]]
    assert set(written) == set(PROPERTIES)
