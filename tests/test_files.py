"""numgan.files: files are complete or absent, and one process at a time works in a folder."""

import errno
import os
import subprocess
import sys

import pytest

from numgan import InputError
from numgan.files import alone_in, atomic, remove_leftovers

from .scripts import ENVIRONMENT

LOCKS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")

# --- Files are replaced by whole ones or not at all


def test_atomic_makes_folders_and_replaces_the_file_and_leaves_no_temporary(tmp_path):
    path = tmp_path / "new" / "folder" / "picture.png"
    for text in ("first", "second"):
        with atomic(path) as temporary:
            assert (temporary.parent, temporary.suffix) == (path.parent, ".png")
            assert temporary != path
            temporary.write_text(text)
        assert path.read_text() == text
        assert os.listdir(path.parent) == ["picture.png"]


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_an_exception_in_atomic_leaves_the_old_file_and_no_temporary(tmp_path, error, old, written):
    path = tmp_path / "file.txt"
    if old:
        path.write_text("old")
    with pytest.raises(error), atomic(path) as temporary:  # noqa: PT012
        if written:
            temporary.write_text("half of the n")
        raise error
    assert os.listdir(tmp_path) == ["file.txt"] * old
    assert not old or path.read_text() == "old"


def test_atomic_replaces_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    os.symlink("kept.txt", tmp_path / "link.txt")
    with atomic(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "kept.txt").read_text() == "kept"
    assert (tmp_path / "link.txt").read_text() == "new"
    assert not (tmp_path / "link.txt").is_symlink()


def test_an_os_error_of_words_only_keeps_its_words(tmp_path):
    with pytest.raises(OSError, match=r"the encoder failed.*file\.txt"), atomic(tmp_path / "file.txt"):
        raise OSError("the encoder failed")


def test_processes_that_write_the_same_file_have_temporaries_of_their_own(tmp_path, monkeypatch):
    with atomic(tmp_path / "file.txt") as mine:
        mine.write_text("mine")
        monkeypatch.setattr(os, "getpid", lambda: 4711)
        with atomic(tmp_path / "file.txt") as other:
            other.write_text("other")
    assert (tmp_path / "file.txt").read_text() == "mine"


def test_an_os_error_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space.*curves\.png") as caught, atomic(tmp_path / "curves.png") as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert caught.value.errno == 28
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_file_that_cannot_be_removed_hides_no_error(tmp_path):
    with pytest.raises(OSError, match=r"Read-only.*a\.txt"), atomic(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.mkdir()  # unlink raises an error of its own
        raise OSError(30, "Read-only file system")


# --- What killed processes leave


def test_leftovers_are_those_of_atomic_only(tmp_path):
    kept = [".git", ".x.npz", "4711.npz", ".4711", ".2024.notes", ".numgan-notes", ".numgan-3.x"]
    for name in [*kept[:-1], ".numgan-4711.a.npz", ".numgan-1.b"]:
        (tmp_path / name).touch()
    (tmp_path / kept[-1]).mkdir()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_what_atomic_would_leave_if_it_were_killed_is_a_leftover(tmp_path):
    with atomic(tmp_path / "a.npz") as temporary:
        temporary.touch()
    temporary.touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@LOCKS
def test_a_killed_process_leaves_no_lock(tmp_path):
    code = ("import sys, time; from numgan.files import alone_in\n"
            f"with alone_in({str(tmp_path)!r}): print('in', flush=True); time.sleep(60)")
    holder = subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "in\n"
    with pytest.raises(InputError, match="another run"), alone_in(tmp_path, wait=False):
        raise AssertionError("not reached")
    holder.kill()
    holder.communicate()
    with alone_in(tmp_path, wait=False):
        pass


@LOCKS
@pytest.mark.parametrize("name", ["os.open", "fcntl.flock"])
@pytest.mark.parametrize("wait", [True, False])
def test_where_folders_cannot_be_locked_nobody_is_kept_out(tmp_path, monkeypatch, name, wait):
    def unsupported(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(name, unsupported)
    entered = []
    with alone_in(tmp_path, wait):
        entered.append(True)
    assert entered
