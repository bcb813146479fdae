"""What is random obeys its law: dropout, noise, first weights."""

import pytest

from .proof.laws import PROPERTIES


@pytest.mark.parametrize("law", PROPERTIES, ids=lambda law: law.__name__)
def test_law(law):
    law()
