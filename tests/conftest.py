"""Profiles of Hypothesis, one BLAS thread, and the table that pytest ends with.

pytest                                  the default profile: the same examples every time
pytest --hypothesis-profile=dev         quick, while you write
pytest --hypothesis-profile=thorough    1,000 random examples each, full Jacobians
"""

import gc
import os
import signal
import warnings

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # the arrays here are small; must be set before NumPy is first imported

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from .digits import fake
from .proof.report import REPORT
from .runs import digits, finished, grey_houses, undrawn
from .scripts import fails, pages, script, some_digits
from .second_process import pytest_runtestloop

COMMON = dict(deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("dev", max_examples=15, **COMMON)
settings.register_profile("default", max_examples=25, derandomize=True, database=None, **COMMON)
settings.register_profile("thorough", max_examples=1000, database=None, **COMMON)
settings.load_profile("default")

ComplexWarning = getattr(np, "exceptions", np).ComplexWarning


def pytest_configure(config):
    """A reference that drops an imaginary part would compute a wrong derivative: make that an error."""
    warnings.simplefilter("error", ComplexWarning)
    config.addinivalue_line("filterwarnings", f"error::{ComplexWarning.__module__}.ComplexWarning")


@pytest.fixture(autouse=True, scope="session")
def stop_requests():
    """Ctrl-C and SIGTERM act as usual, even if the suite was started in the background by a script, where they are ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ignored = [number for number in usual if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def pytest_collection_finish():
    """What is there by now stays: no need to search it for garbage again and again."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    """The report of the gradient checks."""
    for line in REPORT.table():
        terminalreporter.write_line(line)
