"""The contract of auths: how requests to an API prove who they are.

A third party writes one Struct for its table and one class, and registers the class in the
entry points of its distribution, under the tag of the Struct:

    class VaultAuth(CustomAuth, frozen=True, kw_only=True, tag="vault"):
        role: str
        key: Secret

    class Vault:
        config = VaultAuth

        def __init__(self, config: VaultAuth, resources: AuthResources) -> None:
            self._config = config

        async def credential(self, refused: Credential | None, exchange: Exchange) -> Credential:
            body = self._config.key.reveal().encode()
            answer = await exchange.ask(TokenRequest(url="https://vault.example/v1", body=body))
            if answer.status != 200:
                raise AuthError(f"vault refused the role {self._config.role}; ask its owner")
            token = answer.body.decode()
            return Credential(headers={"Authorization": f"Bearer {token}"}, secrets=(token,))

    [project.entry-points."bronze_engine.auths"]
    vault = "my_package:Vault"

Then `[apis.shop.auth] type = "vault"` is read like every other table: unknown keys, missing
ones and wrong types are CFG001, `${VAR}` expands, and what is a Secret is never shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api
from bronze_engine.model.part import Expect, StoredObject, Version
from bronze_engine.workers import Workers

__all__ = [
    "Auth",
    "AuthResources",
    "AuthType",
    "Credential",
    "Exchange",
    "Outgoing",
    "Sign",
    "Signature",
    "TokenAnswer",
    "TokenRequest",
    "TokenStore",
]

T = TypeVar("T")


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it goes over the wire, for whoever signs it."""

    method: str
    url: str
    """Byte for byte as it is sent, but for the parameters that the signature adds."""
    host: str
    """The Host header."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature adds to one request."""

    headers: Mapping[str, str] = {}
    query: str = ""
    """Percent-encoded, put behind the parameters that are there: `ts=1&signature=ab`."""


Sign = Callable[[Outgoing], Signature]
"""Signs one attempt. Called on the loop for each anew: quick, and it never waits."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What proves who we are, until it expires or is refused. Goes to the API's origin alone."""

    headers: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    """Query parameters; one that a link already has is not added again."""
    sign: Sign | None = None
    expires_at: datetime | None = None
    """By the engine's clock; None where that is not known. Renewed shortly before."""
    secrets: tuple[str, ...] = ()
    """What no log and no message may hold."""
    is_shared: bool = False
    """It was found where other processes keep it: one of them may have replaced it since. A 401
    to such a one is looked into once more."""

    def __repr__(self) -> str:
        return f"Credential(expires_at={self.expires_at!r})"


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a token. Sent once to exactly this URL: its redirects are not followed."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    """At the API's own origin those of [apis.NAME.headers] are sent beside them."""
    body: bytes = b""

    def __repr__(self) -> str:
        return f"TokenRequest(method={self.method!r})"


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer that is neither a redirect nor a reason to try again."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    """Without its content coding."""

    def __repr__(self) -> str:
        return f"TokenAnswer(status={self.status})"


class Exchange(Protocol):
    """Sends requests for tokens, counted with the run that needs the token."""

    async def ask(self, request: TokenRequest, /) -> TokenAnswer:
        """Send it under the limits and with the retries of the API.

        Raises RetryError where the attempts are spent, ExtractError where it can't be sent
        or is redirected.
        """
        ...

    async def attempt(self, request: TokenRequest, /) -> TokenAnswer:
        """Send it once, from within `call`. Raises limits.retry.Transient for what may pass."""
        ...

    async def call(self, operation: Callable[[], Awaitable[T]], /, *, describe: str) -> T:
        """Run an operation around `attempt` under the limits and with the retries of the API."""
        ...


class TokenStore(Protocol):
    """Where rotated tokens are kept: small objects, written by compare-and-set.

    Every Store is one. A third party registers a function without arguments that makes one in
    the entry points `bronze_engine.token_stores`.
    """

    async def get(self, key: str, /) -> StoredObject | None:
        """The object, or None where there is none. Raises StoreError."""
        ...

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        """Write it if its version is as expected.

        Raises Conflict when it is not (nothing was written), OutcomeUnknown when it may have
        been written, StoreError when it was not.
        """
        ...


class AuthResources(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine lends an auth for as long as the engine lives."""

    api: Api
    clock: Clock
    workers: Workers
    open_tokens: Callable[[str], Awaitable[TokenStore]]
    """Opens what a `token_store` names that is no file; not before the first `credential`."""


class Auth(Protocol):
    """Proves who we are to one API. Shared by all runs that read from it."""

    async def credential(self, refused: Credential | None, exchange: Exchange, /) -> Credential:
        """The credential to use from now on; called for one request at a time.

        `refused` is the one so far, which the server has answered with 401 or which is about
        to expire; None at first. Return the same object where there is no other: a 401 is then
        the error. Raises AuthError where none is to be had, saying what to do.
        """
        ...


class AuthType(Protocol):
    """A kind of auth, found by its tag: a class like the one above."""

    @property
    def config(self) -> type[Any]:
        """The Struct of [apis.NAME.auth], a subclass of CustomAuth."""
        ...

    def __call__(self, config: Any, resources: AuthResources, /) -> Auth:
        """Make one. Sends nothing and opens nothing; raises ConfigError."""
        ...
