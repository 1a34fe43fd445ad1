"""Our own auths pass the checks that third parties' must pass, and each check can fail."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import msgspec
import pytest

from bronze_engine.config.api import Api
from bronze_engine.config.auths.auth import LoginAuth
from bronze_engine.config.auths.oauth2 import (
    JwtBearerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
)
from bronze_engine.config.auths.signing import HmacAuth, SigV4Auth
from bronze_engine.contracts import (
    AuthResources,
    AuthType,
    Credential,
    Exchange,
    Outgoing,
    Signature,
    TokenAnswer,
    TokenRequest,
)
from bronze_engine.errors import AuthError
from bronze_engine.plugins import CustomAuth, Secret
from bronze_engine.sources.http.auth import refresh_token
from bronze_engine.sources.http.auth.client_credentials import ClientCredentials
from bronze_engine.sources.http.auth.jwt_bearer import JwtBearer
from bronze_engine.sources.http.auth.keyed_hash import KeyedHash
from bronze_engine.sources.http.auth.login import Login
from bronze_engine.sources.http.auth.refresh_token import RefreshToken
from bronze_engine.sources.http.auth.sigv4 import SigV4
from bronze_engine.testing import AUTH_CHECKS, AuthCheck, AuthSubject, name_of
from bronze_engine.testing import left as left_module

pytestmark = pytest.mark.unit

KEY, TOKEN = "canary-key-0123456789", "canary-token"
URL = "https://login.example/token"
CHECKS = {name_of(check): check for check in AUTH_CHECKS}


def subject_of(kind: AuthType, auth: Any) -> AbstractAsyncContextManager[AuthSubject]:
    numbers = itertools.count(1)

    def grant(_request: TokenRequest) -> TokenAnswer:
        body = {"access_token": f"{TOKEN}-{next(numbers)}", "expires_in": 3600}
        return TokenAnswer(status=200, headers={}, body=json.dumps(body).encode())

    @asynccontextmanager
    async def make() -> AsyncIterator[AuthSubject]:
        api = Api(name="shop", base_url="https://shop.example/v1", auth=auth)
        yield AuthSubject(auth_type=kind, api=api, grant=grant, secrets=(KEY, TOKEN))

    return make()


OURS: dict[str, tuple[AuthType, msgspec.Struct]] = {
    "client_credentials": (
        ClientCredentials,
        OAuth2ClientCredentialsAuth(token_url=URL, client_id="me", client_secret=Secret(KEY)),
    ),
    "refresh_token": (
        RefreshToken,
        OAuth2RefreshTokenAuth(
            token_url=URL, client_id="me", refresh_token=Secret(KEY), token_store="keychain"
        ),
    ),
    "jwt_bearer": (
        JwtBearer,
        JwtBearerAuth(token_url=URL, private_key=Secret(KEY * 2), algorithm="HS256", issuer="me"),
    ),
    "login": (Login, LoginAuth(path="/login", json={"user": "me", "password": KEY})),
    "hmac": (
        KeyedHash,
        HmacAuth(secret=Secret(KEY), sign="{body}", headers={"X-Sign": "{signature}"}),
    ),
    "sigv4": (
        SigV4,
        SigV4Auth(
            service="es", region="eu-west-1", access_key_id="A", secret_access_key=Secret(KEY)
        ),
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("check", AUTH_CHECKS, ids=name_of)
@pytest.mark.parametrize("kind", OURS)
async def test_contract(check: AuthCheck, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A refresh token may be spent once it is sent: the answer is waited for, for 10 s at most.
    monkeypatch.setattr(refresh_token, "_GRACE_SECONDS", 0.05)
    await check(lambda: subject_of(*OURS[kind]))


class PlantedAuth(CustomAuth, frozen=True, kw_only=True, tag="planted"):
    key: Secret


class Sound:
    """An auth without a fault, that asks for a token; faults override parts."""

    config: ClassVar[type[Any]] = PlantedAuth

    def __init__(self, config: PlantedAuth, resources: AuthResources) -> None:
        self._config = config
        self.resources = resources
        self.held: Credential | None = None

    async def credential(self, refused: Credential | None, exchange: Exchange, /) -> Credential:
        body = self._config.key.reveal().encode()
        answer = await exchange.ask(TokenRequest(url=URL, body=body))
        return self.read(answer, refused)

    def read(self, answer: TokenAnswer, _refused: Credential | None) -> Credential:
        if answer.status != 200:
            raise AuthError(f"the login has refused us with {answer.status}; check key")
        try:
            token = msgspec.json.decode(answer.body)["access_token"]
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
            raise AuthError("the login answers with no token; check the URL") from None
        return self.proof(token)

    def proof(self, token: str) -> Credential:
        return Credential(headers={"Authorization": f"Bearer {token}"}, secrets=(token,))


class TellsItsKey(Sound):
    def __repr__(self) -> str:
        return f"Auth({self._config.key.reveal()})"


class ProvesNothing(Sound):
    def proof(self, token: str) -> Credential:
        return Credential(secrets=(token,))


class HidesNothing(Sound):
    def proof(self, token: str) -> Credential:
        return Credential(headers={"X-Token": token[::-1]})


class HandsOutTheSameToken(Sound):
    async def credential(self, refused: Credential | None, exchange: Exchange, /) -> Credential:
        if self.held is None:
            self.held = await super().credential(refused, exchange)
        return msgspec.structs.replace(self.held)


class TellsWhatTheServerSaid(Sound):
    def read(self, answer: TokenAnswer, refused: Credential | None) -> Credential:
        if answer.status != 200:
            raise AuthError(f"refused: {answer.body.decode()}")
        return super().read(answer, refused)


class FailsAsPythonDoes(Sound):
    def read(self, answer: TokenAnswer, _refused: Credential | None) -> Credential:
        if answer.status != 200:
            raise AuthError("refused; check key")
        return self.proof(json.loads(answer.body)["access_token"])


class LetsRefusalsPass(Sound):
    def read(self, answer: TokenAnswer, refused: Credential | None) -> Credential:
        return super().read(answer, refused) if answer.status == 200 else self.proof("none")


class IsSpoiledByAFault(Sound):
    """What failed once fails for ever."""

    async def credential(self, refused: Credential | None, exchange: Exchange, /) -> Credential:
        if getattr(self, "spoiled", False):
            raise AuthError("spoiled")
        self.spoiled = True
        found = await super().credential(refused, exchange)
        self.spoiled = False
        return found


class Later:
    def __await__(self) -> Generator[None, None, Signature]:
        yield
        return Signature(headers={"x-sign": "1"})


class SignsLater(Sound):
    def proof(self, token: str) -> Credential:
        def sign(_outgoing: Outgoing) -> Later:
            return Later()

        return Credential(sign=sign, secrets=(token,))  # type: ignore[arg-type]


class SignsNothing(Sound):
    def proof(self, token: str) -> Credential:
        return Credential(sign=lambda _outgoing: Signature(), secrets=(token,))


FAULTS: list[tuple[str, type[Sound], str]] = [
    ("making_one_asks_nothing", TellsItsKey, "a secret is told"),
    ("a_credential_proves_something", ProvesNothing, "adds nothing"),
    ("a_credential_proves_something", HidesNothing, "logs would show it"),
    ("a_refused_credential_is_replaced_or_kept", HandsOutTheSameToken, "handed out again"),
    ("a_refusal_is_an_auth_error", TellsWhatTheServerSaid, "a secret is told"),
    ("a_refusal_is_an_auth_error", LetsRefusalsPass, "a 400 became None"),
    ("nonsense_is_an_auth_error", FailsAsPythonDoes, "became UnicodeDecodeError"),
    ("faults_of_the_way_pass_through", IsSpoiledByAFault, "spoiled"),
    ("cancelled_while_it_asks", IsSpoiledByAFault, "spoiled"),
    ("a_signature_is_quick_and_whole", SignsLater, "is awaited"),
    ("a_signature_is_quick_and_whole", SignsNothing, "adds nothing"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("check", AUTH_CHECKS, ids=name_of)
async def test_a_sound_auth_passes(check: AuthCheck) -> None:
    await check(lambda: subject_of(Sound, PlantedAuth(key=Secret(KEY))))


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "kind", "says"), FAULTS)
async def test_a_planted_fault_is_found(
    name: str, kind: type[Sound], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_module, "_PATIENCE_SECONDS", 0.1)
    with pytest.raises((AssertionError, AuthError)) as caught:
        await CHECKS[name](lambda: subject_of(kind, PlantedAuth(key=Secret(KEY))))
    assert says in str(caught.value)


def test_every_check_has_a_planted_fault() -> None:
    assert {name for name, _, _ in FAULTS} == set(CHECKS)
