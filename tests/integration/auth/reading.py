"""A source that reads with tokens, under an issuer's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bronze_engine.config.auths.oauth2 import OAuth2ClientCredentialsAuth
from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.config.units import Secret
from tests.integration.http_server import Opened, Server, opened
from tests.issuer import CLIENT, Issuer


def client_credentials(server: Server | str, **more: Any) -> OAuth2ClientCredentialsAuth:
    url = server if isinstance(server, str) else server.url
    return OAuth2ClientCredentialsAuth(
        token_url=f"{url}/token", client_id=CLIENT[0], client_secret=Secret(CLIENT[1]), **more
    )


@asynccontextmanager
async def reading(server: Server, auth: Any, issuer: Issuer, **more: Any) -> AsyncIterator[Opened]:
    api = {"auth": auth, **more.pop("api", {})}
    paginator = PagePaginator(**more.pop("paginator", {}))
    async with opened(server, api=api, clock=issuer.clock, paginator=paginator, **more) as source:
        yield source
