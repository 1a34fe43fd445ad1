"""What a source's requests ask for: URL, parameters and body, rendered for one run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from bronze_engine.config import template
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Request
from bronze_engine.sources.http.auth.credentials import Credentials
from bronze_engine.sources.http.bounds import bound_params
from bronze_engine.sources.http.paging.pager import Ask
from bronze_engine.sources.http.url import build_url
from bronze_engine.telemetry.redact import Redactor, redact_url

__all__ = ["Target"]

_SHORTEST_SECRET: Final = 6
"""Parameter values shorter than this are left in the server's messages."""


@final
class Target:
    """The requests of one run. Raises ConfigError for a template that can't be rendered."""

    def __init__(
        self,
        config: HttpSourceConfig,
        request: Request,
        credentials: Credentials,
        paging: Collection[str],
    ) -> None:
        low = request.read_from if request.read_from is not None else request.low
        values = {"run_date": request.run_date, "low": low, "high": request.cap}
        window = bound_params(request.incremental, low, request.cap)
        dated = [name for name, value in config.params.items() if template.is_bare(value)]
        self._clear = frozenset({*paging, *window, *dated})
        path = template.render_url(config.path, values)
        params: dict[str, Any] = {**template.render_params(config.params, values), **window}
        # What all pages share is rendered once; a page adds its few parameters, over those that
        # the configuration gives the paginator to begin with.
        self._initial = {name: params.pop(name) for name in paging if name in params}
        self._fixed = build_url(config.api.base_url, path, params)
        self._fixed_shown = redact_url(self._fixed, self._clear)
        hidden = [
            value
            for name, value in parse_qsl(urlsplit(self._fixed).query)
            if name not in self._clear and len(value) >= _SHORTEST_SECRET
        ]
        self.scrub = Redactor(lambda: [*credentials.secrets, *hidden])
        """Takes our credentials and parameters out of a server's text."""
        self.body = (
            msgspec.json.encode(template.render_json(config.json, values))
            if config.json is not None
            else None
        )

    @property
    def location(self) -> str:
        """The URL without query."""
        return self._fixed_shown.partition("?")[0]

    def url(self, ask: Ask) -> str:
        return ask.url or build_url(self._fixed, "", {**self._initial, **ask.params})

    def shown(self, ask: Ask) -> str:
        """The URL as messages may show it."""
        if ask.url is not None:
            return redact_url(ask.url, self._clear)
        return build_url(self._fixed_shown, "", {**self._initial, **ask.params})
