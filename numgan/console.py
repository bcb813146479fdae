"""How scripts talk to their user: any console, closed pipes, Ctrl-C, one-line errors, and types that check options.

Read memory.py next.
"""

import argparse
import codecs
import os
import shlex
import signal
import subprocess
import sys
import threading
import unicodedata
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

SPELLED = {"β": "beta", "γ": "gamma", "η": "eta", "θ": "theta", "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma", "φ": "phi",
           "Σ": "sum ", "Ω": "Omega", "∂": "d", "√": "sqrt ", "∞": "inf", "…": "...", "×": "x", "·": "*", "⋆": "*", "−": "-",
           "–": "-", "±": "+-", "≤": "<=", "≥": ">=", "→": "->", "↦": "->", "←": "<-", "’": "'", "′": "'", "″": "''", "‖": "||",
           "⟨": "<", "⟩": ">", "ᵀ": "T", "ˣ": "^x", "⁻": "^-", "├": "|", "└": "`", "│": "|", "─": "-"}


def spell(error):
    """An error handler for encoders: what a console cannot show, in characters that it can (σ as sigma, ² as 2, ü as u)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = []
    for letter in error.object[error.start:error.end]:
        plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        accent = unicodedata.combining(letter)
        letters.append(SPELLED.get(letter) or plain or ("" if accent else "?"))
    return "".join(letters), error.end


codecs.register_error("numgan.spell", spell)


def run(main, stopped="stopped"):
    """Run a script's `main`, and leave as a script should: with one line for a mistake, and never a traceback for it.

    InputError, and what a machine may lack (memory, disk, a finite number), end with status 1 and one line on standard error;
    Ctrl-C, SIGTERM or SIGHUP with 130 and the text of the KeyboardInterrupt, or `stopped`; a reader that went away (`| head`)
    with 141.
    """
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}  # the same files everywhere, and no windows
    if os.path.exists("matplotlibrc"):  # matplotlib prefers that in the current folder
        import matplotlib
        matplotlib.rcdefaults()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller: `2>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="numgan.spell")
    name = os.path.basename(sys.argv[0])
    try:
        try:
            with interrupted_by(signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):  # Windows has no SIGHUP
                main()
        except SystemExit:  # argparse's, after --help
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(141)
    except KeyboardInterrupt as stop:
        print(stop if str(stop) else stopped, file=sys.stderr)
        sys.exit(130)
    except (InputError, FloatingPointError, MemoryError, OSError) as error:
        sys.exit(f"{name}: error: {' '.join(str(error).split()) or type(error).__name__}")
    finally:
        _drop_what_cannot_be_printed()


def _drop_what_cannot_be_printed():
    """At its exit, Python would try once more, complain, and change the status."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def interrupted_by(*numbers):
    """In this block, these signals raise KeyboardInterrupt, so that nothing half-written stays.

    Those that are ignored or have a handler are left alone, and all of them outside the main thread.
    """
    here = threading.current_thread() is threading.main_thread()
    usual = [number for number in numbers if here and signal.getsignal(number) is signal.SIG_DFL]
    for number in usual:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def command(*words):
    """A command of this Python as text that can be pasted into a shell: command("demos/x.py", "--out", "a b")."""
    return pasted(sys.executable, *words)


def pasted(*words):
    """Words as text that can be pasted into a shell: quoted where they need it, and as Windows wants it there."""
    words = [str(word) for word in words]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


# ---- options: one checked type for each kind


def whole(least=1, most=10**9):
    """A type for argparse: whole numbers from `least` to `most`."""
    def number(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most:,}, got {text!r:.40}")
        return value
    return number


SEED = whole(0, 2**32 - 1)


def folder(text):
    """A type for argparse: the path of a folder that can be written to, or made."""
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got ''")
    path = Path(text)
    check_writable(path)
    return path


def file(*suffixes):
    """A type for argparse: the path of a file that can be written, ends in one of these suffixes, and is not a checkpoint.

    A default that is text is checked as well.
    """
    from .checkpoint import is_checkpoint  # slow to import

    def path(text):
        if not text.endswith(suffixes) or Path(text).suffix not in suffixes or os.path.isdir(text):
            raise argparse.ArgumentTypeError(f"expected a file whose name ends in {' or '.join(suffixes)}, got {text!r:.200}")
        if is_checkpoint(text):
            raise argparse.ArgumentTypeError(f"expected a file that may be replaced, got the checkpoint {text!r:.200}")
        check_writable(Path(text).parent)
        return Path(text)
    return path


def check_writable(folder):
    """ArgumentTypeError unless this folder, or the last one on its path that exists, can be written to."""
    folder = folder.absolute()
    last = next((path for path in (folder, *folder.parents) if path.exists()), folder)  # a Windows drive may be missing
    if not (last.is_dir() and os.access(last, os.W_OK)):
        raise argparse.ArgumentTypeError(f"expected a folder that can be written to, got {str(last)!r:.200}")
