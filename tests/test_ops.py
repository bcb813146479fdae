"""Every op and layer × every property."""

from contextlib import suppress

import pytest
from hypothesis import given

from .proof.cases import CASES
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
