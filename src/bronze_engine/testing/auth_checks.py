# ruff: noqa: S101  # asserting is what a check does
"""The behaviour of an auth, as checks that every implementation passes.

    @asynccontextmanager
    async def vault():
        yield AuthSubject(
            auth_type=Vault,
            api=Api(name="shop", base_url="https://shop.example", auth=VaultAuth(key=Secret("k1"))),
            grant=lambda request: TokenAnswer(status=200, headers={}, body=b"token-1"),
            secrets=("k1", "token-1"),
        )

    @pytest.mark.parametrize("check", AUTH_CHECKS, ids=name_of)
    async def test_contract(check):
        await check(vault)

`grant` stands for the server that gives out tokens; the checks let it refuse, answer nonsense,
fail and hang too. An auth that asks nobody has nothing to grant. Checks raise AssertionError.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar, final

import anyio
import msgspec

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Api
from bronze_engine.contracts import (
    Auth,
    AuthResources,
    AuthType,
    Credential,
    Outgoing,
    Signature,
    TokenAnswer,
    TokenRequest,
    TokenStore,
)
from bronze_engine.errors import AuthError, BronzeError, RetryError
from bronze_engine.limits.transient import Transient
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.left import nothing_left
from bronze_engine.workers import Workers

__all__ = ["AUTH_CHECKS", "AuthCheck", "AuthFactory", "AuthSubject", "Grant"]

T = TypeVar("T")

Grant = Callable[[TokenRequest], TokenAnswer]
"""Answers a request for a token."""


def _asks_nobody(request: TokenRequest) -> TokenAnswer:
    raise AssertionError(f"a token was asked for with {request.method}: give the subject a grant")


class AuthSubject(msgspec.Struct, frozen=True, kw_only=True):
    """An auth to be checked, and the server that it asks."""

    auth_type: AuthType
    api: Api
    """With the Struct of the auth in `auth`."""
    grant: Grant = _asks_nobody
    secrets: tuple[str, ...] = ()
    """What nothing may tell: keys of the Struct, and tokens that `grant` gives out."""


AuthFactory = Callable[[], AbstractAsyncContextManager[AuthSubject]]
AuthCheck = Callable[[AuthFactory], Awaitable[None]]


async def check_making_one_asks_nothing(make: AuthFactory) -> None:
    """It is made without a request, and its repr tells nothing."""
    async with make() as subject, _opened(subject) as (auth, exchange):
        assert exchange.asked == 0, "making one has asked for a token"
        _tells_no_secret(subject, f"{auth!r} {subject.api.auth!r}")


async def check_a_credential_proves_something(make: AuthFactory) -> None:
    """It adds something to requests, says what of it is secret, and when it ends."""
    async with make() as subject, _opened(subject) as (auth, exchange):
        found = await auth.credential(None, exchange)
        assert found.headers or found.params or found.sign, "the credential adds nothing"
        sent = [*found.headers.values(), *found.params.values()]
        hidden = [*found.secrets, *subject.secrets]
        assert found.sign or any(secret in value for value in sent for secret in hidden), (
            "nothing of what is sent is among the credential's secrets: logs would show it"
        )
        for name, value in found.headers.items():
            assert f"{name}{value}".isascii(), f"the header {name!r} is not ASCII"
            assert "\n" not in value, f"the header {name!r} holds a newline"
        assert found.expires_at is None or found.expires_at.tzinfo is not None
        _tells_no_secret(subject, f"{auth!r} {found!r}", *found.secrets)


async def check_a_refused_credential_is_replaced_or_kept(make: AuthFactory) -> None:
    """After a 401 comes another credential, or the same object where there is no other."""
    async with make() as subject, _opened(subject) as (auth, exchange):
        first = await auth.credential(None, exchange)
        asked = exchange.asked
        second = await auth.credential(first, exchange)
        assert isinstance(second, Credential)
        if asked and second is not first:
            assert exchange.asked > asked, "the refused token was handed out again"


async def check_a_refusal_is_an_auth_error(make: AuthFactory) -> None:
    """What the server refuses is AUTH001, with a message that tells no secret."""
    async with make() as subject:
        if not await _asks(subject):
            return
        for status, body in ((400, b'{"error": "invalid_client"}'), (401, b""), (403, b"no")):
            async with _opened(subject) as (auth, exchange):
                exchange.answer = _always(status, body + _echo(subject))
                error = await _fault(auth, exchange)
                assert isinstance(error, AuthError), f"a {status} became {error!r}"
                _tells_no_secret(subject, f"{error} {error.context}")


async def check_nonsense_is_an_auth_error(make: AuthFactory) -> None:
    """An answer that holds no token is AUTH001 too, and no fault of Python's."""
    async with make() as subject:
        if not await _asks(subject):
            return
        for body in (b"\xff\xfe{", b"[]"):
            async with _opened(subject) as (auth, exchange):
                exchange.answer = _always(200, body)
                error = await _fault(auth, exchange)
                assert isinstance(error, AuthError), f"{body!r} became {error!r}"


