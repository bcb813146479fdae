"""Every op and layer × every property."""

import pytest
from hypothesis import given

from .proof.cases import CASES
from .proof.properties import PROPERTIES, dot_product_identity


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda p: p.__name__)
def test_property(case, holds):
    if holds is dot_product_identity and not case.linear:
        return

    @given(case.examples)
    def check(example):
        holds(case, example)

    check()
