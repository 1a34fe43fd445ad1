"""Where an API is, what is asked for below it, and what both are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from bronze_engine.errors import ConfigError
from bronze_engine.inspection.wanted import Wanted

__all__ = ["Address", "address_of"]

_NAME_PART: Final = re.compile(r"[^A-Za-z0-9_-]+")
_VERSION: Final = re.compile(r"v\d+(?:\.\d+)*|\d{4}-\d{2}(?:-\d{2})?|api|rest", re.IGNORECASE)
_NO_NAME: Final = frozenset({"api", "www", "my", "app", "rest", "data", "gateway"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A URL, divided; and names for the API and the pipeline."""

    url: str
    """The whole of it, with user and query, where it has them."""
    base_url: str
    path: str
    api: str
    team: str
    entity: str


def address_of(wanted: Wanted, base_url: str | None, taken: Sequence[str]) -> Address:
    """Divide what is wanted; `base_url` is that of `wanted.api`, `taken` are pipelines' names.

    Raises ConfigError for what is no URL, lies elsewhere than the API, or is no name.
    """
    if wanted.api is not None and base_url is not None:
        url, path = _below(wanted.url, base_url, wanted.api)
        api = wanted.api
    else:
        url = _checked(wanted.url)
        base_url, path = _divided(url)
        api = _api_name(url)
    team, entity = _pipeline_name(wanted.name, api, path, taken)
    return Address(url=url, base_url=base_url, path=path, api=api, team=team, entity=entity)


def _checked(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(
            "that is no URL of an API; write https://api.example.com/v1/orders, or the name of "
            "a pipeline as team.name"
        )
    return text.partition("#")[0]


def _below(text: str, base_url: str, api: str) -> tuple[str, str]:
    """The URL with its query, and its path below the API's base_url."""
    base = base_url.rstrip("/")
    if "://" not in text:
        path, _, query = text.partition("#")[0].partition("?")
        path = f"/{path.lstrip('/')}"
        return f"{base}{path}{'?' if query else ''}{query}", path
    url = _checked(text)
    bare, _, _ = url.partition("?")
    if bare != base and not bare.startswith(f"{base}/"):
        raise ConfigError(
            f"the URL does not lie below the base_url of [apis.{api}]; give a path below it, "
            "or leave out --api"
        )
    return url, bare.removeprefix(base) or ""


def _divided(url: str) -> tuple[str, str]:
    """The base URL that other resources share, and the path below it.

    What looks like a version or a mount point, among the first parts of the path, belongs to
    the base.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    names = [name for name in parts.path.split("/") if name]
    at = max(
        (place + 1 for place, name in enumerate(names[:-1][:5]) if _VERSION.fullmatch(name)),
        default=0,
    )
    base = "/".join((f"{parts.scheme}://{host}", *names[:at]))
    slash = "/" if parts.path.endswith("/") and names[at:] else ""
    return base, f"/{'/'.join(names[at:])}{slash}" if names[at:] else ""


def _api_name(url: str) -> str:
    host = (urlsplit(url).hostname or "").lower()
    if ":" in host or host.replace(".", "").isdigit() or host == "localhost":
        return "local"
    labels = [label for label in host.split(".")[:-1] if label not in _NO_NAME]
    if len(labels) > 1 and len(labels[-1]) <= 3:
        labels.pop()  # co.uk, com.au
    return _plain(labels[-1] if labels else host) or "api"


def _pipeline_name(given: str | None, api: str, path: str, taken: Sequence[str]) -> tuple[str, str]:
    if given is not None:
        team, dot, entity = given.partition(".")
        if not dot or _plain(team) != team or _plain(entity) != entity:
            raise ConfigError(f"--name {given!r} is no name of a pipeline; write team.name")
        return team, entity
    last = next((name for name in reversed(path.split("/")) if name), "")
    entity = _plain(unquote(last).partition(".")[0]) or "records"
    name, number = entity, 2
    while f"{api}.{name}" in taken:
        name, number = f"{entity}_{number}", number + 1
    return api, name


def _plain(text: str) -> str:
    return _NAME_PART.sub("_", text).strip("_-")[:64]
