"""How a mistake of the user's must end: in one line."""

import re
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
    assert unsaid(mentions, message) == [], message


def unsaid(mentions, message):
    """The mentions that are not in the message. pytest calls a test's folder after the test, so that its name says nothing."""
    words = re.sub(r"pytest-\d+[/\\]\w*", "", message)
    return [mention for mention in mentions if str(mention) not in (message if "pytest-" in str(mention) else words)]
