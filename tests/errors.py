"""How a mistake of the user's must end: in one line."""

from contextlib import contextmanager

import pytest

from numgan import InputError


@contextmanager
def refused(*mentions, error=InputError):
    """The block raises `error`, in one line that says all of `mentions`."""
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    assert [mention for mention in mentions if str(mention) not in message] == [], message
