"""GET JSON over HTTP: time-outs, retries with back-off, rate limits honoured, a disk cache, and no secrets anywhere.

Keys travel in headers only, so that addresses can be shown and can name the files of the cache. Redirects are refused,
because they would carry the key to another host.
"""

import contextlib
import dataclasses
import email.utils
import hashlib
import http.client
import json
import os
import pathlib
import random
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import platformdirs

from jcenas.carbon.providers.base import ProviderError
from jcenas.errors import InputError

MAX_BYTES = 32 << 20
T = TypeVar("T")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


def default_cache() -> pathlib.Path:
    """Folder of the cached answers: `http` in the platform's user cache folder."""
    return pathlib.Path(platformdirs.user_cache_dir("jcenas")) / "http"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HttpClient:
    """How to ask.

    Attributes:
      cache: folder of the disk cache; None for none.
      timeout_s: longest silence of the other side.
      deadline_s: longest time for one whole answer.
      tries: requests before giving up.
      backoff_s: wait after the first failure; doubles with each, with jitter.
      max_wait_s: longest wait that a rate limit may ask for; beyond it the request fails at once.
      sleep: waits; tests replace it.
    """

    cache: pathlib.Path | None = dataclasses.field(default_factory=default_cache)
    timeout_s: float = 10.0
    deadline_s: float = 30.0
    tries: int = 4
    backoff_s: float = 1.0
    max_wait_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def get(
        self,
        url: str,
        parse: Callable[[Any], T],
        headers: Mapping[str, str] | None = None,
        *,
        max_age_s: float = 0.0,
    ) -> T:
        """What `parse` makes of the JSON document at `url`; only a document that it accepts goes into the cache.

        Args:
          url: address without secrets.
          parse: reads the document and raises `InputError` if it is not as documented.
          headers: sent along, keys included; never shown and never stored.
          max_age_s: how old an answer from the cache may be; 0 asks anew and stores nothing.

        Raises:
          ProviderError: after the last try, or at once where another try cannot help (a refused key, a bad request).
          InputError: from `parse`.
        """
        if max_age_s > 0 and (found := self._cached(url, max_age_s)) is not None:
            with contextlib.suppress(InputError):  # damaged: ask anew
                return parse(found)
        document = self._fetch(url, headers or {})
        result = parse(document)
        if max_age_s > 0:
            self._store(url, document)
        return result

    def _fetch(self, url: str, headers: Mapping[str, str]) -> Any:
        """The document, after as many tries as it takes and is allowed."""
        opener = urllib.request.build_opener(_NoRedirect)
        request = urllib.request.Request(url, headers={"Accept": "application/json", **headers})
        reason = ""
        for attempt in range(self.tries):
            wait = self.backoff_s * 2**attempt * (1 + 0.25 * random.random())
            try:
                with opener.open(request, timeout=self.timeout_s) as response:
                    return json.loads(self._read(response, url))
            except ProviderError:
                raise
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"HTTP {error.code} {error.reason}"
                if error.code in {401, 403}:
                    raise ProviderError(f"{url}: the key was refused ({reason}); check it and its plan") from None
                if error.code != 429 and error.code < 500:
                    raise ProviderError(f"{url}: {reason}; check zone and period") from None
                asked = _retry_after(error.headers.get("Retry-After"))
                if asked is not None and asked > self.max_wait_s:
                    raise ProviderError(f"{url}: rate limit, try again in {asked:.0f} s") from None
                wait = max(wait, asked or 0.0)
            except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
                reason = "the answer is no JSON"
            except ValueError:  # its message would show the key
                raise ProviderError(f"{url}: the key holds characters that no key has; copy it again") from None
            except (OSError, http.client.HTTPException) as error:  # no connection, time-out, cut off
                reason = str(getattr(error, "reason", "") or error or type(error).__name__)
            if attempt + 1 < self.tries:
                self.sleep(wait)
        raise ProviderError(f"{url}: no answer after {self.tries} tries ({reason})")

    def _read(self, response: http.client.HTTPResponse, url: str) -> bytes:
        """The body, within the deadline and the largest size."""
        begin, body = time.monotonic(), bytearray()
        while part := response.read1(1 << 16):
            body += part
            if len(body) > MAX_BYTES:
                raise ProviderError(f"{url}: the answer is longer than {MAX_BYTES >> 20} MiB")
            if time.monotonic() - begin > self.deadline_s:
                raise TimeoutError(f"not whole after {self.deadline_s:g} s")
        if response.length:
            raise http.client.IncompleteRead(bytes(body), response.length)
        return bytes(body)

    def _file(self, url: str) -> pathlib.Path | None:
        return self.cache and self.cache / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"

    def _cached(self, url: str, max_age_s: float) -> Any:
        """A stored document, or None: too old, damaged, or of another address."""
        path = self._file(url)
        try:
            entry = json.loads(path.read_text()) if path else {}
        except (OSError, ValueError):
            return None
        if not isinstance(entry, dict) or entry.get("url") != url or not isinstance(entry.get("stored_s"), float):
            return None
        return entry.get("document") if 0 <= time.time() - entry["stored_s"] <= max_age_s else None

    def _store(self, url: str, document: Any) -> None:
        """Store a document atomically; a cache that cannot be written is no reason to fail."""
        path = self._file(url)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=".part")
            with os.fdopen(handle, "w") as file:
                json.dump({"url": url, "stored_s": time.time(), "document": document}, file)
            os.replace(part, path)
        except OSError:
            return


def _retry_after(text: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date of HTTP; None where there is none."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
