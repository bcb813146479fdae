"""Every op and layer × every property."""

import inspect
from contextlib import suppress

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


def test_every_property_that_is_written_is_checked():
    written = [f for f in vars(properties).values() if inspect.isfunction(f) and list(inspect.signature(f).parameters) == [
        "case", "example"]]
    assert set(written) == set(PROPERTIES)
