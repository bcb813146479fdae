"""The one error that numgan raises for bad input."""


class InputError(ValueError):
    """Bad input. The message is one line: what was expected, what was given instead, and where.

    The scripts in `demos/` print it without a traceback. Any other exception is a bug in numgan and keeps its traceback.
    """