async def check_faults_of_the_way_pass_through(make: AuthFactory) -> None:
    """Where the attempts are spent, that is what is told; later it goes on."""
    async with make() as subject:
        if not await _asks(subject):
            return
        async with _opened(subject) as (auth, exchange):
            exchange.answer = _unreachable
            error = await _fault(auth, exchange)
            assert isinstance(error, BronzeError), f"a server that is away became {error!r}"
            exchange.answer = subject.grant
            await auth.credential(None, exchange)


async def check_cancelled_while_it_asks(make: AuthFactory) -> None:
    """Cancelled while the server is silent it ends, and can be asked again."""
    async with make() as subject:
        if not await _asks(subject):
            return
        async with _opened(subject) as (auth, exchange):
            exchange.hangs = True
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(auth.credential, None, exchange)
                await exchange.begun.wait()
                tasks.cancel_scope.cancel()
            exchange.hangs = False
            await auth.credential(None, exchange)


async def check_a_signature_is_quick_and_whole(make: AuthFactory) -> None:
    """Signs bodies and URLs of every kind, without waiting, and changes nothing of them."""
    async with make() as subject, _opened(subject) as (auth, exchange):
        found = await auth.credential(None, exchange)
        if found.sign is None:
            return
        for method, query, body in (
            ("GET", "", b""),
            ("GET", "?a=1&b=%20x", b""),
            ("POST", "?", b'{"a": 1}'),
            ("POST", "", b"\xff\x00\n"),
        ):
            outgoing = Outgoing(
                method=method,
                url=f"{subject.api.base_url}/things{query}",
                host="shop.example",
                headers={"accept": "application/json"},
                body=body,
            )
            before = msgspec.structs.asdict(outgoing)
            signed = found.sign(outgoing)
            assert not inspect.isawaitable(signed), "a signature is awaited"
            assert isinstance(signed, Signature)
            assert signed.headers or signed.query, "the signature adds nothing"
            assert msgspec.structs.asdict(outgoing) == before, "signing has changed the request"


AUTH_CHECKS: Final[tuple[AuthCheck, ...]] = (
    check_making_one_asks_nothing,
    check_a_credential_proves_something,
    check_a_refused_credential_is_replaced_or_kept,
    check_a_refusal_is_an_auth_error,
    check_nonsense_is_an_auth_error,
    check_faults_of_the_way_pass_through,
    check_cancelled_while_it_asks,
    check_a_signature_is_quick_and_whole,
)


@final
class _Exchange:
    """`credentials.Exchange` without a network: one answer for each request."""

    def __init__(self, answer: Grant) -> None:
        self.answer = answer
        self.asked = 0
        self.hangs = False
        self.begun = anyio.Event()

    async def ask(self, request: TokenRequest, /) -> TokenAnswer:
        try:
            return await self.attempt(request)
        except Transient as exc:
            raise RetryError("no answer after 5 attempts; try again later") from exc

    async def attempt(self, request: TokenRequest, /) -> TokenAnswer:
        self.asked += 1
        self.begun.set()
        if self.hangs:
            await anyio.sleep_forever()
        return self.answer(request)

    async def call(self, operation: Callable[[], Awaitable[T]], /, *, describe: str) -> T:
        try:
            return await operation()
        except Transient as exc:
            raise RetryError(f"{describe}: no answer after 5 attempts; try again later") from exc


@asynccontextmanager
async def _opened(subject: AuthSubject) -> AsyncIterator[tuple[Auth, _Exchange]]:
    tokens = MemoryStore()

    async def open_tokens(_name: str) -> TokenStore:
        return tokens

    async with nothing_left():
        with Workers(1) as workers:
            resources = AuthResources(
                api=subject.api, clock=SYSTEM_CLOCK, workers=workers, open_tokens=open_tokens
            )
            auth = subject.auth_type(subject.api.auth, resources)
            yield auth, _Exchange(subject.grant)


async def _asks(subject: AuthSubject) -> bool:
    asked = 0
    async with _opened(subject) as (auth, exchange):
        await auth.credential(None, exchange)
        asked = exchange.asked
    return asked > 0


async def _fault(auth: Auth, exchange: _Exchange) -> Exception | None:
    try:
        await auth.credential(None, exchange)
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is judged
        return exc
    return None


def _always(status: int, body: bytes) -> Grant:
    return lambda _request: TokenAnswer(status=status, headers={}, body=body)


def _unreachable(_request: TokenRequest) -> TokenAnswer:
    raise Transient("connection refused")


def _echo(subject: AuthSubject) -> bytes:
    """What a server says of a refused request may hold what was sent."""
    return " ".join(subject.secrets).encode()


def _tells_no_secret(subject: AuthSubject, text: str, *more: str) -> None:
    for secret in (*subject.secrets, *more):
        assert secret not in text, "a secret is told"
