"""A scripted HTTP server on 127.0.0.1 that plays the carbon services."""

import dataclasses
import http.server
import json
import threading
import time

import pytest


@dataclasses.dataclass
class Answer:
    """One response: `body` is sent as JSON unless it is bytes."""

    body: object = None
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    delay_s: float = 0.0
    claimed_length: int | None = None


class Service:
    """Answers the requests in turn from a script, or through a function of the path; keeps what was asked."""

    def __init__(self):
        self.script: list[Answer] = []
        self.respond = None
        self.requests: list[tuple[str, dict]] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.requests.append((self.path, dict(self.headers)))
                answer = service.respond(self.path) if service.respond else service.script.pop(0)
                time.sleep(answer.delay_s)
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(answer.claimed_length or len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the client gave up waiting

            def log_message(self, format, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    service = Service()
    yield service
    service.close()


@pytest.fixture
def answer():
    return Answer
