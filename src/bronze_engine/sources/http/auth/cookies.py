"""The cookies that an answer sets (RFC 6265), as a client of one API sends them back."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["cookies_in"]

_NEXT: Final = re.compile(r",\s*(?=[^\s;,=]+=)")
"""Between cookies whose headers were joined: the comma of a date has no name behind it."""


def cookies_in(header: str) -> tuple[dict[str, str], float | None]:
    """Names and values by the Set-Cookie headers of an answer, joined with commas, and after
    how many seconds the first of them expires; None where none says so.

    A cookie that is taken back (without a value, or with a Max-Age of 0) is none. Domain and
    Path are not looked at: all that is asked for lies at the origin of the login.
    """
    cookies: dict[str, str] = {}
    lifetimes: list[float] = []
    for one in _NEXT.split(header):
        pair, *attributes = one.split(";")
        name, _, value = pair.strip().partition("=")
        ages = [
            float(text)
            for key, _, text in (each.strip().partition("=") for each in attributes)
            if key.lower() == "max-age" and text.lstrip("-").isdigit()
        ]
        if not name or not value or any(age <= 0 for age in ages):
            cookies.pop(name, None)
            continue
        cookies[name] = value
        lifetimes += ages
    return cookies, min(lifetimes, default=None)
