"""What is shown of a run, and what stands behind it: every property of proof/shown.py."""

import pytest

from .proof.shown import PROPERTIES


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_property(holds):
    holds()
