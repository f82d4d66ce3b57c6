"""Keeps keys and passwords out of messages, caches and traces, also when a server sends them back."""

import base64
import binascii
import urllib.parse
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"
_SHORTEST = 4  # shorter ones would be found in every text


class Secrets:
    """The secret parts of the headers of one request."""

    def __init__(self, headers: Mapping[str, str]):
        """Collect the values of `headers`, their words, and what a word of Basic authentication holds."""
        found = set(headers.values())
        for value in headers.values():
            words = value.split()
            found |= set(words[1:])
            if words[:1] == ["Basic"] and len(words) == 2:
                found |= _basic(words[1])
        forms = {form for one in found for form in (one, urllib.parse.quote(one), urllib.parse.quote_plus(one))}
        self._forms = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)

    def hide(self, text: str) -> str:
        """`text` with every secret replaced."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    def hide_in(self, document: Any) -> Any:
        """A JSON document with every secret replaced, in keys and values."""
        if isinstance(document, str):
            return self.hide(document)
        if isinstance(document, list):
            return [self.hide_in(one) for one in document]
        if isinstance(document, dict):
            return {self.hide(key): self.hide_in(one) for key, one in document.items()}
        return document


def _basic(word: str) -> set[str]:
    """User and password of Basic authentication, together and the password alone."""
    try:
        pair = base64.b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return set()
    return {pair, pair.partition(":")[2]} - {""}
