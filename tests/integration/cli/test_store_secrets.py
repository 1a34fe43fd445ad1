"""No credential of a store gets out: not by success, by any failure, into any object or log."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from bronze_engine.adapters import open_store
from bronze_engine.config.load import load_config
from bronze_engine.workers import Workers
from tests.integration.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.integration.cli.command import DATE, PIPELINE, Bronze, in_background, paged, shop, tree
from tests.integration.moto import Moto, moto

__all__ = ["azurite", "moto"]

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
COMMANDS = (
    ("check", PIPELINE),
    ("plan", PIPELINE, "--date", DATE, "-v"),
    (*RUN, "-v"),
    (*RUN, "--json", "-v"),
    ("verify", PIPELINE, "--date", DATE, "-v"),
    ("gc", PIPELINE, "-v"),
    ("list",),
    ("test-connection", "lake", "-v"),
)
SECRET = "canary/secret+key of the store"
TOKEN = "canary-token-of-the-store"
WRONG_KEY = base64.b64encode(b"canary-key-of-the-account").decode()


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with in_background(paged([{"id": 1}, {"id": 2}])) as server:
        yield server.url


def sas(container: str) -> str:
    return generate_container_sas(
        ACCOUNT,
        container,
        KEY,
        permission=ContainerSasPermissions.from_string("rcwdl"),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )


def table(kind: str, moto: Moto, azurite: Azurite) -> tuple[str, list[str]]:
    """A [stores.lake] with a credential of that kind, and what must not be shown of it."""
    keys = f'access_key_id = "an-id"\nsecret_access_key = "{SECRET}"\nsession_token = "{TOKEN}"\n'
    here = 'proxy = "none"\n'
    if kind.startswith("s3"):
        own = {
            "s3": f'{here}endpoint_url = "{moto.url}"\n',
            "s3 that is down": f'{here}endpoint_url = "http://127.0.0.1:1"\n',
            "s3 by a proxy": 'proxy = "http://me:canary-proxy@127.0.0.1:1"\n'
            'endpoint_url = "https://s3.example.com"\n',
        }[kind]
        return f'url = "s3://{moto.bucket()}/x"\n{keys}{own}', [SECRET, TOKEN, "canary-proxy"]
    container = asyncio.run(azurite.container())
    signature = sas(container)
    endpoint = f'{here}endpoint_url = "{azurite.url}"\n'
    signed = f"BlobEndpoint={azurite.url};SharedAccessSignature={signature}"
    whole = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={azurite.url}"
    own, hidden = {
        "azure key": (f'{endpoint}account_key = "{KEY}"\n', [KEY]),
        "azure wrong key": (f'{endpoint}account_key = "{WRONG_KEY}"\n', [WRONG_KEY]),
        "azure sas": (f'{endpoint}sas_token = "?{signature}"\n', [signature]),
        "azure sas that is wrong": (f'{endpoint}sas_token = "{signature}x"\n', [signature]),
        "azure connection string": (f'{here}connection_string = "{whole}"\n', [KEY, whole]),
        "azure signed connection string": (
            f'{here}connection_string = "{signed}"\n',
            [signature, signed],
        ),
    }[kind]
    if signature in hidden:
        hidden.append(signature.rpartition("sig=")[2])
    return f'url = "az://{container}/x"\naccount = "{ACCOUNT}"\n{own}', hidden


GOOD = ["s3", "azure key", "azure sas", "azure connection string", "azure signed connection string"]
BAD = ["s3 that is down", "s3 by a proxy", "azure wrong key", "azure sas that is wrong"]


@pytest.mark.parametrize("kind", [*GOOD, *BAD])
def test_no_command_shows_the_credential_of_a_store(
    kind: str, bronze: Bronze, api: str, moto: Moto, azurite: Azurite
) -> None:
    keys, hidden = table(kind, moto, azurite)
    quick = 'timeout = {connect = "1s"}\nretry = {attempts = 2, backoff = "1ms"}\n'
    shop(bronze.folder, f"[stores.lake]\n{keys}{quick}")
    options = ["--set", f"apis.shop.base_url={api}", "--set", "engine.target=lake"]
    texts: dict[str, str] = {}
    for command in COMMANDS:
        ran = bronze(*command, *(options if command != ("list",) else ()))
        assert (ran.status == 0) == (kind in GOOD or command == ("list",)), ran.err
        assert ran.status not in (1, 70), ran.err
        texts[" ".join(command)] = ran.out + ran.err
    local = {name: body for name, body in tree(bronze.folder).items() if name != "pipelines.toml"}
    texts.update({name: body.decode("latin-1") for name, body in local.items()})
    if kind in GOOD:
        objects = asyncio.run(landed(bronze))
        assert any(name.endswith("_metadata.json") for name in objects)
        texts.update(objects)
    for name, text in texts.items():
        for secret in hidden:
            assert secret not in text, (name, secret)
        assert "canary" not in text.lower(), (name, text)


async def landed(bronze: Bronze) -> dict[str, str]:
    """Every object of the lake."""
    config = load_config(bronze.folder / "pipelines.toml", environ={}).store("lake")
    found = {}
    with Workers(2) as workers:
        async with open_store(config, workers) as store:
            async for info in store.scan(""):
                body = await store.get(info.key)
                assert body is not None
                found[info.key] = body.body.decode("latin-1")
    return found
