"""A pipeline drafted from a URL, as tables of pipelines.toml; secrets become variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, final
from urllib.parse import parse_qsl, unquote, urlsplit

from bronze_engine.errors import ConfigError
from bronze_engine.inspection.address import Address, address_of
from bronze_engine.inspection.toml import render
from bronze_engine.inspection.variables import Variables, is_secret
from bronze_engine.inspection.wanted import Wanted
from bronze_engine.sources.http.paging.record_list import RecordList

__all__ = ["Draft", "draft"]

_BEARER: Final = re.compile(r"bearer\s+(\S+)", re.IGNORECASE)
_PARAMS_OF_PAGING: Final = ("page_param", "offset_param", "cursor_param", "size_param", "param")


@final
class Draft:
    """The tables, and the variables that stand for what is secret in them."""

    def __init__(self, address: Address, variables: Variables) -> None:
        self.api_name = address.api
        self.team = address.team
        self.entity = address.entity
        self.variables = variables
        self.api: dict[str, Any] | None = None
        """None where the API is configured already."""
        self.pipeline: dict[str, Any] = {}
        self.comments: dict[tuple[str, ...], list[str]] = {}
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
        for place in ("params", "json"):
            if isinstance(given := source.get(place), dict):
                source[place] = {name: value for name, value in given.items() if name not in own}
        if not source.get("params"):
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

    def tell_variables(self) -> None:
        """Say in a comment which variables are yet to be set."""
        if names := ", ".join(self.variables.missing):
            line = f"# To be set in the environment, or in .env beside this: {names}"
            if self.api is not None:
                self.comments["apis", self.api_name] = [line]
            else:
                self.note(lines=[line])

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
    Raises ConfigError for what can't be asked for.
    """
    address = address_of(wanted, base_url, taken)
    variables = Variables(address.api, environ)
    made = Draft(address, variables)
    source: dict[str, Any] = {"type": "http", "api": address.api, "path": _escaped(address.path)}
    auth = _user(address.url, variables)
    if wanted.bearer_variable is not None:
        auth = {"type": "bearer", "token": variables.known(wanted.bearer_variable)}
    headers = _headers(wanted, variables, auth)
    params = _params(wanted, address.url, variables, auth)
    if wanted.api is None:
        made.api = {"base_url": address.base_url.replace("${", "$${")}
        made.api |= {"auth": auth} if auth else {}
        made.api |= {"headers": headers} if headers else {}
    elif auth or headers:
        raise ConfigError(
            f"headers and credentials of [apis.{wanted.api}] belong into that table; "
            "leave out --api, or -H and --bearer-env"
        )
    if wanted.json is not None:
        source |= {"method": "POST", "json": _body(wanted.json, variables)}
    if wanted.records is not None:
        source["records"] = wanted.records
    if params:
        source["params"] = params
    made.take_request(source, wanted.json)
    made.tell_variables()
    return made


def _user(url: str, variables: Variables) -> dict[str, Any]:
    """Who a URL names in front of its host."""
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return {}
    return {
        "type": "basic",
        "username": variables.reference("USER", unquote(parts.username or "")),
        "password": variables.reference("PASSWORD", unquote(parts.password or "")),
    }


def _headers(wanted: Wanted, variables: Variables, auth: dict[str, Any]) -> dict[str, str]:
    """The headers that are no credential; the first that is one goes into `auth`, if none has."""
    headers: dict[str, str] = {}
    for name, value in wanted.headers:
        is_authorization = name.lower() == "authorization"
        bearer = _BEARER.fullmatch(value) if is_authorization else None
        if not is_authorization and not is_secret(name):
            headers[name] = value.replace("${", "$${")
        elif auth or (is_authorization and bearer is None):
            headers[name] = variables.reference(name, value)
        elif bearer is not None:
            auth |= {"type": "bearer", "token": variables.reference("TOKEN", bearer[1])}
        else:
            auth |= {"type": "api_key", "key": variables.reference("KEY", value), "name": name}
    return headers


def _params(wanted: Wanted, url: str, variables: Variables, auth: dict[str, Any]) -> dict[str, Any]:
    """Query parameters, those of the URL first; one that is a credential may go into `auth`."""
    params: dict[str, Any] = {}
    for name, value in [*parse_qsl(urlsplit(url).query, keep_blank_values=True), *wanted.params]:
        if is_secret(name) and not auth and wanted.api is None:
            key = variables.reference("KEY", value)
            auth |= {"type": "api_key", "key": key, "name": name, "location": "query"}
            continue
        text = variables.reference(name, value) if is_secret(name) else _escaped(value)
        before = params.get(name)
        several = [*(before if isinstance(before, list) else [before]), text]
        params[name] = text if before is None else several
    return params


def _escaped(text: str) -> str:
    """As a template that means the text itself."""
    return text.replace("{", "{{").replace("}", "}}").replace("${{", "$${{")


def _body(value: Any, variables: Variables, name: str = "") -> Any:
    """A JSON body as TOML has it: nulls can't be written, and are left out of objects."""
    match value:
        case dict():
            return {
                key: _body(item, variables, key) for key, item in value.items() if item is not None
            }
        case list():
            if any(item is None for item in value):
                raise ConfigError("the body has a null in a list, which TOML can't write")
            return [_body(item, variables, name) for item in value]
        case str():
            return variables.reference(name, value) if is_secret(name) else _escaped(value)
        case _:
            return value
