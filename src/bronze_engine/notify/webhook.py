"""A webhook: each message is one request, tried again like any other.

Proxies, certificates and what is retried are those of APIs. No redirect is followed: it would
carry the message, and the headers with their keys, to where nobody has named.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, final
from urllib.parse import urlsplit

import httpx

from bronze_engine.clock import Clock
from bronze_engine.config.notify import WebhookNotify
from bronze_engine.config.notify_body import fill
from bronze_engine.contracts import Limits
from bronze_engine.errors import ExtractError, RetryError
from bronze_engine.limits.transient import Transient, parse_retry_after
from bronze_engine.network.proxy import proxy_choice
from bronze_engine.network.tls import tls_context
from bronze_engine.notify.attempts import attempts_of
from bronze_engine.notify.message import Message, fields_of, to_json
from bronze_engine.notify.slack import slack_body
from bronze_engine.sources.http.wire.faults import is_passing
from bronze_engine.sources.http.wire.transport import Transport
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.version import __version__
from bronze_engine.workers import Workers

__all__ = ["Webhook", "open_webhook"]

_UNPRINTABLE = re.compile(r"[^!-~]")


@final
class Webhook:
    """Sends messages to one URL. Implements `notify.sender.Sender`."""

    def __init__(
        self,
        config: WebhookNotify,
        transport: Transport,
        limits: Limits,
        clock: Clock,
        hide: Callable[[str], str],
    ) -> None:
        self._config = config
        self._transport = transport
        self._limits = limits
        self._clock = clock
        self._hide = hide
        url = urlsplit(config.url.reveal())
        host = f"{url.hostname}:{url.port}" if url.port else url.hostname
        self._shown = f"{config.method} {url.scheme}://{host}"
        """The path of a chat service's hook is its key."""

    async def send(self, message: Message, /) -> None:
        """Send it, with up to `attempts` tries.

        Raises RetryError when they are spent, ExtractError for what another try will not
        change. Cancelled, it closes the connection.
        """
        headers = {name: value.reveal() for name, value in self._config.headers.items()}
        headers["Content-Type"] = "application/json"
        named = {name.lower() for name in headers}
        usual = {
            "User-Agent": f"bronze-engine/{__version__}",
            "Accept": "*/*",
            "Idempotency-Key": _UNPRINTABLE.sub("-", message.id),  # a batch's id may be anything
        }
        headers |= {name: value for name, value in usual.items() if name.lower() not in named}
        body = to_json(self._body(message), self._hide)
        if self._config.body is not None:
            # Its own texts may be keys that the receiver asks for; only ours are masked.
            values = {name: self._hide(text) for name, text in fields_of(message).items()}
            body = to_json(fill(self._config.body, values), str)
        shown = f"notify.{self._config.name}: {self._shown}"
        try:
            await self._limits.call(lambda: self._attempt(headers, body), describe=shown)
        except RetryError as exc:
            raise RetryError(
                f"{shown} failed, at last with: {exc.__cause__ or exc.message}; check that it is up"
                " and can be reached from here. The message is lost, and no run needs to be"
                " repeated for that",
                **exc.context,
            ) from exc

    def _body(self, message: Message) -> Any:
        return slack_body(message) if self._config.format == "slack" else message

    async def _attempt(self, headers: dict[str, str], body: bytes) -> None:
        timeout = float(self._config.timeout)
        encoded = [(name.encode("ascii"), value.encode()) for name, value in headers.items()]
        try:
            request = httpx.Request(
                self._config.method,
                self._config.url.reveal(),
                headers=encoded,
                content=body,
                extensions={"timeout": {"connect": timeout, "read": timeout}},
            )
            reply = await self._transport.ask(request)
            await reply.aclose()  # what it says is nobody's business; its status is
        except httpx.InvalidURL:
            raise ExtractError(f"notify.{self._config.name}.url is no URL") from None
        except httpx.TransportError as exc:
            if is_passing(exc):
                raise Transient(str(exc)) from exc
            raise ExtractError(f"{self._shown}: {exc}; check url, proxy and ca_file") from exc
        self._judge(reply.status, dict(_decoded(reply.headers)))

    def _judge(self, status: int, headers: dict[str, str]) -> None:
        if 200 <= status < 300:
            return
        if status == 429 or status >= 500 or status in (408, 425):
            asked = None
            if status in (429, 503):
                asked = parse_retry_after(headers.get("retry-after"), self._clock.now())
            raise Transient(f"status {status}", counts=status != 429, retry_after_seconds=asked)
        if 300 <= status < 400:
            raise ExtractError(
                f"{self._shown} redirects ({status}), which would carry the message elsewhere; set"
                f" notify.{self._config.name}.url to where it is now"
            )
        raise ExtractError(
            f"{self._shown} refused the message with status {status}; check url, headers and body"
        )


def _decoded(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


@asynccontextmanager
async def open_webhook(
    config: WebhookNotify, clock: Clock, workers: Workers, secrets: Callable[[], frozenset[str]]
) -> AsyncIterator[Webhook]:
    """A webhook with its connections; they are closed on leaving.

    `secrets` are masked in what is sent. Raises ConfigError for a proxy or certificate file
    that is none.
    """
    owner = f"notify.{config.name}"
    choice = proxy_choice(config.proxy, f"{owner}.proxy")
    context = None
    if config.ca_file is not None:
        context = await workers.run(lambda: tls_context(owner, ca_file=config.ca_file))
    async with Transport(
        proxy=lambda url: choice(url.scheme, url.netloc.decode("ascii")),
        tls=lambda _: True if context is None else context,
    ) as transport:
        yield Webhook(config, transport, attempts_of(config, clock), clock, Redactor(secrets))
