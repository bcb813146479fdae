"""The one error that numgan raises for bad input. This is the last module: now read the tests, from tests/proof/README.md."""


class InputError(ValueError):
    """Bad input. The message is one line, whatever the input holds: what was expected, what was given instead, and where.

    The scripts in `demos/` print it without a traceback. A mistake that NumPy reports itself, such as shapes that do not
    broadcast, keeps NumPy's exception. Any other exception is a bug in numgan and keeps its traceback.
    """

    def __init__(self, message):
        super().__init__("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message))
