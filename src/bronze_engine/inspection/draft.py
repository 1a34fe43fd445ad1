"""A pipeline drafted from a URL, as tables of pipelines.toml; secrets become variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from bronze_engine.config.sensitive import is_credential_name
from bronze_engine.errors import ConfigError
from bronze_engine.inspection.toml import render
from bronze_engine.sources.http.paging.record_list import RecordList

__all__ = ["Draft", "Wanted", "draft"]

_NAME_PART: Final = re.compile(r"[^A-Za-z0-9_-]+")
_VERSION: Final = re.compile(r"v\d+(?:\.\d+)*|\d{4}-\d{2}(?:-\d{2})?|api|rest", re.IGNORECASE)
_NO_NAME: Final = frozenset({"api", "www", "my", "app", "rest", "data", "gateway"})
_BEARER: Final = re.compile(r"bearer\s+(\S+)", re.IGNORECASE)


_PARAMS_OF_PAGING: Final = (*("page_param", "offset_param", "cursor_param", "size_param", "param"),)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks to be inspected. Headers and parameters may hold secrets."""

    url: str
    """A URL; with `api` also a path below its base_url."""
    api: str | None = None
    """An entry of [apis] whose address, credentials and limits are used."""
    name: str | None = None
    """`team.name` for the pipeline; None: from the URL."""
    headers: tuple[tuple[str, str], ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    bearer_variable: str | None = None
    """The variable that holds the bearer token."""
    json: Any = None
    """The body of a POST; None: a GET."""
    records: str | None = None


@final
class Draft:
    """The tables, and the variables that stand for what is secret in them."""

    def __init__(self, api_name: str, team: str, entity: str) -> None:
        self.api_name = api_name
        self.team = team
        self.entity = entity
        self.api: dict[str, Any] | None = {}
        """None where the API is configured already."""
        self.pipeline: dict[str, Any] = {}
        self.comments: dict[tuple[str, ...], list[str]] = {}
        self.variables: dict[str, str] = {}
        """Those that are not set where we run, with their values."""
        self._given: dict[str, Any] = {}
        self._json: Any = None

    @property
    def name(self) -> str:
        return f"{self.team}.{self.entity}"

    @property
    def source(self) -> dict[str, Any]:
        source: dict[str, Any] = self.pipeline["source"]
        return source

    @property
    def text(self) -> str:
        """As pipelines.toml has it."""
        tree: dict[str, Any] = {}
        if self.api is not None:
            tree["apis"] = {self.api_name: self.api}
        tree["pipelines"] = {self.team: {self.entity: self.pipeline}}
        return render(tree, self.comments)

    def take_records(self, records: RecordList) -> None:
        """Set where the records are, and what they are."""
        if records.path is not None:
            self.source["records"] = records.path
        if records.first is not None and not isinstance(records.first, dict):
            kind = "array" if isinstance(records.first, list) else "value"
            self.source["record_kind"] = kind
            if isinstance(records.first, list):
                width = len(records.first)
                self.source["record_keys"] = [f"column_{place}" for place in range(1, width + 1)]

    def take_paginator(self, settings: Mapping[str, Any]) -> None:
        """Set the paginator; parameters that it sends itself are no parameters any more.

        A GraphQL query is sent as it is by the graphql paginator alone: for the others its
        braces are doubled.
        """
        source = self.source
        source.pop("paginator", None)
        source.update(self._given)
        own = {settings.get(name) for name in _PARAMS_OF_PAGING}
        params = {
            name: value for name, value in self._given.get("params", {}).items() if name not in own
        }
        if params:
            source["params"] = params
        else:
            source.pop("params", None)
        if settings["type"] == "graphql" and isinstance(source.get("json"), dict):
            query = str(self._json.get("query", ""))
            source["json"] = {**source["json"], "query": query.replace("${", "$${")}
        source["paginator"] = dict(settings)

    def take_request(self, source: dict[str, Any], json: Any) -> None:
        """Set what is asked for; `json` is the body as it is sent."""
        self.pipeline = {"load": "full", "source": source}
        self._given = {name: source[name] for name in ("params", "json") if name in source}
        self._json = json

    def note(self, *below: str, lines: Sequence[str]) -> None:
        """Comment at the end of a table of the pipeline."""
        path = ("pipelines", self.team, self.entity, *below)
        self.comments.setdefault(path, []).extend(lines)


def draft(
    wanted: Wanted,
    environ: Mapping[str, str],
    *,
    base_url: str | None = None,
    taken: Sequence[str] = (),
) -> Draft:
    """The first draft: one page of `wanted.url`, with what was given along.

    `base_url` is that of `wanted.api`; `taken` are names that pipelines have. A secret is
    written as the variable of `environ` that holds it, or as one that is yet to be set.
    Raises ConfigError for what is no URL, or lies elsewhere than the API.
    """
    if wanted.api is not None and base_url is not None:
        url, path = _below(wanted.url, base_url, wanted.api)
        api_name = wanted.api
    else:
        url = _checked(wanted.url)
        base_url, path = _divided(url)
        api_name = _api_name(url)
    team, entity = _pipeline_name(wanted.name, api_name, path, taken)
    made = Draft(api_name, team, entity)
    secret = _Secrets(api_name, environ, made.variables)
    parts = urlsplit(url)
    source: dict[str, Any] = {"type": "http", "api": api_name, "path": _escaped(path)}
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *wanted.params]
    params: dict[str, Any] = {}
    auth: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if parts.username or parts.password:
        auth = {
            "type": "basic",
            "username": secret("USER", unquote(parts.username or "")),
            "password": secret("PASSWORD", unquote(parts.password or "")),
        }
    if wanted.bearer_variable is not None:
        if not environ.get(wanted.bearer_variable):
            raise ConfigError(f"--bearer-env: the variable {wanted.bearer_variable} is not set")
        auth = {"type": "bearer", "token": f"${{{wanted.bearer_variable}}}"}
    for name, value in wanted.headers:
        bearer = _BEARER.fullmatch(value) if name.lower() == "authorization" else None
        if bearer is not None and not auth:
            auth = {"type": "bearer", "token": secret("TOKEN", bearer[1])}
        elif name.lower() == "authorization" or is_credential_name(name):
            if auth or name.lower() == "authorization":
                headers[name] = secret(name, value)
            else:
                auth = {"type": "api_key", "key": secret("KEY", value), "name": name}
        else:
            headers[name] = value.replace("${", "$${")
    for name, value in pairs:
        if is_credential_name(name) and not auth and wanted.api is None:
            auth = {
                "type": "api_key",
                "key": secret("KEY", value),
                "name": name,
                "location": "query",
            }
            continue
        text = secret(name, value) if is_credential_name(name) else _escaped(value)
        before = params.get(name)
        params[name] = (
            text if before is None else [*(before if isinstance(before, list) else [before]), text]
        )
    if wanted.api is None:
        made.api = {"base_url": base_url.replace("${", "$${")}
        if auth:
            made.api["auth"] = auth
        if headers:
            made.api["headers"] = headers
    elif auth or headers:
        raise ConfigError(
            f"headers and credentials of [apis.{wanted.api}] belong into that table; "
            "leave out -H, --bearer-env and --api, or two of them"
        )
    else:
        made.api = None
    if wanted.json is not None:
        source["method"] = "POST"
        source["json"] = _body(wanted.json)
    if wanted.records is not None:
        source["records"] = wanted.records
    if params:
        source["params"] = params
    made.take_request(source, wanted.json)
    return made


