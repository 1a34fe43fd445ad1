"""Every way to sign in to Azure, over Azurite; and no secret of any in what is said of it."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import azure.identity.aio
import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError, BronzeError, ConfigError, RetryError, StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.testing.stores import keys_of, read_all, stage_bytes, staged_keys
from tests.integration.azurite import ACCOUNT, KEY, Azurite, serve
from tests.integration.fault_proxy import answer
from tests.integration.store.azure_opened import config_of, opened
from tests.integration.store.azure_proxied import proxied

pytestmark = pytest.mark.integration


def sas_of(container: str, letters: str = "rcwdl", *, hours: float = 1, key: str = KEY) -> str:
    return generate_container_sas(
        ACCOUNT,
        container,
        account_key=key,
        permission=ContainerSasPermissions.from_string(letters),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )


def connection_string(azurite: Azurite, **pairs: str) -> Secret:
    values = {"DefaultEndpointsProtocol": "http", "BlobEndpoint": azurite.url, **pairs}
    return Secret(";".join(f"{name}={value}" for name, value in values.items()) + ";")


async def use(config: AzureStoreConfig) -> None:
    """All that a run does."""
    async with opened(config) as store:
        version = await store.put("k", b"x", expect=ABSENT)
        await store.put("k", b"y", expect=version)
        await store.complete(await stage_bytes(store, "p/f", b"content"))
        assert await read_all(store, "p/f") == b"content"
        await store.discard(await stage_bytes(store, "p/g", b"content"))
        await store.delete("k")
        assert await keys_of(store) == ["p/f"]
        assert await staged_keys(store) == []
        await store.now()


@pytest.mark.asyncio
async def test_account_key(azurite: Azurite) -> None:
    await use(config_of(azurite.url, f"az://{await azurite.container()}/x"))


@pytest.mark.asyncio
@pytest.mark.parametrize("mark", ["", "?"])
async def test_sas_token_needs_no_more_than_the_guide_says(mark: str, azurite: Azurite) -> None:
    container = await azurite.container()
    config = config_of(
        azurite.url,
        f"az://{container}/x",
        account_key=None,
        sas_token=Secret(mark + sas_of(container)),
    )
    await use(config)


@pytest.mark.asyncio
async def test_connection_string_with_a_key_or_a_sas(azurite: Azurite) -> None:
    container = await azurite.container()
    for text in (
        connection_string(azurite, AccountName=ACCOUNT, AccountKey=KEY),
        connection_string(azurite, SharedAccessSignature=sas_of(container)),
    ):
        config = AzureStoreConfig(
            url=f"az://{container}/{id(text)}", connection_string=text, proxy="none"
        )
        async with opened(config) as store:
            await store.put("k", b"x", expect=ABSENT)


OTHER_KEY = base64.b64encode(b"canary" * 8).decode()


@pytest.mark.asyncio
@pytest.mark.parametrize("code", ["AuthenticationFailed", "InvalidAuthenticationInfo"])
async def test_refused_credential_is_auth001_and_not_repeated(code: str, azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        proxy.fail(answer(403, code), times=99)
        for act in (
            lambda: store.put("k", b"x", expect=ABSENT),
            lambda: store.get("k"),
            lambda: keys_of(store),
            lambda: store.delete("k"),
        ):
            with pytest.raises(AuthError, match=f"403 {code}"):
                await act()
        assert len(proxy.seen) == 4


@pytest.mark.asyncio
async def test_key_that_is_no_base64_is_auth001(azurite: Azurite) -> None:
    config = config_of(azurite.url, "az://lake/x", account_key=Secret("canary-key!"))
    async with opened(config) as store:
        with pytest.raises(AuthError, match="base64") as caught:
            await store.get("k")
    assert "canary" not in repr(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["a wrong key", "a SAS of another key", "an expired SAS"])
async def test_refusal_tells_no_secret(
    what: str, azurite: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    """Azurite says AuthorizationFailure, where the service says AuthenticationFailed."""
    container = await azurite.container()
    caplog.set_level(logging.DEBUG)
    fields = {
        "a wrong key": {"account_key": Secret(OTHER_KEY)},
        "a SAS of another key": {"sas_token": Secret(sas_of(container, key=OTHER_KEY))},
        "an expired SAS": {"sas_token": Secret(sas_of(container, hours=-1))},
    }[what]
    config = config_of(azurite.url, f"az://{container}/x", **{"account_key": None, **fields})
    async with opened(config) as store:
        with pytest.raises(BronzeError, match="403 ") as caught:
            await store.put("k", b"x", expect=ANY)
    assert_no_secret(config, caught.value, caplog)
    assert not any(" attempt " in record.getMessage() for record in caplog.records)


def assert_no_secret(
    config: AzureStoreConfig, error: BronzeError, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [
        text
        for secret in (config.account_key, config.sas_token, config.connection_string)
        if secret is not None
        for text in (secret.reveal(), secret.reveal().partition("sig=")[2].partition("&")[0])
        if text
    ]
    assert secrets
    told = [str(error), repr(error), repr(error.context), repr(config)]
    told += [record.getMessage() for record in caplog.records]
    for text in told:
        assert not [secret for secret in secrets if secret in text]


PERMISSIONS = (
    ("r", "write", lambda store: store.put("k", b"x", expect=ABSENT)),
    ("cwl", "read", lambda store: store.get("k")),
    ("rcw", "list", keys_of),
    ("rcwl", "delete", lambda store: store.delete("k")),
    ("rl", "write", lambda store: stage_bytes(store, "p/f", b"x")),
)


@pytest.mark.asyncio
@pytest.mark.parametrize(("letters", "missing", "act"), PERMISSIONS)
async def test_missing_permission_is_named(
    letters: str, missing: str, act: Any, azurite: Azurite
) -> None:
    container = await azurite.container()
    config = config_of(
        azurite.url,
        f"az://{container}/x",
        account_key=None,
        sas_token=Secret(sas_of(container, letters)),
    )
    async with opened(config) as store:
        with pytest.raises(StoreError, match=f"the credential may not {missing} here") as caught:
            await act(store)
    assert caught.value.context["permission"] == missing
    assert "sp=rcwdl" in caught.value.message


@pytest.mark.asyncio
async def test_container_that_is_not_there_is_named(azurite: Azurite) -> None:
    async with opened(config_of(azurite.url, "az://no-such-container/x")) as store:
        for act in (
            lambda: store.put("k", b"x", expect=ABSENT),
            lambda: store.get("k"),
            lambda: store.delete("k"),
            lambda: keys_of(store),
            lambda: stage_bytes(store, "p/f", b"x"),
        ):
            with pytest.raises(StoreError, match=r"the container .* is not there.*Create it"):
                await act()


@pytest.mark.asyncio
async def test_nothing_that_the_sdk_logs_holds_a_secret(
    azurite: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    container = await azurite.container()
    for fields in ({}, {"account_key": None, "sas_token": Secret(sas_of(container))}):
        config = config_of(azurite.url, f"az://{container}/x", **fields)
        async with opened(config) as store:
            await store.put("k", b"x", expect=ANY)
            assert_no_secret(config, StoreError(repr(store) + repr(vars(store))), caplog)
    assert any("http_logging_policy" in record.name for record in caplog.records)


class FakeCredential:
    """In DefaultAzureCredential's place: a token as Azurite checks it, signed by nobody."""

    made: dict[str, Any]
    error: Exception | None = None
    closed = False

    def __init__(self, **settings: Any) -> None:
        FakeCredential.made = settings
        FakeCredential.closed = False

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        if self.error is not None:
            raise self.error
        assert scopes == ("https://storage.azure.com/.default",)
        return AccessToken(jwt(), int(time.time()) + 3600)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        FakeCredential.closed = True


