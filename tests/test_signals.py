"""Ctrl-C, a closed terminal, nohup: a run saves what it has done, or goes on."""

import errno
import io
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from numgan import console
from numgan.files import atomic
from numgan.training import train

from .runs import at_step, new_run, resumed

pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"), pytest.mark.usefixtures("undrawn")]


@pytest.fixture
def hang_up():
    """SIGHUP, which is not ignored, and raises an exception where nothing handles it."""
    before = signal.signal(signal.SIGHUP, signal.default_int_handler)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("times", [1, 2])  # the kernel and the shell may both send it
def test_a_hangup_saves_as_ctrl_c_does(tmp_path, monkeypatch, hang_up, times):
    run = new_run(tmp_path)
    at_step(run, 3, lambda: [signal.raise_signal(hang_up) for _ in range(times)], monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(run, 9)
    assert resumed(run).step == 3
    assert signal.getsignal(hang_up) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGINT, getattr(signal, "SIGHUP", None)])
def test_what_was_ignored_before_the_run_stays_ignored(tmp_path, monkeypatch, number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        run = new_run(tmp_path)
        at_step(run, 2, lambda: signal.raise_signal(number), monkeypatch)
        train(run, 4)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert run.step == 4


def test_a_handler_that_a_library_in_c_has_set_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: pytest.fail(f"{number} handled by {handler}"))
    train(new_run(tmp_path), 1)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_script_that_is_stopped_leaves_nothing_half_written(tmp_path, capsys, name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)

    def main():
        with atomic(tmp_path / "a.npz") as temporary:
            temporary.touch()
            signal.raise_signal(number)

    try:
        with pytest.raises(SystemExit) as stop:
            console.run(main, stopped="stopped here")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert (stop.value.code, capsys.readouterr().err) == (130, "stopped here\n")
    assert list(tmp_path.iterdir()) == []


def test_outside_the_main_thread_signals_are_left_alone():
    def handler():
        with console.interrupted_by(signal.SIGTERM):
            return signal.getsignal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(handler).result() is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


class ClosedTerminal(io.StringIO):
    """What standard error is after its window was closed."""

    closed_now = False

    def isatty(self):
        return True

    def flush(self):
        if self.closed_now:
            raise OSError(errno.EIO, "Input/output error")


def test_a_run_whose_terminal_was_closed_is_saved(tmp_path, monkeypatch):
    terminal = ClosedTerminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run = new_run(tmp_path)
    at_step(run, 3, lambda: setattr(terminal, "closed_now", True), monkeypatch)
    monkeypatch.setattr("numgan.progress.time.monotonic", iter(range(100)).__next__)  # every step is shown
    with pytest.raises(OSError, match="Input/output"):
        train(run, 9)
    assert run.step == resumed(run).step == 3
