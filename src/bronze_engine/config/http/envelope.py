"""Paths of [….source.envelope]: to what stands around the records."""

from __future__ import annotations

import json

import msgspec

from bronze_engine.config.http.selector import parse_selector

__all__ = ["EnvelopePath", "parse_envelope_path"]


class EnvelopePath(msgspec.Struct, frozen=True, kw_only=True):
    names: tuple[str, ...]
    is_above: bool = False
    """From the object that holds the record list, not from the body's root."""
    is_exact: bool = False
    """Of a JSONPath: names with dots are told from paths by their quotes."""
    is_optional: bool = False


def parse_envelope_path(text: str) -> EnvelopePath:
    """Read "meta.exported_at", "^.id", "$.meta['exported.at']"; a "?" behind it makes it optional.

    Raises ValueError that says what is wrong.
    """
    path = text.removesuffix("?")
    is_optional = path != text
    if path.startswith("$"):
        selector = parse_selector(path)
        names = selector.names
        if not names or selector.last is not None:
            raise ValueError("must lead to one value, by names alone")
        return EnvelopePath(names=names, is_exact=True, is_optional=is_optional)
    is_above = path.startswith("^.")
    names = tuple((path[2:] if is_above else path).split("."))
    if not all(names):
        raise ValueError(
            f"{json.dumps(text)} is no path; write meta.exported_at from the body's root, or "
            "^.id from the object that holds the record list"
        )
    return EnvelopePath(names=names, is_above=is_above, is_optional=is_optional)