def jwt() -> str:
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
        "iat": now,
        "nbf": now - 60,
        "exp": now + 3600,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims, "canary-signature")
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
    return ".".join(text.rstrip("=") for text in encoded)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> type[FakeCredential]:
    monkeypatch.setattr(azure.identity.aio, "DefaultAzureCredential", FakeCredential)
    monkeypatch.setattr(FakeCredential, "error", None)
    return FakeCredential


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Azurite, str]]:
    """Azurite over https, which takes tokens; and its authority's file."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    with serve("--cert", cert, "--key", key, "--oauth", "basic") as server:
        yield server, ca


@asynccontextmanager
async def with_token(encrypted: tuple[Azurite, str], **fields: Any) -> AsyncIterator[Any]:
    server, ca_file = encrypted
    config = config_of(server.url, "az://lake-of-tokens/x", ca_file=ca_file, **fields)
    async with opened(config) as store:
        yield store


@pytest.mark.asyncio
async def test_default_credential_is_used_where_nothing_is_configured(
    encrypted: tuple[Azurite, str], tokens: type[FakeCredential]
) -> None:
    async with with_token(encrypted, account_key=None) as store:
        # Signed in, or it would be AUTH001; the container is not there.
        with pytest.raises(StoreError, match=r"the container .* is not there.*Create it"):
            await store.get("k")
    assert tokens.closed
    assert tokens.made["proxies"] == {}


@pytest.mark.asyncio
async def test_tokens_are_asked_for_through_the_proxy_of_the_store(
    encrypted: tuple[Azurite, str], tokens: type[FakeCredential]
) -> None:
    async with with_token(encrypted, account_key=None, proxy="http://127.0.0.1:3128"):
        pass
    assert tokens.made["proxies"] == {"https": "http://127.0.0.1:3128"}


@pytest.mark.asyncio
async def test_no_usable_identity_is_auth001(
    encrypted: tuple[Azurite, str],
    tokens: type[FakeCredential],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "error", ClientAuthenticationError("nobody is signed in"))
    async with with_token(encrypted, account_key=None) as store:
        with pytest.raises(AuthError, match=r"AZURE_STORAGE_KEY.*az login"):
            await store.get("k")


@pytest.mark.asyncio
async def test_silent_server_of_tokens_is_tried_again_and_nothing_was_sent(
    encrypted: tuple[Azurite, str],
    tokens: type[FakeCredential],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "error", ServiceRequestError("login.microsoftonline.com"))
    async with with_token(encrypted, account_key=None) as store:
        with pytest.raises(RetryError, match="failed 3 times, at last with: no token"):
            await store.put("k", b"x", expect=ABSENT)  # so not OutcomeUnknown


@pytest.mark.asyncio
async def test_missing_extra_is_named_with_the_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    config = AzureStoreConfig(url="abfss://lake@account.dfs.core.windows.net/x", proxy="none")
    with pytest.raises(AuthError, match=r"pip install 'bronze-engine\[azure-identity\]'") as caught:
        async with opened(config):
            pass
    assert "AZURE_STORAGE_KEY" in caught.value.message


@pytest.mark.asyncio
async def test_default_credential_takes_our_connections() -> None:
    config = AzureStoreConfig(url="abfss://lake@account.dfs.core.windows.net/x", proxy="none")
    async with opened(config) as store:
        assert store.url == "abfss://lake@account.dfs.core.windows.net/x"


@pytest.mark.asyncio
async def test_token_over_http_is_a_fault_of_the_configuration(azurite: Azurite) -> None:
    with pytest.raises(ConfigError, match="over https only"):
        async with opened(config_of(azurite.url, "az://lake", account_key=None)):
            pass


def test_a_key_needs_no_azure_identity() -> None:
    """Its import costs a quarter of a second and is an extra: only tokens need it."""
    code = (
        "import sys, anyio\n"
        "from bronze_engine.config.stores.store import AzureStoreConfig\n"
        "from bronze_engine.config.units import Secret\n"
        "from tests.integration.store.azure_opened import opened\n"
        "config = AzureStoreConfig(url='az://lake', account='name', account_key=Secret('a2V5'))\n"
        "async def main():\n"
        "    async with opened(config):\n"
        "        pass\n"
        "anyio.run(main)\n"
        "assert 'azure.identity' not in sys.modules\n"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
