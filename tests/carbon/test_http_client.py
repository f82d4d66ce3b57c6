import base64
import contextlib
import datetime
import email.utils
import json
import socket
import threading
import time

import pytest

from jcenas.carbon.providers.base import ProviderError
from jcenas.carbon.providers.http_client import HttpClient
from jcenas.errors import InputError

KEY = "s3cret-k3y"


def same(document):
    return document


@pytest.fixture
def waits():
    return []


@pytest.fixture
def client(tmp_path, waits):
    return HttpClient(cache=tmp_path / "cache", timeout_s=0.3, deadline_s=0.5, tries=3, sleep=waits.append)


def test_retries_with_growing_waits(service, answer, client, waits):
    service.script = [answer(b"", 503), answer(b"<html>busy</html>"), answer({"a": 1})]
    assert client.get(service.url, same, {"auth-token": KEY}) == {"a": 1}
    assert [1 <= waits[0] <= 1.25, 2 <= waits[1] <= 2.5, len(waits)] == [True, True, 2]
    assert all(headers["Auth-Token"] == KEY for _, headers in service.requests)


def test_rate_limit_is_honoured(service, answer, client, waits):
    service.script = [answer(b"", 429, {"Retry-After": "7"}), answer([1])]
    assert client.get(service.url, same) == [1]
    assert waits == [7]


def test_rate_limit_as_a_date(service, answer, client, waits):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=20)
    service.script = [answer(b"", 429, {"Retry-After": email.utils.format_datetime(later)}), answer([1])]
    assert client.get(service.url, same) == [1]
    assert 17 < waits[0] <= 20


def test_a_long_rate_limit_fails_at_once(service, answer, client, waits):
    service.script = [answer(b"", 429, {"Retry-After": "3600"})]
    with pytest.raises(ProviderError, match="rate limit, try again in 3600 s"):
        client.get(service.url, same)
    assert waits == []


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "the key was refused"), (403, "the key was refused"), (404, "check zone"), (302, "302")],
)
def test_final_errors_are_not_retried_and_show_no_key(service, answer, client, status, message):
    service.script = [answer(b"", status, {"Location": "http://127.0.0.1:9/"} if status == 302 else {})]
    with pytest.raises(ProviderError, match=message) as caught:
        client.get(service.url, same, {"auth-token": KEY})
    assert len(service.requests) == 1
    assert KEY not in str(caught.value)


def test_slowness_ends_in_a_time_out(service, answer, client):
    service.script = [answer([1], delay_s=0.6) for _ in range(3)]
    with pytest.raises(ProviderError, match=r"no answer after 3 tries \(timed out\)"):
        client.get(service.url, same)


DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "status line": (b"HTTP/1.1 ", b"2"),
    "chunk lines": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b" "),
}


@pytest.mark.parametrize("what", DRIPS)
def test_a_server_that_drips_meets_the_deadline(tmp_path, what):
    head, drop = DRIPS[what]
    done = threading.Event()

    def serve(listener):
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(head)
            while not done.wait(0.02):  # always within the time-out of one read
                connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        client = HttpClient(cache=None, timeout_s=0.2, deadline_s=0.3, tries=1)
        begin = time.monotonic()
        with pytest.raises(ProviderError, match=r"after 1 tries \(the answer was not whole by the deadline\)"):
            client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", same)
        assert time.monotonic() - begin < 1.5
        done.set()
        thread.join()


def test_an_echoed_key_is_hidden_in_reasons(service, answer, client):
    secret = base64.b64encode(b"ada:pass word").decode()
    service.script = [answer({"a": ["pass word", secret, 1]})]
    assert client.get(service.url, same, {"Authorization": f"Basic {secret}"}) == {"a": ["[hidden]", "[hidden]", 1]}
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _ in range(client.tries):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(f"HTTP/1.1 500 no {KEY}\r\nContent-Length: 0\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ProviderError, match=r"HTTP 500 no \[hidden\]"):
            client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", same, {"auth-token": KEY})
        thread.join()


def test_stumbling_parsers_are_provider_errors(service, answer, client):
    service.script = [answer({})]
    with pytest.raises(ProviderError, match=r"not of the documented form \(KeyError\)"):
        client.get(service.url, lambda document: document["missing"])


def test_a_cut_off_answer_is_tried_again(service, answer, client):
    service.script = [answer([1], claimed_length=100), answer([2])]
    assert client.get(service.url, same) == [2]


def test_no_connection(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ProviderError, match=r"no answer after 3 tries .*refused"):
        client.get(f"http://127.0.0.1:{port}/", same)


def test_a_broken_key_is_not_shown(client):
    with pytest.raises(ProviderError, match="copy it again") as caught:
        client.get("http://127.0.0.1:9/", same, {"auth-token": f"{KEY}\n"})
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_cache_answers_until_it_is_old(service, answer, client):
    service.script = [answer([1]), answer([2]), answer([3])]
    assert [client.get(service.url, same, max_age_s=age) for age in (60, 60, 0, 1e-9)] == [[1], [1], [2], [3]]
    assert KEY not in "".join(path.read_text() for path in client.cache.iterdir())


def test_a_refused_document_is_not_cached(service, answer, client):
    def strict(document):
        if document != [2]:
            raise InputError("nonsense")
        return document

    service.script = [answer([1]), answer([2])]
    with pytest.raises(InputError, match="nonsense"):
        client.get(service.url, strict, max_age_s=60)
    assert client.get(service.url, strict, max_age_s=60) == [2]


@pytest.mark.parametrize("damage", ["", "{", "[]", json.dumps({"url": "other", "stored_s": 9e9, "document": [9]})])
def test_a_damaged_cache_is_asked_anew(service, answer, client, damage):
    service.script = [answer([1]), answer([2])]
    client.get(service.url, same, max_age_s=60)
    next(client.cache.iterdir()).write_text(damage)
    assert client.get(service.url, same, max_age_s=60) == [2]


def test_an_unwritable_cache_is_no_failure(service, answer, client, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    service.script = [answer([1]), answer([2])]
    assert [client.get(service.url, same, max_age_s=60) for _ in range(2)] == [[1], [2]]
