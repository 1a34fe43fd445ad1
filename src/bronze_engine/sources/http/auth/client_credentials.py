"""`type = "oauth2_client_credentials"`: the client proves itself and gets a token."""

from __future__ import annotations

from typing import Final, final

from bronze_engine.config.auths.oauth2 import OAuth2ClientCredentialsAuth
from bronze_engine.contracts import AuthResources, Credential, Exchange
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.sources.http.auth.tokens import as_credential, form_request, read_token
from bronze_engine.telemetry.redact import redact_url

__all__ = ["ClientCredentials"]

_ADVICE: Final = "check client_id, client_secret and token_url"


@final
class ClientCredentials:
    """RFC 6749, 4.4. A secret of a file is read anew for each token."""

    config = OAuth2ClientCredentialsAuth

    def __init__(self, config: OAuth2ClientCredentialsAuth, resources: AuthResources) -> None:
        self._config = config
        self._resources = resources

    async def credential(self, _: Credential | None, exchange: Exchange, /) -> Credential:
        auth = self._config = await self._resources.workers.run(reread, self._config)
        request = form_request(
            auth.token_url,
            {
                "grant_type": auth.grant_type,
                "scope": auth.scope,
                "audience": auth.audience,
            },
            auth.params,
            client=(auth.client_id, auth.client_secret),
            in_header=auth.credentials_in == "header",
        )
        token = read_token(
            await exchange.ask(request),
            self._resources.clock.now(),
            owner=f"[apis.{self._resources.api.name}.auth]: {redact_url(auth.token_url)}",
            invalid_grant=_ADVICE,
            auth=auth,
        )
        return as_credential(token, auth)
