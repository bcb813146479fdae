"""Profiles of Hypothesis, one BLAS thread, and the table that pytest ends with.

pytest                                  the default profile: the same examples every time
pytest --hypothesis-profile=dev         quick, while you write
pytest --hypothesis-profile=thorough    1,000 random examples each, full Jacobians
"""

import gc
import os
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # the arrays here are small; must be set before NumPy is first imported

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from .digits import fake
from .proof.report import REPORT
from .runs import digits, finished, undrawn
from .scripts import fails, script

EXECUTOR = pytest.StashKey()
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


def pytest_collection_finish(session):
    """Have the chosen faults planted and looked for in a copy of this process: see test_mutants.py."""
    numbers = [item.callspec.params["number"] for item in session.items
               if getattr(item, "originalname", "") == "test_mutant_is_killed"]
    gc.freeze()  # what is there by now stays: no need to search it for garbage again and again, in either process
    if numbers and sys.platform == "linux" and not session.config.option.collectonly:
        from .test_mutants import AHEAD, finder
        session.config.stash[EXECUTOR] = executor = ProcessPoolExecutor(1, get_context("fork"))
        session.config.stash[AHEAD] = {number: executor.submit(finder, number) for number in numbers}


def pytest_sessionfinish(session):
    """Not to wait for what nobody asks for any more."""
    if executor := session.config.stash.get(EXECUTOR, None):
        executor.shutdown(cancel_futures=True)


def pytest_terminal_summary(terminalreporter):
    """The report of the gradient checks."""
    for line in REPORT.table():
        terminalreporter.write_line(line)
