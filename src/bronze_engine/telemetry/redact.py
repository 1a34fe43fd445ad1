"""Secrets out of texts, before anybody sees them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, final
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

__all__ = ["MASK", "Redactor", "redact_url"]

MASK: Final = "***"

_SHORT: Final = 8
"""Below this many characters a value is masked only where it stands alone: a password of
`demo` must not eat the middle of other words."""

_LINE: Final = 16
"""A line of a secret of several lines (a key in PEM) is a secret by itself from here on."""


@final
class Redactor:
    """Replaces known secrets by `***`, however they are written.

    Found are a value as it is, percent-encoded, in base64, as repr and JSON escape it,
    and the longer lines of a value of several lines. `values` may be a function: it is
    asked again for each text, so that secrets met later are masked from then on.
    Thread-safe: the pattern is replaced whole.
    """

    def __init__(self, values: Iterable[str] | Callable[[], Iterable[str]] = ()) -> None:
        self._more: Callable[[], Iterable[str]] = values if callable(values) else tuple
        self._values: frozenset[str] = frozenset() if callable(values) else frozenset(values)
        self._compiled: tuple[frozenset[str], re.Pattern[str] | None] = (frozenset(), None)

    def add(self, values: Iterable[str]) -> None:
        """Mask these too from now on."""
        self._values |= frozenset(values)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        values = self._values.union(self._more())
        known, pattern = self._compiled
        if values != known:
            pattern = _pattern(values)
            self._compiled = (values, pattern)
        return text if pattern is None else pattern.sub(MASK, text)


def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    forms = {form for value in values if value for form in _forms(value)}
    # The longest first: a secret that begins like another must not leave its end behind.
    alternatives = [_alternative(form) for form in sorted(forms, key=lambda f: (-len(f), f))]
    return re.compile("|".join(alternatives)) if alternatives else None


def _forms(value: str) -> Iterator[str]:
    yield value
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    if len(value) >= _SHORT:
        raw = value.encode("utf-8", "surrogatepass")
        yield base64.b64encode(raw).decode()
        yield base64.urlsafe_b64encode(raw).decode()
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _LINE)


def _alternative(form: str) -> str:
    if len(form) >= _SHORT:
        return re.escape(form)
    return rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])"


def redact_url(url: str, safe: frozenset[str] = frozenset()) -> str:
    """A URL for people: without user and fragment, values of parameters outside `safe` masked.

    The path stays; a secret within it is the Redactor's work. What is no URL is masked
    from its first `?` or up to its last `@`.
    """
    try:
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
    except ValueError:
        return re.sub(r"\?.*", "", url.rpartition("@")[2], flags=re.DOTALL)
    query = "&".join(_pair(pair, safe) for pair in parts.query.split("&") if pair)
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _pair(pair: str, safe: frozenset[str]) -> str:
    name, separator, _ = pair.partition("=")
    if not separator:  # a bare word may be a key by itself
        return pair if pair in safe else MASK
    return pair if name in safe else f"{name}={MASK}"
