"""JSON over HTTP: deadlines, retries with back-off, rate limits honoured, a disk cache, and no secrets anywhere.

Keys travel in headers only, so that addresses can be shown and can name the files of the cache. What a server sends
back is searched for them before anything else sees it.
"""

import contextlib
import dataclasses
import email.utils
import hashlib
import http.client
import json
import math
import pathlib
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import platformdirs

from jcenas.carbon.providers.base import NoAnswerError, ProviderError, RefusedError
from jcenas.carbon.providers.deadline import opener
from jcenas.carbon.providers.redaction import Secrets
from jcenas.carbon.text_file import shown
from jcenas.errors import InputError
from jcenas.runtime.paths import replacing

MAX_BYTES = 32 << 20
T = TypeVar("T")


def default_cache() -> pathlib.Path:
    """Folder of the cached answers: `http` in the platform's user cache folder."""
    return pathlib.Path(platformdirs.user_cache_dir("jcenas")) / "http"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HttpClient:
    """Client for JSON services.

    Attributes:
      cache: folder of the disk cache; None for none.
      timeout_s: longest silence of the other side.
      deadline_s: longest time for one whole answer, headers included.
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
        """Fetch the JSON document at `url` and parse it; only a document that `parse` accepts goes into the cache.

        Args:
          url: address without secrets.
          parse: makes the result from the document and raises `InputError` if it is not as documented.
          headers: sent along, keys included; never shown and never stored.
          max_age_s: how old an answer from the cache may be; 0 asks anew and stores nothing.

        Raises:
          ProviderError: after the last try, or at once where another try cannot help: a document that `parse` does not
            accept, and, as `RefusedError`, a refused key or a bad request.
        """
        if max_age_s > 0 and (found := self._cached(url, max_age_s)) is not None:
            with contextlib.suppress(ProviderError):  # damaged: ask anew
                return _parsed(parse, found, url)
        secrets = Secrets(headers or {})
        document = secrets.hide_in(self._fetch(url, headers or {}, secrets))
        result = _parsed(parse, document, url)
        if max_age_s > 0:
            self._store(url, document)
        return result

    def _fetch(self, url: str, headers: Mapping[str, str], secrets: Secrets) -> Any:
        """The document, after as many tries as it takes and is allowed."""
        reason = ""
        for attempt in range(self.tries):
            wait = self.backoff_s * 2**attempt * (1 + 0.25 * random.random())
            try:
                return self._try(url, headers)
            except ProviderError:
                raise
            except urllib.error.HTTPError as error:
                with contextlib.suppress(OSError):
                    error.close()
                reason = shown(secrets.hide(f"HTTP {error.code} {error.reason}"), 120)
                wait = max(wait, self._asked_wait(error, url, reason))
            except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
                reason = "the answer is no JSON"
            except ValueError as error:
                if isinstance(error, UnicodeEncodeError) or "header" in str(error):  # the message would show the key
                    raise RefusedError(f"{url}: the key holds characters that no key has; copy it again") from None
                reason = "the answer is no JSON"  # a number of thousands of digits
            except (OSError, http.client.HTTPException) as error:  # no connection, time-out, cut off
                reason = shown(secrets.hide(str(getattr(error, "reason", "") or error or type(error).__name__)), 120)
            if attempt + 1 < self.tries:
                self.sleep(wait)
        raise NoAnswerError(f"{url}: no answer after {self.tries} tries ({reason})")

    def _try(self, url: str, headers: Mapping[str, str]) -> Any:
        """The document of one request."""
        request = urllib.request.Request(url, headers={"Accept": "application/json", **headers})
        with opener(self.deadline_s).open(request, timeout=self.timeout_s) as response:
            body = bytearray()
            while part := response.read1(1 << 16):
                body += part
                if len(body) > MAX_BYTES:
                    raise ProviderError(f"{url}: the answer is longer than {MAX_BYTES >> 20} MiB")
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
        return json.loads(bytes(body))

    def _asked_wait(self, error: urllib.error.HTTPError, url: str, reason: str) -> float:
        """Seconds that a refusal asks to wait before the next try, 0 where it does not say.

        Raises:
          ProviderError: if another try cannot help.
        """
        if error.code in {401, 403}:
            raise RefusedError(f"{url}: the key was refused ({reason}); check it and its plan") from None
        if error.code != 429 and error.code < 500:
            raise RefusedError(f"{url}: {reason}; check zone and period") from None
        asked = _retry_after(error.headers.get("Retry-After"))
        if asked is not None and asked > self.max_wait_s:
            raise NoAnswerError(f"{url}: rate limit, try again in {asked:.0f} s") from None
        return asked or 0.0

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
            with replacing(path) as part:
                part.write_text(json.dumps({"url": url, "stored_s": time.time(), "document": document}))
        except OSError:
            return


def _parsed(parse: Callable[[Any], T], document: Any, url: str) -> T:
    """What `parse` makes of a document; everything that it stumbles over is a `ProviderError`."""
    try:
        return parse(document)
    except ProviderError:
        raise
    except InputError as error:
        raise ProviderError(str(error)) from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ProviderError(f"{url}: the answer is not of the documented form ({type(error).__name__})") from error


def _retry_after(text: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date of HTTP; None where there is none."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
