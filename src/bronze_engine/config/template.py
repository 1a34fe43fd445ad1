"""Templates in the path, params and json of a request.

    {run_date}            2025-01-15
    {run_date:%Y%m%d}     20250115 (strftime)
    {low}  {high}         the bounds of the window, or of its step
    {parent.customer.id}  a field of the parent's record, by dotted path
    {job.id}              a field of the answer that made an export's job
    {page.offset}         a parameter of the paginator, where its param_in is "template"
    {page.after:0}        the same, with what stands there before there is one
    {{  }}                a literal brace

All functions are pure. A text that is no template is a ConfigError that does not show it:
what stands around a placeholder may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import quote

import msgspec

from bronze_engine.errors import ConfigError

__all__ = [
    "NAMES",
    "Values",
    "fields_of",
    "is_bare",
    "render",
    "render_json",
    "render_params",
    "render_url",
    "substitute",
    "uses",
]

Values = Mapping[str, str | date | msgspec.Raw | None]
"""What the names stand for; None where it is not known yet (the low of the first run). Numbers
and booleans of a server are kept as it wrote them."""

NAMES: Final = frozenset({"run_date", "low", "high"})

_TOKEN = re.compile(r"\{\{|\}\}|\{((?:parent|job|page)\.[^{}:]+|[a-z_]+)(?::([^{}]*))?\}|[{}]")
_FIELD = re.compile(r"(parent|job|page)\.(.+)")
_FIRST: Final = "page."
"""Names whose format is what they stand for before there is a value."""


def uses(value: Any) -> frozenset[str]:
    """The names in a text, or in every text of a list or table. Raises ConfigError."""
    names: set[str] = set()
    if isinstance(value, str):
        for match in _TOKEN.finditer(value):
            name = _checked(match)
            if name is not None:
                names.add(name)
    elif isinstance(value, Mapping):
        names.update(*(uses(item) for item in value.values()))
    elif isinstance(value, list | tuple):
        names.update(*(uses(item) for item in value))
    return frozenset(names)


def fields_of(owner: str, value: Any) -> frozenset[str]:
    """The dotted paths that `{owner.path}` names in a value. Raises ConfigError."""
    found = map(_FIELD.fullmatch, uses(value))
    return frozenset(match[2] for match in found if match is not None and match[1] == owner)


def is_bare(value: Any) -> bool:
    """Whether a text is made of placeholders and punctuation alone: nothing in it is secret."""
    return (
        isinstance(value, str)
        and bool(uses(value))
        and not any(character.isalnum() for character in _TOKEN.sub("", value))
    )


def render(text: str, values: Values) -> str:
    """The text with every placeholder replaced.

    Raises ConfigError for a name that is unknown or whose value is not known yet.
    """
    return _render(text, values, str)


def render_url(text: str, values: Values) -> str:
    """As `render`, with each value percent-encoded whole: a `/` in it starts no segment."""
    return _render(text, values, lambda value: quote(value, safe=""))


def render_params(params: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Query parameters with their texts rendered; not percent-encoded, the client does that.

    A parameter that uses a value that is not known yet is left out: the first run of an
    incremental pipeline asks for everything.
    """
    return {key: _param(value, values) for key, value in params.items() if _is_known(value, values)}


def _param(value: Any, values: Values) -> Any:
    match value:
        case str():
            return render(value, values)
        case list():
            return [_param(item, values) for item in value]
        case _:
            return value


def render_json(value: Any, values: Values) -> Any:
    """A JSON value with its texts rendered, at any depth; keys are left alone.

    Where a text uses a value that is not known yet, its member is left out of an object,
    and it is null elsewhere. A text that is nothing but a field keeps that field's type: a
    number stays a number.
    """
    match value:
        case str() if isinstance(field := values.get(value[1:-1]), msgspec.Raw) and _is_field(
            value
        ):
            return field
        case str():
            return render(value, values) if _is_known(value, values) else None
        case dict():
            return {
                key: render_json(item, values)
                for key, item in value.items()
                if not isinstance(item, str) or _is_known(item, values)
            }
        case list() | tuple():
            return [render_json(item, values) for item in value]
        case _:
            return value


def _is_field(text: str) -> bool:
    token = _TOKEN.fullmatch(text)
    return token is not None and token[1] is not None and _FIELD.fullmatch(token[1]) is not None


def _is_known(value: Any, values: Values) -> bool:
    unknown = {name for name in uses(value) if values.get(name, "") is None}
    return not unknown or unknown <= _begun(value)


def _begun(value: Any) -> frozenset[str]:
    """The names in a text that say themselves what they begin with."""
    if not isinstance(value, str):
        return frozenset()
    return frozenset(
        match[1] for match in _TOKEN.finditer(value) if match[1] and match[2] is not None
    )


def _checked(match: re.Match[str]) -> str | None:
    """The name in a token of a template, or None for a doubled brace."""
    token, name, spec = match[0], match[1], match[2]
    if token in ("{{", "}}"):
        return None
    if name is None:
        raise ConfigError(f"a single `{token}` is no template; double it where it means itself")
    if name not in NAMES and _FIELD.fullmatch(name) is None:
        known = ", ".join(f"{{{known}}}" for known in sorted(NAMES))
        raise ConfigError(
            f"unknown template {{{name}}}; known are {known}; write `{{{{` for a literal brace"
        )
    if spec is not None and name.startswith(_FIRST):
        return str(name)
    if spec is not None and (name != "run_date" or "%" not in spec):
        raise ConfigError(
            "only {run_date} takes a format, and that of strftime: {run_date:%Y%m%d}; the bounds "
            "that an API is sent are written by incremental.format"
        )
    return str(name)


def substitute(text: str, value: Callable[[str, str | None], str]) -> str:
    """The text with every placeholder replaced by what `value(name, format)` says.

    Raises ConfigError for what is no template.
    """

    def replace(match: re.Match[str]) -> str:
        name = _checked(match)
        return str(match[0][0]) if name is None else value(name, match[2])

    return _TOKEN.sub(replace, text)


def _render(text: str, values: Values, encode: Callable[[str], str]) -> str:
    def known(name: str, style: str | None) -> str:
        value = values.get(name)
        if value is None and style is not None and name.startswith(_FIRST):
            return encode(style)
        if value is None:
            raise ConfigError(
                f"{{{name}}} has no value in this run; set incremental.initial, "
                "or use it in params, where it is left out"
            )
        if isinstance(value, date):
            return encode(value.strftime(style) if style else value.isoformat())
        if isinstance(value, msgspec.Raw):
            return encode(bytes(value).decode())
        return encode(value)

    return substitute(text, known)
