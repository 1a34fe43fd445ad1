"""The credentials that an S3 client signs with: found at the first request, renewed later.

    keys of the store, or the SDK's chain  -->  the role, where one is set  -->  signatures

The chain is botocore's own: profiles (with their roles, SSO and processes), web identity,
container, instance metadata. What of it reads files runs in a worker; the rest waits for
the network on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar, final

import anyio
from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioCredentialResolver,
    AioCredentials,
    AioDeferredRefreshableCredentials,
    create_credential_resolver,
)
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
)
from botocore.exceptions import ConnectionError as NotConnected

from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError
from bronze_engine.limits.transient import Transient
from bronze_engine.workers import Workers

__all__ = ["Credentials", "renew_when_refused"]

T = TypeVar("T")

_FILES: Final = frozenset(
    {"shared-credentials-file", "config-file", "ec2-credentials-file", "boto-config"}
)
"""Providers of the chain that read files and nothing else, by botocore's names."""
_RENEWABLE: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
    | {"InvalidAccessKeyId"}  # replaced by another
)
_PASSING: Final = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
    | {"IDPCommunicationError"}
)
_FOREIGN: Final = (BotoCoreError, ClientError, OSError, ValueError, KeyError, RuntimeError)
"""What botocore's chain raises over files, processes and answers that are not as they should be."""
_SESSION_NAME: Final = "bronze-engine"


@final
class Credentials(AioCredentials):  # type: ignore[misc]  # botocore has no types
    """What botocore signs with, for one store. Any number of requests at once."""

    def __init__(
        self, config: S3StoreConfig, session: AioSession, region: str, workers: Workers
    ) -> None:
        super().__init__("", "", method=_SESSION_NAME)  # nothing is known yet
        self._config = config
        self._session = session
        self._region = region
        self._workers = workers
        self._keys = _keys_of(config)
        self._found: Any = None
        self.used: ReadOnlyCredentials | None = None
        """What was signed with last."""
        self._finding = anyio.Lock()

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The keys to sign with now; those of a role or token are renewed before they expire.

        Raises AuthError where there are none or they are refused, and Transient, not sent,
        where whoever gives them out does not answer.
        """
        if self._found is None:
            async with self._finding:
                if self._found is None:
                    self._found = await self._told(self._find)
        self.used = await self._told(self._found.get_frozen_credentials)
        return self.used

    async def renew(self, refused: ReadOnlyCredentials) -> bool:
        """After the server refused these: whether there are others now.

        Looks for them anew, once for all requests that were refused: files are read again,
        a role is assumed again.
        """
        async with self._finding:
            if self.used == refused:
                self._keys = await self._told(partial(self._workers.run, _renewed, self._keys))
                self._found = await self._told(self._find)
                self.used = await self._told(self._found.get_frozen_credentials)
            return bool(self.used != refused)

    async def _find(self) -> Any:
        source = AioCredentials(*_revealed(self._keys)) if self._keys else await self._of_chain()
        if self._config.role_arn is None:
            return source
        arguments = {"RoleSessionName": _SESSION_NAME}
        if self._config.external_id is not None:
            arguments["ExternalId"] = self._config.external_id
        role = AioAssumeRoleCredentialFetcher(
            partial(self._session.create_client, region_name=self._region),
            source,
            self._config.role_arn,
            extra_args=arguments,
        )
        return AioDeferredRefreshableCredentials(role.fetch_credentials, "assume-role")

    async def _of_chain(self) -> Any:
        chain = await self._workers.run(_chain, self._session, self._region)
        for provider in chain.providers:
            if provider.METHOD in _FILES:
                found = await self._workers.run(asyncio.run, provider.load())
            else:
                found = await provider.load()
            if found is not None:
                return found
        raise AuthError(
            f"{self._config.told}: no credentials were found. Looked at access_key_id, "
            f"AWS_ACCESS_KEY_ID, {_profile(self._session)}, AWS_WEB_IDENTITY_TOKEN_FILE, "
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI, and the metadata of the "
            "instance (unless AWS_EC2_METADATA_DISABLED). Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or profile"
        )

    async def _told(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` returns; its errors as ours."""
        try:
            return await ask()
        except _FOREIGN as exc:
            raise self._translated(exc) from exc

    def _translated(self, exc: BaseException) -> AuthError | Transient:
        what = type(exc).__name__
        match exc:
            case HTTPClientError() | NotConnected():
                return Transient(f"whoever gives out credentials is silent: {what}", is_sent=False)
            case ClientError():
                code = str(exc.response.get("Error", {}).get("Code", ""))
                status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                what = f"{exc.operation_name}: {code or status}"
                if code in _PASSING or status == 429 or status >= 500:
                    return Transient(f"whoever gives out credentials failed: {what}", is_sent=False)
                return AuthError(
                    f"{self._config.told}: credentials were refused ({what}); check role_arn, "
                    "external_id, and whether the role trusts who asks for it"
                )
            case CredentialRetrievalError():
                # Its text may be all that a process has printed.
                what = f"{exc.kwargs.get('provider', what)} failed"
            case BotoCoreError():
                what = f"{what}: {exc}"
        return AuthError(
            f"{self._config.told}: no credentials ({what}); mend that, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )


def renew_when_refused(client: Any, credentials: Credentials) -> None:
    """Let a request whose credentials have expired be sent once more, with renewed ones.

    What was refused was not done, so this repeats nothing.
    """

    def note(request: Any, **_: object) -> None:  # just after the signature
        request.context["bronze_signed_with"] = credentials.used

    async def judge(
        response: Any, operation: Any, request_dict: dict[str, Any], **_: object
    ) -> float | None:
        """Seconds to wait before it is sent again; None to leave it."""
        signed_with = request_dict["context"].pop("bronze_signed_with", None)
        is_second = request_dict["context"].get("bronze_is_second", False)
        if response is None or is_second or not _is_refusal(response[1], operation.name):
            return None
        if signed_with is None or not await credentials.renew(signed_with):
            return None
        request_dict["context"]["bronze_is_second"] = True
        return 0.0

    client.meta.events.register("before-send.s3", note)
    client.meta.events.register("needs-retry.s3", judge)


def _is_refusal(answer: dict[str, Any], operation: str) -> bool:
    # An answer to HEAD has no code: an expired token is a 400 there.
    code = answer.get("Error", {}).get("Code")
    return code in _RENEWABLE or (code == "400" and operation.startswith("Head"))


def _chain(session: AioSession, region: str) -> AioCredentialResolver:
    _ = session.full_config  # reads ~/.aws, once
    return create_credential_resolver(session, region_name=region)


def _profile(session: AioSession) -> str:
    name = session.get_config_variable("profile") or "default"
    config, credentials = map(session.get_config_variable, ("config_file", "credentials_file"))
    return f'the profile "{name}" of {config} and {credentials}'


def _keys_of(config: S3StoreConfig) -> tuple[Secret, ...]:
    """The store's own keys as id, secret and token; nothing where it has none."""
    if config.access_key_id is None or config.secret_access_key is None:
        return ()
    # The id came out of a file as the secret did, and is renewed with it.
    read_again = getattr(config.access_key_id, "read_again", None)
    keys = (Secret(config.access_key_id, read_again), config.secret_access_key)
    return keys if config.session_token is None else (*keys, config.session_token)


def _renewed(keys: tuple[Secret, ...]) -> tuple[Secret, ...]:
    return tuple(key.renewed() for key in keys)


def _revealed(keys: tuple[Secret, ...]) -> tuple[str, ...]:
    return tuple(key.reveal() for key in keys)
