"""Downloads from a real HTTP server on this machine: whole, resumed, truncated, wrong, absent."""

import hashlib
import http.server
import json
import os
import threading

import pytest

from jcenas.errors import InputError
from jcenas.tables import fetch, store

BODY = bytes(range(256)) * 40
NAME = "folder/toy data.csv"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.body` under NAME; `server.ranges`, `server.cut` and `server.asked` steer and observe it."""

    def do_GET(self):
        server = self.server
        if self.path != "/mirror/folder/toy%20data.csv":
            self.send_error(404, "Not Found")
            return
        asked = self.headers.get("Range")
        server.asked.append(asked)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        body = server.body[first:]
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(server.body) - 1}/{len(server.body)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if server.cut is None else body[: server.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.body, running.ranges, running.cut, running.asked = BODY, True, None, []
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    running.url = f"http://127.0.0.1:{running.server_port}/mirror"
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def target(tmp_path, monkeypatch):
    registry = tmp_path / "registry.json"
    registry.write_text(json.dumps({NAME: [len(BODY), hashlib.sha256(BODY).hexdigest()]}))
    monkeypatch.setattr(store, "REGISTRY", registry)
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("JCENAS_MIRROR", raising=False)
    store.registry.cache_clear()
    yield tmp_path / "data" / NAME
    store.registry.cache_clear()


def test_fetch_whole_then_again(server, target):
    seen = []
    assert fetch.fetch(NAME, server.url + "/", progress=lambda *done: seen.append(done)) == target
    assert target.read_bytes() == BODY
    assert os.listdir(target.parent) == [target.name]  # no part is left
    assert seen[-1] == (NAME, len(BODY), len(BODY))
    fetch.fetch(NAME, server.url)
    assert len(server.asked) == 1  # a whole file is not fetched again


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_goes_on(server, target, ranges, monkeypatch):
    monkeypatch.setenv("JCENAS_MIRROR", server.url)
    server.cut, server.ranges = 1000, ranges
    with pytest.raises(InputError, match="run the command again to go on"):
        fetch.fetch(NAME)
    assert not target.exists()
    server.cut = None
    assert fetch.fetch(NAME).read_bytes() == BODY
    assert server.asked == [None, "bytes=1000-"]


def test_wrong_content_leaves_nothing(server, target):
    server.body = BODY[:-1] + b"X"
    with pytest.raises(InputError, match=r"its SHA-256 differs.*another mirror"):
        fetch.fetch(NAME, server.url)
    assert os.listdir(target.parent) == []
    server.body = BODY + b"more"
    with pytest.raises(InputError, match=f"longer than the {len(BODY)} bytes"):
        fetch.fetch(NAME, server.url)
    assert os.listdir(target.parent) == []


def test_damaged_file_is_replaced(server, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(BODY[::-1])
    assert fetch.fetch(NAME, server.url).read_bytes() == BODY


def test_one_clear_error(server, target):
    with pytest.raises(InputError, match=r"no public mirror.*--from URL.*JCENAS_MIRROR.*jcenas data import"):
        fetch.fetch(NAME)
    with pytest.raises(InputError, match="'ftp://x' is no mirror"):
        fetch.fetch(NAME, "ftp://x")
    with pytest.raises(InputError, match="the server says 404"):
        fetch.fetch(NAME, server.url + "/elsewhere")
    with pytest.raises(InputError, match="broke off"):
        fetch.fetch(NAME, "http://127.0.0.1:9/")
    with pytest.raises(InputError, match="no data file is called 'x'"):
        fetch.fetch("x", server.url)
    with pytest.raises(InputError, match="is a folder"):
        fetch.fetch("folder", server.url)


def test_folders_match_their_files(target):
    assert fetch.matching("folder") == fetch.matching("folder/") == fetch.matching(NAME) == [NAME]
