"""What an auth needs to be asked for a credential, without a server."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api
from bronze_engine.contracts import AuthResources, TokenAnswer, TokenRequest, TokenStore
from bronze_engine.workers import Workers
from tests.issuer import Issuer

T = TypeVar("T")


class Asked:
    """Implements `Exchange` over an Issuer; `before` and `after` may raise."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.requests: list[TokenRequest] = []
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None

    async def ask(self, request: TokenRequest, /) -> TokenAnswer:
        return await self.attempt(request)

    async def attempt(self, request: TokenRequest, /) -> TokenAnswer:
        self.requests.append(request)
        if self.before is not None:
            await self.before()
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        status, body = self.issuer.answer(form, request.headers.get("Authorization", ""))
        if self.after is not None:
            await self.after()
        return TokenAnswer(status=status, headers={}, body=json.dumps(body).encode())

    async def call(self, operation: Callable[[], Awaitable[T]], /, *, describe: str) -> T:
        assert describe
        return await operation()


def resources(
    clock: Clock, workers: Workers, store: TokenStore | None = None, **api: Any
) -> AuthResources:
    async def open_tokens(_: str) -> TokenStore:
        assert store is not None
        return store

    return AuthResources(
        api=Api(**{"name": "shop", "base_url": "https://api.example.com/v1", **api}),
        clock=clock,
        workers=workers,
        open_tokens=open_tokens,
    )
