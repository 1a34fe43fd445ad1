"""What a source's requests ask for: URL, parameters and body, rendered for one run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from typing import Any, Final, final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from bronze_engine.config import template
from bronze_engine.config.http.graphql import templated_json
from bronze_engine.config.http.paginator import GraphqlPaginator, Paginator, Place
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Request
from bronze_engine.errors import PageError
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.bounds import bound_params, bound_texts
from bronze_engine.sources.http.paging.pager import Ask, Token
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import Redactor, redact_url

__all__ = ["Target"]

_ANY_PAGE: Final = "*"
"""Stands for a page's parameters in the URL of them all."""
_SHORTEST_SECRET: Final = 6
"""Parameter values shorter than this are left in the server's messages."""


@final
class Target:
    """The requests of one chain. Raises ConfigError for a template that can't be rendered.

    `fields` are what templates may use beside what the run gives: `parent.id`, `job.id`.
    """

    def __init__(
        self,
        config: HttpSourceConfig,
        request: Request,
        credentials: Credentials,
        paging: Collection[str],
        fields: template.Values | None = None,
    ) -> None:
        low = request.read_from if request.read_from is not None else request.low
        low_text, high_text = bound_texts(
            request.incremental, low, request.cap, cap_open=request.cap_open
        )
        values: template.Values = {
            "run_date": request.run_date,
            "low": low_text,
            "high": high_text,
            **(fields or {}),
        }
        window = bound_params(
            request.incremental,
            low,
            request.cap,
            low_open=request.low_open,
            cap_open=request.cap_open,
        )
        dated = [name for name, value in config.params.items() if template.is_bare(value)]
        self._told = frozenset({*window, *dated})
        self._config, self._values, self._window = config, values, window
        self._params: dict[str, Any]
        if _place(config.paginator) == "template":
            self._values = {**values, **{f"page.{name}": _ANY_PAGE for name in paging}}
        self._plain, self._params = self._rendered(self._values)
        self._page_by(config.paginator, paging)
        hidden = [
            value
            for name, value in parse_qsl(urlsplit(self._fixed).query)
            if name not in self._clear and len(value) >= _SHORTEST_SECRET
        ]
        self._headers = template.render_params(config.headers, self._values)
        self.scrub = Redactor(lambda: [*credentials.secrets, *hidden])
        """Takes our credentials and parameters out of a server's text."""
        templated, literal = templated_json(config.json, config.paginator)
        rendered = template.render_json(templated, self._values)
        self._json: Any = {**literal, **rendered} if literal else rendered
        self._body = msgspec.json.encode(self._json) if config.json is not None else None

    def _rendered(self, values: template.Values) -> tuple[str, dict[str, Any]]:
        """The URL without query, and the parameters but those of the paginator."""
        path = template.render_url(self._config.path, values)
        params = template.render_params(self._config.params, values)
        return build_url(self._config.api.base_url, path, {}), {**params, **self._window}

    def _page_by(self, paginator: Paginator, paging: Collection[str]) -> None:
        self._place = _place(paginator)
        in_query = paging if self._place == "query" else ()
        self._clear = self._told.union(in_query)
        # What all pages share is rendered once; a page adds its few parameters, over those that
        # the configuration gives the paginator to begin with.
        params = dict(self._params)
        self._initial = {name: params.pop(name) for name in in_query if name in params}
        self._fixed = build_url(self._plain, "", params)
        self._fixed_shown = redact_url(self._fixed, self._clear)

    def paged_by(self, paginator: Paginator, paging: Collection[str]) -> Target:
        """The same for another paginator, whose parameters have these names."""
        other = copy(self)
        other._page_by(paginator, paging)  # noqa: SLF001  # a copy of this
        return other

    @property
    def location(self) -> str:
        """The URL without query."""
        return self._fixed_shown.partition("?")[0]

    def url(self, ask: Ask) -> str:
        if ask.url is not None:
            return ask.url
        if self._place == "template":
            plain, params = self._rendered(self._values_for(ask))
            return build_url(plain, "", params)
        return build_url(self._fixed, "", self._query(ask))

    def body(self, ask: Ask) -> bytes | None:
        """The JSON to send, the page's parameters in it where they go there."""
        if self._place == "template" and self._body is not None:
            return msgspec.json.encode(
                template.render_json(self._config.json, self._values_for(ask))
            )
        if self._place != "body" or not ask.params:
            return self._body
        body: Mapping[str, Any] = self._json or {}
        for name, value in ask.params.items():
            body = _with(body, name.split("."), value)
        return msgspec.json.encode(body)

    def sent(self, ask: Ask) -> object:
        """The JSON that `body` sends, decoded; None where there is none."""
        body = self.body(ask)
        return None if body is None else msgspec.json.decode(body)

    def headers(self, ask: Ask) -> Mapping[str, str] | None:
        """What the request has beside the API's headers, or in their place; None for nothing.

        Raises PageError for a value that no header can hold.
        """
        headers = self._headers
        if self._place == "template":
            headers = template.render_params(self._config.headers, self._values_for(ask))
        elif self._place == "header":
            headers = headers | {name: str(value) for name, value in ask.params.items()}
        if not headers:
            return None
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise PageError(f"the value for the header {name} holds what no header can")
        return headers

    def shown(self, ask: Ask) -> str:
        """The URL as messages may show it."""
        if ask.url is not None or self._place == "template":
            return redact_url(self.url(ask), self._clear)
        return build_url(self._fixed_shown, "", self._query(ask))

    def _values_for(self, ask: Ask) -> template.Values:
        """What templates may use for one page; None for what no page before has told."""
        told = {
            f"page.{name}": msgspec.Raw(str(value).encode()) if isinstance(value, int) else value
            for name, value in ask.params.items()
        }
        paged = dict.fromkeys(name for name in self._values if name.startswith("page."))
        return {**self._values, **paged, **told}

    def _query(self, ask: Ask) -> dict[str, Any]:
        return {**self._initial, **ask.params} if self._place == "query" else {}


def _place(paginator: Paginator) -> Place:
    if isinstance(paginator, GraphqlPaginator):
        return "body"
    place: Place = getattr(paginator, "param_in", "query")
    return place


def _with(body: Mapping[str, Any], path: Sequence[str], value: Token) -> Mapping[str, Any]:
    """A copy of `body` with the value at that path; tables on the way there are made."""
    if len(path) == 1:
        return {**body, path[0]: value}
    inner = body.get(path[0])
    return {**body, path[0]: _with(inner if isinstance(inner, dict) else {}, path[1:], value)}
