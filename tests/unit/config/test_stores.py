"""[stores.NAME]: from the keys of the file to a Struct that a store can open."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.load import load_store
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    LocalStoreConfig,
    S3StoreConfig,
    StoreConfig,
)
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError
from tests.unit.config.files import load
from tests.unit.config.stores import ABFSS, KEY, KEYS, S3, TAKEN, given, store, two_pipelines

pytestmark = pytest.mark.unit


def test_every_key_of_s3_is_taken(tmp_path: Path) -> None:
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).write_text("PEM")
    text = """
[stores.lake]
type = "s3"
url = "s3://bucket/bronze"
endpoint_url = "https://s3.example.com"
single_writer = true
concurrency = 7
proxy = "http://proxy.example.com:3128"
ca_file = "ca.pem"
client_cert = "client.pem"
client_key = "client.key"
region = "eu-central-1"
addressing_style = "path"
access_key_id = "AKIA123"
secret_access_key = "a-secret-key"
session_token = "a-token"
role_arn = "arn:aws:iam::123456789012:role/lake"
external_id = "from-the-owner"
sse = "aws:kms"
kms_key_id = "alias/lake"
storage_class = "STANDARD_IA"
expected_bucket_owner = "123456789012"
part_checksum = "sha256"
[stores.lake.retry]
attempts = 3
[stores.lake.circuit_breaker]
failures = 9
[stores.lake.timeout]
read = "5s"
[stores.lake.tags]
team = "data"
"""
    found = store(tmp_path, text)
    assert isinstance(found, S3StoreConfig)
    assert found == S3StoreConfig(
        name="lake",
        url="s3://bucket/bronze",
        endpoint_url="https://s3.example.com",
        single_writer=True,
        retry=Retry(attempts=3),
        circuit_breaker=CircuitBreaker(failures=9),
        concurrency=7,
        timeout=Timeout(read=found.timeout.read),
        proxy="http://proxy.example.com:3128",
        ca_file=str(tmp_path / "ca.pem"),
        client_cert=str(tmp_path / "client.pem"),
        client_key=str(tmp_path / "client.key"),
        region="eu-central-1",
        addressing_style="path",
        access_key_id="AKIA123",
        secret_access_key=Secret("a-secret-key"),
        session_token=Secret("a-token"),
        role_arn="arn:aws:iam::123456789012:role/lake",
        external_id="from-the-owner",
        sse="aws:kms",
        kms_key_id="alias/lake",
        storage_class="STANDARD_IA",
        tags={"team": "data"},
        expected_bucket_owner="123456789012",
        part_checksum="sha256",
    )
    assert float(found.timeout.read) == 5.0
    unset = {"name", "insecure", "profile"}  # the other two exclude what is set here
    assert {key for key in msgspec.structs.asdict(found) if f"{key} =" not in text} - unset == {
        "retry",
        "circuit_breaker",
        "timeout",
        "tags",
    }


def test_every_key_of_azure_is_taken(tmp_path: Path) -> None:
    text = f"""
[stores.lake]
type = "azure"
url = "az://lake/bronze"
endpoint_url = "https://127.0.0.1:10000/acct1"
insecure = true
account = "acct1"
account_key = "{KEY}"
access_tier = "Cool"
part_checksum = "md5"
"""
    assert store(tmp_path, text) == AzureStoreConfig(
        name="lake",
        url="az://lake/bronze",
        endpoint_url="https://127.0.0.1:10000/acct1",
        insecure=True,
        account="acct1",
        account_key=Secret(KEY),
        access_tier="Cool",
        part_checksum="md5",
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('path = "x"', LocalStoreConfig),
        ('url = "s3://bucket"', S3StoreConfig),
        ('url = "S3A://bucket"', S3StoreConfig),
        ('url = "${LAKE}"', S3StoreConfig),
        ('url = "abfss://lake@acct1.dfs.core.windows.net"', AzureStoreConfig),
        ('url = "az://lake"\naccount = "acct1"', AzureStoreConfig),
    ],
)
def test_a_store_without_a_type_is_what_its_url_or_path_says(
    tmp_path: Path, body: str, expected: type
) -> None:
    found = store(tmp_path, f"[stores.lake]\n{body}\n", LAKE="s3://bucket/from-variable")
    assert type(found) is expected
    assert found.name == "lake"


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_certificates_may_go_unverified_on_loopback(tmp_path: Path, host: str) -> None:
    found = store(tmp_path, f'{S3}endpoint_url = "https://{host}"\ninsecure = true\n')
    assert isinstance(found, S3StoreConfig)
    assert found.insecure


def test_stores_are_hashable_and_equal_by_value() -> None:
    configs: Mapping[str, StoreConfig] = {
        "tags": S3StoreConfig(url="s3://bucket", tags={"a": "b"}),
        "plain": S3StoreConfig(url="s3://bucket"),
        "azure": AzureStoreConfig(url="az://lake", account_key=Secret(KEY)),
        "local": LocalStoreConfig(path="/x"),
    }
    assert len(set(configs.values())) == len(configs)
    again = S3StoreConfig(url="s3://bucket", tags={"a": "b"})
    assert again in set(configs.values())
    assert hash(again) == hash(configs["tags"])


def test_a_store_without_a_file() -> None:
    found = load_store("s3://bucket/x", environ={**KEYS, "AWS_REGION": "eu-1"})
    assert isinstance(found, S3StoreConfig)
    assert given(msgspec.structs.replace(found, name="lake")) == {**TAKEN, "region": "eu-1"}
    assert load_store(Path("x"), environ={}) == LocalStoreConfig(path=str(Path.cwd() / "x"))
    with pytest.raises(ConfigError, match=r"^CFG001 .*target: names no bucket"):
        load_store("s3://", environ={})
    with pytest.raises(ConfigError, match=r"target\.account: missing"):
        load_store("az://lake", environ={})


def test_a_store_over_plain_http_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = f'{S3}endpoint_url = "http://s3.example.com"\n{two_pipelines("lake", "./x")}'
    with caplog.at_level(logging.WARNING, "bronze_engine.config"):
        config = load(tmp_path, text)
        config.pipeline("myteam.orders")
        config.pipeline("other.orders")
        config.store("lake")
        load_store("s3://b22", environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"})
    [message] = caplog.messages
    assert message.startswith("lake is reached over http: what lands there can be read")


def test_the_container_before_an_account_is_no_secret_and_a_password_there_is(
    tmp_path: Path,
) -> None:
    text = "[stores.lake]\n" + ABFSS
    config = load(tmp_path, text, environ={})
    config.store("lake")
    assert config.secrets == frozenset()
    text = '[stores.lake]\nurl = "abfss://lake:hunter22@acct1.dfs.core.windows.net"\n'
    config = load(tmp_path, text, environ={})
    with pytest.raises(ConfigError):
        config.store("lake")
    assert "hunter22" in config.secrets
