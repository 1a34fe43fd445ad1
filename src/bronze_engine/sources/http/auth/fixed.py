"""Auths that the configuration holds whole: a token, a password, a key."""

from __future__ import annotations

import base64
from typing import final

from bronze_engine.config.auths.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from bronze_engine.contracts import Credential, Exchange
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.workers import Workers

__all__ = ["FixedAuth", "fixed_credential"]


@final
class FixedAuth:
    """A credential that changes only where a file holds its secret."""

    def __init__(self, config: BearerAuth | BasicAuth | ApiKeyAuth, workers: Workers) -> None:
        self._config = config
        self._workers = workers

    async def credential(self, refused: Credential | None, _: Exchange, /) -> Credential:
        if refused is None:
            return fixed_credential(self._config)
        renewed = await self._workers.run(reread, self._config)
        if renewed == self._config:
            return refused
        self._config = renewed
        return fixed_credential(renewed)


def fixed_credential(auth: Auth | None) -> Credential:
    """What of an auth is known without asking anybody; nothing of one that must ask."""
    match auth:
        case BearerAuth(token=token):
            text = token.reveal()
            return Credential(headers={"Authorization": f"Bearer {text}"}, secrets=(text,))
        case BasicAuth(username=username, password=password):
            pair = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()
            return Credential(
                headers={"Authorization": f"Basic {pair}"}, secrets=(pair, password.reveal())
            )
        case ApiKeyAuth(key=key, name=name, location="header"):
            return Credential(headers={name: key.reveal()}, secrets=(key.reveal(),))
        case ApiKeyAuth(key=key, name=name):
            return Credential(params={name: key.reveal()}, secrets=(key.reveal(),))
        case _:
            return Credential()
