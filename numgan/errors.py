"""The one error that numgan raises when what it was given does not fit."""


class InputError(ValueError):
    """Bad input: one line that says what was expected, what came, and where.

    The scripts in `demos/` print it without a traceback. Every other exception is a bug of ours and stays loud.
    """
