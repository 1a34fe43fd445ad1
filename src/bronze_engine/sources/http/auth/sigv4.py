"""`type = "sigv4"`: each request is signed as AWS wants it, by botocore's own signer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, final

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from bronze_engine.clock import Clock
from bronze_engine.config.auths.signing import SigV4Auth as SigV4Config
from bronze_engine.contracts import AuthResources, Credential, Exchange, Outgoing, Sign, Signature
from bronze_engine.errors import AuthError
from bronze_engine.sources.http.auth.reread import reread

__all__ = ["SigV4"]

_ASKED_AGAIN: Final = timedelta(minutes=5)
"""How long keys of the chain are used before it is asked again: it renews those of a role 10
to 15 minutes before they expire."""
_EARLY: Final = timedelta(seconds=60)
"""What expires sooner is about to be replaced, and was not refused."""
_SIGNED: Final = frozenset({"content-type"})
"""Headers of ours that are signed beside `host` and `x-amz-*`."""
_FOREIGN: Final = (BotoCoreError, ClientError, OSError, ValueError, KeyError, RuntimeError)
"""What botocore's chain raises over files, processes and answers that are not as they should be."""


@final
class SigV4:
    """Signs with the keys of the table, or with those of the SDK's chain."""

    config = SigV4Config

    def __init__(self, config: SigV4Config, resources: AuthResources) -> None:
        self._config = config
        self._resources = resources
        self._session: Session | None = None
        self._chain: Any = None
        self._keys: ReadOnlyCredentials | None = None

    async def credential(self, refused: Credential | None, _: Exchange, /) -> Credential:
        clock = self._resources.clock
        is_refused = refused is not None and (
            refused.expires_at is None or refused.expires_at > clock.now() + _EARLY
        )
        keys = await self._resources.workers.run(self._find, is_refused)
        if refused is not None and keys == self._keys:
            return refused
        self._keys = keys
        return Credential(
            sign=_signer(self._config, keys, clock),
            expires_at=clock.now() + _ASKED_AGAIN if self._chain is not None else None,
            secrets=tuple(filter(None, (keys.secret_key, keys.token))),
        )

    def _find(self, anew: bool) -> ReadOnlyCredentials:
        """The keys as they are now. Blocks: files, and a role's or the machine's endpoint."""
        if anew:
            self._config, self._chain = reread(self._config), None
        auth = self._config
        if auth.access_key_id is not None and auth.secret_access_key is not None:
            token = None if auth.session_token is None else auth.session_token.reveal()
            return ReadOnlyCredentials(auth.access_key_id, auth.secret_access_key.reveal(), token)
        try:
            if self._chain is None:
                self._chain = Session(profile=auth.profile).get_credentials()
            found = None if self._chain is None else self._chain.get_frozen_credentials()
        except _FOREIGN as exc:
            raise AuthError(
                f"{self._where}: no AWS credentials ({type(exc).__name__}); mend that, or set "
                "access_key_id and secret_access_key"
            ) from None
        if found is None:
            raise AuthError(
                f"{self._where}: no AWS credentials were found; set access_key_id and "
                "secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile"
            )
        return found

    @property
    def _where(self) -> str:
        return f"[apis.{self._resources.api.name}.auth]"


def _signer(auth: SigV4Config, keys: ReadOnlyCredentials, clock: Clock) -> Sign:
    kind = _S3 if auth.service == "s3" else _General
    signer = kind(keys, auth.service, auth.region)

    def sign(outgoing: Outgoing) -> Signature:
        own = {name: outgoing.headers[name] for name in _SIGNED if name in outgoing.headers}
        request = AWSRequest(
            method=outgoing.method,
            url=outgoing.url,
            headers={"Host": outgoing.host, **own},
            data=outgoing.body,
        )
        request.context["timestamp"] = clock.now().strftime(SIGV4_TIMESTAMP)
        signer.sign(request)
        added = {name: value for name, value in request.headers.items() if name != "Host"}
        return Signature(headers={n: v for n, v in added.items() if n.lower() not in own})

    return sign


class _General(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """botocore's signer at a given instant. Its own `add_auth` takes the system's clock, and
    writes the session token into the debug log."""

    def sign(self, request: AWSRequest) -> None:
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


class _S3(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """The same for S3, whose paths are signed as they are."""

    sign = _General.sign