@final
class _Secrets:
    """Names a variable for each secret."""

    def __init__(self, api: str, environ: Mapping[str, str], missing: dict[str, str]) -> None:
        self._api = api
        self._environ = environ
        self._missing = missing

    def __call__(self, name: str, value: str) -> str:
        for known, held in sorted(self._environ.items()):
            if held == value and len(value) >= 4 and re.fullmatch(r"[A-Za-z_]\w*", known, re.ASCII):
                return f"${{{known}}}"
        variable = re.sub(r"\W", "_", f"{self._api}_{name}", flags=re.ASCII).upper()
        variable = variable if variable[0].isalpha() else f"API_{variable}"
        while self._missing.get(variable, value) != value or variable in self._environ:
            variable += "_2"
        self._missing[variable] = value
        return f"${{{variable}}}"


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


def _escaped(text: str) -> str:
    """As a template that means the text itself."""
    return text.replace("{", "{{").replace("}", "}}").replace("${{", "$${{")


def _body(value: Any) -> Any:
    """A JSON body as TOML has it: nulls can't be written, and are left out of objects."""
    match value:
        case dict():
            return {name: _body(item) for name, item in value.items() if item is not None}
        case list():
            if any(item is None for item in value):
                raise ConfigError("the body has a null in a list, which TOML can't write")
            return [_body(item) for item in value]
        case str():
            return _escaped(value)
        case _:
            return value
