"""HTTP with a deadline for the whole answer: status line, headers, chunk lines and body.

A socket's time-out is the longest silence; a server that sends a byte now and then never meets it. Here every read of
the socket looks at the clock.
"""

import functools
import http.client
import io
import socket
import time
import urllib.request
from typing import Any

_LATE = "the answer was not whole by the deadline"


class _TimedSocket(io.RawIOBase):
    """The readable side of a socket; every read ends by the deadline."""

    def __init__(self, connection: socket.socket, until_s: float):
        self._socket, self._until_s = connection, until_s
        self._silence_s = connection.gettimeout()
        self._raw: Any = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        left = self._until_s - time.monotonic()
        if left <= 0:
            raise TimeoutError(_LATE)
        self._socket.settimeout(left if self._silence_s is None else min(left, self._silence_s))
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            if time.monotonic() >= self._until_s:
                raise TimeoutError(_LATE) from None
            raise

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response that is read through a `_TimedSocket`."""

    def __init__(self, sock: socket.socket, *args: Any, until_s: float, **more: Any):
        super().__init__(sock, *args, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedSocket(sock, until_s))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: they would carry the key to another host."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


class _Timed(urllib.request.AbstractHTTPHandler):
    """Opens connections whose responses end by the deadline."""

    until_s = 0.0

    def do_open(self, http_class, req, **arguments):
        def connect(host: str, **more: Any):
            connection = http_class(host, **more)
            connection.response_class = functools.partial(_Response, until_s=self.until_s)
            return connection

        return super().do_open(connect, req, **arguments)  # pyright: ignore[reportArgumentType]


class _Http(_Timed, urllib.request.HTTPHandler):
    """HTTP with a deadline."""


class _Https(_Timed, urllib.request.HTTPSHandler):
    """HTTPS with a deadline."""


def opener(deadline_s: float) -> urllib.request.OpenerDirector:
    """An opener without redirects whose answers must be whole `deadline_s` seconds from now, else `TimeoutError`."""
    handlers = _Http(), _Https()
    for handler in handlers:
        handler.until_s = time.monotonic() + deadline_s
    return urllib.request.build_opener(_NoRedirect, *handlers)
