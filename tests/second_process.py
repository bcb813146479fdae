"""The suite in two processes: a copy of pytest takes test files from the same list, and reports to the first (Linux only).

It takes half the time on two cores, and costs nothing on one.
"""

import itertools
import multiprocessing
import os
import pickle
import queue
import sys
import warnings
from contextlib import suppress

import pytest

from .proof.report import REPORT

ALONE = "collectonly", "usepdb", "trace", "setupshow", "stepwise", "failedfirst"  # options that need one process, or the order


def pytest_runtestloop(session):
    """Run the collected tests here and in a copy of this process. None: let pytest, or xdist, run them as usual."""
    config = session.config
    files = [list(tests) for _, tests in itertools.groupby(session.items, key=lambda test: test.path)]
    alone = config.pluginmanager.hasplugin("xdist") or any(getattr(config.option, name, False) for name in ALONE)
    if sys.platform != "linux" or len(files) < 2 or session.testsfailed or alone:
        return None
    files.sort(key=len, reverse=True)  # what may take long comes first
    config._tmp_path_factory.getbasetemp()  # one folder for both
    context = multiprocessing.get_context("fork")
    taken, messages, done = context.Value("i", 0), context.Queue(), []
    copy = context.Process(target=run_in_copy, args=(session, files, taken, messages))
    copy.start()
    try:
        run(session, files, taken, done, between=lambda: hear(config, messages, done))
        alive = True
        while alive:
            copy.join(0.1)
            alive = copy.is_alive()
            hear(config, messages, done)
            stop_if_asked(session)
    finally:
        copy.kill()
        copy.join()
    if copy.exitcode or len(done) != (n := len(session.items)):
        pytest.exit(f"the second process of the tests ended with {copy.exitcode}; {len(done)} of {n} tests were run", 3)
    return True


def run(session, files, taken, done, between):
    """Run the tests of each file that no process has taken yet, and add them to `done`; after each file, call `between`."""
    tests = itertools.chain.from_iterable(files[number] for number in iter(lambda: take(taken, len(files)), None))
    test = next(tests, None)
    while test:
        following = next(tests, None)  # pytest keeps the fixtures that it needs
        session.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        done.append(test.nodeid)
        stop_if_asked(session)
        if not following or following.path != test.path:
            between()
        test = following


def take(taken, end):
    """The next number below `end`, or None."""
    with taken.get_lock():
        taken.value += 1
        return taken.value - 1 if taken.value <= end else None


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
    with suppress(session.Failed):  # with -x; the first process says so
        run(session, files, taken, [], between=end_if_orphaned)
    messages.put(pickle.dumps(("table", (dict(REPORT.rows), REPORT.finders))))


def end_if_orphaned():
    """Nobody listens any more."""
    if not multiprocessing.parent_process().is_alive():
        os._exit(1)


class Messenger:
    """A plugin that sends what a reporter would show."""

    def __init__(self, config, messages):
        self.config, self.messages = config, messages

    def send(self, kind, content):
        self.messages.put(pickle.dumps((kind, content)))  # here: an error in the queue's own thread would be lost

    def pytest_runtest_logstart(self, nodeid, location):
        self.send("start", dict(nodeid=nodeid, location=location))

    def pytest_runtest_logreport(self, report):
        self.send("report", self.config.hook.pytest_report_to_serializable(config=self.config, report=report))

    def pytest_runtest_logfinish(self, nodeid, location):
        self.send("finish", dict(nodeid=nodeid, location=location))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        if when == "runtest":  # not those of the collection, which pytest repeats for every new plugin
            shown = str(warning_message.message), warning_message.category, warning_message.filename, warning_message.lineno
            self.send("warning", (shown, dict(when=when, nodeid=nodeid, location=location)))


def hear(config, messages, done):
    """Report what the copy has sent so far, and add the tests that it has run to `done`."""
    while True:
        try:
            kind, content = pickle.loads(messages.get_nowait())
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
            if kind == "finish":
                done.append(content["nodeid"])
