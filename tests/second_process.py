"""The suite in two processes: a copy of pytest takes test files from the same list, and reports to the first (Linux only).

It takes half the time on two cores, and costs nothing on one.
"""

import itertools
import multiprocessing
import queue
import sys
import warnings
from contextlib import suppress

import pytest

from .proof.report import REPORT


def pytest_runtestloop(session):
    """Run the collected tests here and in a copy of this process. None: let pytest, or xdist, run them as usual."""
    options, xdist = session.config.option, session.config.pluginmanager.hasplugin("xdist")
    files = [list(tests) for _, tests in itertools.groupby(session.items, key=lambda test: test.path)]
    if sys.platform != "linux" or len(files) < 2 or session.testsfailed or options.collectonly or options.usepdb or xdist:
        return None
    files.sort(key=len, reverse=True)  # what may take long comes first
    context = multiprocessing.get_context("fork")
    taken, messages = context.Value("i", 0), context.Queue()
    copy = context.Process(target=run_in_copy, args=(session, files, taken, messages))
    copy.start()
    try:
        run(session, files, taken, between=lambda: hear(session.config, messages))
        while copy.is_alive():
            copy.join(0.1)
            hear(session.config, messages)
            stop_if_asked(session)
    finally:
        copy.kill()
        copy.join()
    if copy.exitcode:
        pytest.exit(f"the second process of the tests ended with {copy.exitcode}", 3)
    return True


def run(session, files, taken, between=lambda: None):
    """Run the tests of each file that no process has taken yet; after each file, call `between`."""
    def mine():
        while (number := take(taken)) < len(files):
            yield from files[number]

    tests, following = itertools.tee(mine())
    next(following, None)
    for test, next_one in itertools.zip_longest(tests, following):  # pytest keeps the fixtures that the next one needs
        session.config.hook.pytest_runtest_protocol(item=test, nextitem=next_one)
        stop_if_asked(session)
        if next_one is None or next_one.path != test.path:
            between()


def take(taken):
    """The next number."""
    with taken.get_lock():
        taken.value += 1
        return taken.value - 1


def stop_if_asked(session):
    """End as pytest's own loop does: after the first failure with -x, for example."""
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


# ---- what the copy tells


def run_in_copy(session, files, taken, messages):
    """Run tests, and send what pytest's reporters and our table are to know."""
    manager = session.config.pluginmanager
    capture = manager.getplugin("capturemanager")
    capture.stop_global_capturing()  # its files are the first process's
    capture.start_global_capturing()
    manager.unregister(name="terminalreporter")
    manager.register(Messenger(session.config, messages))
    REPORT.clear()
    with suppress(session.Failed, session.Interrupted, KeyboardInterrupt):  # the first process says so
        run(session, files, taken)
    messages.put(("table", (dict(REPORT.rows), REPORT.finders)))


class Messenger:
    """A plugin that sends what a reporter would show."""

    def __init__(self, config, messages):
        self.config, self.messages = config, messages

    def pytest_runtest_logstart(self, nodeid, location):
        self.messages.put(("start", dict(nodeid=nodeid, location=location)))

    def pytest_runtest_logreport(self, report):
        self.messages.put(("report", self.config.hook.pytest_report_to_serializable(config=self.config, report=report)))

    def pytest_runtest_logfinish(self, nodeid, location):
        self.messages.put(("finish", dict(nodeid=nodeid, location=location)))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        shown = str(warning_message.message), warning_message.category, warning_message.filename, warning_message.lineno
        self.messages.put(("warning", (shown, dict(when=when, nodeid=nodeid, location=location))))


def hear(config, messages):
    """Report what the copy has sent so far."""
    while True:
        try:
            kind, content = messages.get_nowait()
        except queue.Empty:
            return
        if kind == "table":
            REPORT.add(*content)
        elif kind == "report":
            report = config.hook.pytest_report_from_serializable(config=config, data=content)
            config.hook.pytest_runtest_logreport(report=report)
        elif kind == "warning":
            shown, where = content
            message = warnings.WarningMessage(*shown)
            config.hook.pytest_warning_recorded.call_historic(kwargs=dict(warning_message=message, **where))
        else:
            getattr(config.hook, f"pytest_runtest_log{kind}")(**content)
