"""MNIST from mirrors on this machine: whole, resumed, side by side, from the next one, or refused in one line."""

import gzip
import http.server
import re
import socket
import sys
import threading
import time

import pytest

from numgan import data, download

from .digits import IMAGES, LABELS, assert_is_fake, names_in
from .errors import refused


class Mirror(http.server.ThreadingHTTPServer):
    """Serves `files` (name -> bytes): without `ranges` it ignores Range; it breaks off at `cut`, is `endless`, or `foreign`."""

    daemon_threads = True

    def __init__(self, files, *, ranges=True, cut=None, pause=0, endless=False, foreign=False):
        self.files, self.ranges, self.cut, self.pause, self.endless = files, ranges, cut, pause, endless
        self.foreign = foreign
        self.requests, self.sent = [], 0
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/mnist/"


class MirrorHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        mirror, wanted = self.server, self.headers["Range"]
        name = self.path.rsplit("/", 1)[-1]
        mirror.requests.append((name, wanted))
        if mirror.foreign:
            self.wfile.write(b"220 this is a mail server\r\n")
            return
        if mirror.endless:
            self.send_response(200)
            self.end_headers()
            while mirror.sent < 50e6:
                mirror.sent += self.wfile.write(bytes(100_000))
            return
        if name not in mirror.files:
            return self.send_error(404)
        content = mirror.files[name]
        start = int(wanted[6:-1]) if wanted and mirror.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", len(content) - start)
        self.end_headers()
        time.sleep(mirror.pause)
        self.wfile.write(content[start:mirror.cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """serve(mirror, ...) makes these the mirrors, an empty folder the cache; returns that folder."""
    running = []

    def start(*mirrors):
        for mirror in mirrors:
            if isinstance(mirror, Mirror):
                running.append(mirror)
                threading.Thread(target=mirror.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(download, "MIRRORS", tuple(getattr(mirror, "url", mirror) for mirror in mirrors))
        return folder

    folder = tmp_path / "numgan" / "mnist"
    monkeypatch.setattr(Mirror, "handle_error", lambda *args: None)  # the client may hang up on an endless mirror
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    yield start
    for mirror in running:
        mirror.shutdown()
        mirror.server_close()


@pytest.fixture
def zipped(fake):
    return {f"{name}.gz": gzip.compress(raw, mtime=0) for name, raw in fake.items()}


@pytest.fixture
def dead():
    """The address of a mirror that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


WANTED = [f"{IMAGES}.gz", f"{LABELS}.gz"]


def test_download_fills_the_cache_once(fake, zipped, serve, capsys):
    mirror = Mirror(zipped)
    folder = serve(mirror)
    assert_is_fake(data.mnist(), fake)
    assert names_in(folder) == WANTED
    assert mirror.requests == [(name, None) for name in WANTED]
    assert re.search(rf"{mirror.url}{IMAGES}.gz.* MB\n", capsys.readouterr().err)
    assert_is_fake(data.load("mnist"), fake)
    assert len(mirror.requests) == 2


def test_download_fetches_only_what_is_missing(fake, zipped, serve):
    mirror = Mirror(zipped)
    folder = serve(mirror)
    folder.mkdir(parents=True)
    (folder / IMAGES).write_bytes(fake[IMAGES])
    assert_is_fake(data.mnist(), fake)
    assert mirror.requests == [(f"{LABELS}.gz", None)]


@pytest.mark.parametrize("first", [{}, {"wrong": True}])
def test_download_goes_to_the_next_mirror_for_the_right_bytes(fake, zipped, serve, first):
    bad = Mirror({name: gzip.compress(b"something else") for name in zipped} if first else {})
    good = Mirror(zipped)
    folder = serve(bad, good)
    assert_is_fake(data.mnist(), fake)
    assert bad.requests == good.requests == [(name, None) for name in WANTED]
    assert names_in(folder) == WANTED


@pytest.mark.parametrize("ranges", [True, False])
def test_download_resumes_where_the_last_one_stopped(fake, zipped, serve, ranges):
    mirror = Mirror(zipped, ranges=ranges)
    folder = serve(mirror)
    folder.mkdir(parents=True)
    (folder / f"{IMAGES}.gz.part").write_bytes(zipped[f"{IMAGES}.gz"][:40])
    assert_is_fake(data.mnist(), fake)
    assert mirror.requests == [(f"{IMAGES}.gz", "bytes=40-"), (f"{LABELS}.gz", None)]
    assert (folder / f"{IMAGES}.gz").read_bytes() == zipped[f"{IMAGES}.gz"]
    assert names_in(folder) == WANTED


def test_download_that_was_complete_needs_no_bytes(fake, zipped, serve):
    mirror = Mirror({f"{IMAGES}.gz": zipped[f"{IMAGES}.gz"], f"{LABELS}.gz": zipped[f"{LABELS}.gz"]})
    folder = serve(mirror)
    folder.mkdir(parents=True)
    size = len(zipped[f"{IMAGES}.gz"])
    (folder / f"{IMAGES}.gz.part").write_bytes(zipped[f"{IMAGES}.gz"])
    assert_is_fake(data.mnist(), fake)
    assert mirror.requests == [(f"{IMAGES}.gz", f"bytes={size}-"), (f"{LABELS}.gz", None)]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("size", [0, 5, 10_000])
def test_download_starts_over_after_a_stale_part(fake, zipped, serve, size, ranges):
    mirror = Mirror(zipped, ranges=ranges)
    folder = serve(mirror)
    folder.mkdir(parents=True)
    (folder / f"{IMAGES}.gz.part").write_bytes(b"x" * size)
    assert_is_fake(data.mnist(), fake)
    assert len(mirror.requests) == (3 if size and ranges else 2)  # asked again only if the stale bytes were kept
    assert names_in(folder) == WANTED


def test_download_that_breaks_off_is_continued_by_the_next_mirror(fake, zipped, serve):
    good = Mirror(zipped)
    serve(Mirror(zipped, cut=30), good)
    assert_is_fake(data.mnist(), fake)
    assert good.requests == [(name, "bytes=30-") for name in WANTED]


def test_download_that_breaks_off_everywhere_leaves_a_part_to_resume(fake, zipped, serve):
    folder = serve(Mirror(zipped, cut=30))
    with refused(folder, *WANTED, f"30 of {len(zipped[WANTED[0]])} bytes", "digits-10k"):
        data.mnist()
    assert names_in(folder) == [f"{IMAGES}.gz.part"]
    assert (folder / f"{IMAGES}.gz.part").read_bytes() == zipped[f"{IMAGES}.gz"][:30]
    good = Mirror(zipped)
    serve(good)
    assert_is_fake(data.mnist(), fake)
    assert good.requests[0] == (f"{IMAGES}.gz", "bytes=30-")


def test_download_that_is_resumed_and_breaks_off_again_keeps_what_it_has(fake, zipped, serve):
    mirror, whole = Mirror(zipped, cut=-10), zipped[f"{IMAGES}.gz"]
    folder = serve(mirror)
    folder.mkdir(parents=True)
    (folder / f"{IMAGES}.gz.part").write_bytes(whole[:40])
    with refused(folder, f"{len(whole) - 10} of {len(whole)} bytes"):
        data.mnist()
    assert mirror.requests == [(f"{IMAGES}.gz", "bytes=40-")]
    assert (folder / f"{IMAGES}.gz.part").read_bytes() == whole[:-10]


def test_download_goes_to_the_next_mirror_if_one_speaks_no_http(fake, zipped, serve):
    bad, good = Mirror({}, foreign=True), Mirror(zipped)
    serve(bad, good)
    assert_is_fake(data.mnist(), fake)
    assert bad.requests == good.requests == [(name, None) for name in WANTED]


def test_download_with_all_mirrors_dead_says_what_to_do(fake, dead, serve):
    folder = serve(dead, dead + "other/")
    with refused(folder, *WANTED, f"{dead}: ", f"{dead}other/: ", "refused", "digits-10k, which needs no download"):
        data.mnist()
    assert names_in(folder) == []


def test_download_with_wrong_bytes_everywhere_leaves_nothing(fake, zipped, serve):
    junk, empty = Mirror(dict.fromkeys(zipped, b"<html>log in first</html>")), Mirror({})
    folder = serve(junk, empty)
    with refused(folder, junk.url, "SHA-256", download.FILES[IMAGES], empty.url, "404"):
        data.mnist()
    assert names_in(folder) == []
    assert len(junk.requests) == len(empty.requests) == 1


def test_download_names_only_the_files_still_missing(fake, zipped, serve):
    folder = serve(Mirror({f"{IMAGES}.gz": zipped[f"{IMAGES}.gz"]}))
    with refused(f"{folder}: expected MNIST's {LABELS}.gz; got", "404"):
        data.mnist()
    assert names_in(folder) == [f"{IMAGES}.gz"]


def test_download_gives_up_on_a_silent_mirror(fake, zipped, serve, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        serve(f"http://127.0.0.1:{silent.getsockname()[1]}/", Mirror(zipped))
        assert_is_fake(data.mnist(), fake)


def test_download_gives_up_on_an_endless_mirror(fake, serve, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 200_000)
    mirror = Mirror({}, endless=True)
    folder = serve(mirror)
    with refused(folder, "at most 200000 bytes"):
        data.mnist()
    assert mirror.sent < 50e6
    assert names_in(folder) == []


def test_download_into_a_folder_that_cannot_be_made_is_refused(fake, zipped, serve):
    folder = serve(Mirror(zipped))
    folder.parent.write_text("a file where the folder should be")
    with refused(f"{folder}: expected a folder", "NUMGAN_DATA", "digits-10k"):
        data.mnist()


def test_a_user_without_a_home_gets_no_folder_called_tilde(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where nobody has a home
    with refused("mnist", "$HOME"):
        download.cache_folder("mnist")


def test_downloads_at_the_same_time_wait_for_each_other(fake, zipped, serve):
    mirror = Mirror(zipped, pause=0.1)
    folder = serve(mirror)
    got = []
    threads = [threading.Thread(target=lambda: got.append(data.mnist())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3
    for digits in got:
        assert_is_fake(digits, fake)
    assert names_in(folder) == WANTED
    if sys.platform != "win32":
        assert mirror.requests == [(name, None) for name in WANTED]
