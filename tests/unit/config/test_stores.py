"""[stores.NAME]: from the file and the vendors' variables to a Struct that a store can open."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.load import load_config, load_store
from bronze_engine.config.stores.place import place_of
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    LocalStoreConfig,
    S3StoreConfig,
    StoreConfig,
)
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit

S3 = '[stores.lake]\nurl = "s3://bucket/bronze"\n'
AZURE = '[stores.lake]\nurl = "az://lake/bronze"\naccount = "acct1"\n'
KEY = "a2V5LW9mLWFjY3QxLWluLWJhc2U2NA=="
OTHER_KEY = "b3RoZXIta2V5LW9mLWFjY3QxLQ=="
CONNECTION = f"AccountName=acct1;AccountKey={KEY};EndpointSuffix=core.windows.net"

EMULATED = f"AccountName=acct1;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/acct1"


def store(folder: Path, text: str, **environ: str) -> StoreConfig:
    return load(folder, text, environ=environ).store("lake")


def refused(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        store(folder, text, **environ)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


# The keys of the file.


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


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", 'stores.lake.type: missing; known are "azure", "local", "s3"'),
        ("single_writer = true", "stores.lake.type: missing"),
        ("url = 3", "stores.lake.type: missing"),
        ('type = "s4"', 'stores.lake.type: unknown type "s4"; known are'),
        ('url = "gs://bucket"', 'stores.lake.url: the scheme "gs" is no store'),
        ('url = "bucket"', "stores.lake.url: is no URL of a store; write s3://"),
        ('type = "s3"\nurl = "bucket"', "stores.lake.url: is no URL of a store"),
        ('type = "s3"', "stores.lake.url: missing; it is a string"),
        ('type = "s3"\nurl = "az://lake"', 'url: type = "s3" takes s3:// or s3a://'),
        ('type = "azure"\nurl = "s3://bucket"', "takes az:// or abfs:// or abfss://"),
        ('type = "local"\nurl = "s3://bucket"', "stores.lake.url: unknown key"),
        ('path = "x"\nurl = "s3://bucket"', "stores.lake.path: unknown key"),
        ('url = "s3://k:CANARY@bucket"', "url: has a user or password in it"),
        ('url = "s3://bucket/a//b"', "url: its prefix has an empty part"),
        ('url = "s3://bucket"\nname = "x"', "stores.lake.name: unknown key"),
        ('url = "s3://bucket"\naccount = "x"', "stores.lake.account: unknown key"),
        ('url = "s3://bucket"\nregoin = "x"', 'did you mean "region"?'),
        ('url = "s3://bucket"\nconcurrency = 0', "whole number (at least 1, at most 1000), got 0"),
        ('url = "s3://bucket"\naddressing_style = "paths"', 'did you mean "path"?'),
        ('url = "s3://bucket"\nsse = "kms"', "sse: expected"),
        ('url = "s3://bucket"\npart_checksum = "sha1"', 'did you mean "sha256"?'),
        ('url = "s3://bucket"\nstorage_class = "GLACIER"', "storage_class: its files must be"),
        ('url = "s3://bucket"\nsecret_access_key = ["CANARY"]', "expected a string, got an array"),
        ('url = "az://lake"\naccess_tier = "Archive"', "access_tier: expected"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, body: str, message: str) -> None:
    told = refused(tmp_path, f"[stores.lake]\n{body}\n")
    assert message in told
    assert "CANARY" not in told


ENDPOINT = 'endpoint_url = "https://s3.example.com"\n'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('endpoint_url = "s3.example.com"', "endpoint_url: is no URL; write https://s3.example"),
        ('endpoint_url = "ftp://s3.example.com"', "endpoint_url: is no URL"),
        ('endpoint_url = "http://[::1"', "endpoint_url: is no URL"),
        ('endpoint_url = "http://host:99999"', "endpoint_url: is no URL"),
        ('endpoint_url = "https://a:CANARY@host"', "endpoint_url: has a credential in it"),
        ('endpoint_url = "https://host/?sig=CANARY"', "endpoint_url: has a credential in it"),
        ("insecure = true", "insecure: certificates may go unverified only where endpoint_url"),
        (f"{ENDPOINT}insecure = true", "trust the server's authority with ca_file instead"),
        ('proxy = "proxy.example.com"', 'proxy: expected "env", "none" or a URL'),
        ('proxy = "http://proxy .example.com"', 'proxy: expected "env", "none" or a URL'),
        ('proxy = "socks5://a:CANARY@x"', 'proxy: expected "env", "none" or a URL'),
        ('client_key = "pipelines.toml"', "client_key: needs client_cert beside it"),
        ('ca_file = "none.pem"', "none.pem can't be read: No such file or directory"),
        ('client_cert = "none.pem"', "none.pem can't be read"),
        ('timeout = {connect = "0s"}', "timeout.connect: must be above zero"),
        ('timeout = {read = "0s"}', "timeout.read: must be above zero"),
        ('timeout = {total = "0s"}', "timeout.total: must be above zero"),
        ('access_key_id = "a"', "secret_access_key: missing; the two belong together"),
        ('secret_access_key = "CANARY"', "access_key_id: missing; the two belong together"),
        ('session_token = "CANARY"', "session_token: needs access_key_id and secret_access_key"),
        (
            'access_key_id = "a"\nsecret_access_key = "CANARY"\nprofile = "p"',
            "profile: is a second credential beside access_key_id; keep one",
        ),
        ('access_key_id = "a"\nsecret_access_key = ""', "secret_access_key: is empty; leave it"),
        ('access_key_id = "a\\n"\nsecret_access_key = "CANARY"', "access_key_id: begins or ends"),
        ('access_key_id = "a"\nsecret_access_key = "CANARY\\n"', "secret_access_key: begins or"),
        ('role_arn = "lake"', "role_arn: is no role; write arn:aws:iam::123456789012:role/NAME"),
        ('external_id = "x"', "external_id: needs role_arn beside it"),
        ('region = "eu.central"', "region: is no region"),
        ('expected_bucket_owner = "me"', "expected_bucket_owner: is no account number"),
        ('kms_key_id = "k"', 'kms_key_id: needs sse = "aws:kms"'),
        ('kms_key_id = "k"\nsse = "AES256"', 'kms_key_id: needs sse = "aws:kms"'),
        ('tags = {a = "x!"}', "tags.a: letters, digits, spaces and"),
        ('tags = {"" = "x"}', "letters, digits, spaces and"),
        (f'tags = {{a = "{"x" * 257}"}}', "tags.a: letters"),
        ('tags = {"aws:a" = "x"}', 'tags."aws:a": names that begin with aws: are Amazon'),
        ("tags = {" + ", ".join(f'a{n} = "x"' for n in range(11)) + "}", "tags: has 11 tags"),
    ],
)
def test_each_fault_of_s3_is_told(tmp_path: Path, body: str, message: str) -> None:
    told = refused(tmp_path, f"{S3}{body}\n")
    assert message in told
    assert "faults" not in told
    assert "CANARY" not in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('url = "az://lake"', "account: missing; set it, AZURE_STORAGE_ACCOUNT or a connection"),
        ('url = "az://lake"\naccount = "evil.com/"', "account: is no storage account: 3 to 24"),
        (
            'url = "abfss://lake@acct1.dfs.core.windows.net"\naccount = "acct2"',
            'account: is not the account of the url, "acct1"',
        ),
        (
            f'url = "az://lake"\naccount = "a12"\naccount_key = "{KEY}"\nsas_token = "sig=CANARY"',
            "sas_token: is a second credential beside account_key; keep one",
        ),
        (
            f'url = "az://lake"\nendpoint_url = "https://blobs.example.com"\naccount_key = "{KEY}"',
            "account: missing; account_key is the key of an account",
        ),
        ('url = "az://lake"\naccount = "acct1"\naccount_key = "CANARY"', "it is not base64"),
        ('url = "az://lake"\naccount = "acct1"\nsas_token = " sig=CANARY"', "begins or ends"),
        ('url = "az://lake"\nconnection_string = "CANARY"', "connection_string: is none; it reads"),
        ('url = "az://lake"\nconnection_string = "AccountKey=CANARY"', "is none; it reads"),
        (
            'url = "az://lake"\nconnection_string = "AccountName=a;AccountKey=CANARY"',
            "connection_string: its AccountKey is not base64",
        ),
    ],
)
def test_each_fault_of_azure_is_told(tmp_path: Path, text: str, message: str) -> None:
    told = refused(tmp_path, f"[stores.lake]\n{text}\n")
    assert message in told
    assert "faults" not in told
    assert "CANARY" not in told


def test_all_faults_of_a_store_are_told_together(tmp_path: Path) -> None:
    told = refused(tmp_path, f'{S3}insecure = true\nregion = "x y"\nclient_key = "k"\n')
    assert "3 faults" in told or "4 faults" in told
    for part in ("insecure", "region", "client_key"):
        assert f"stores.lake.{part}" in told


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_certificates_may_go_unverified_on_loopback(tmp_path: Path, host: str) -> None:
    found = store(tmp_path, f'{S3}endpoint_url = "https://{host}"\ninsecure = true\n')
    assert isinstance(found, S3StoreConfig)
    assert found.insecure


# Where pipelines land.


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("lake", "s3://bucket/bronze"),
        ("s3://other/x/", "s3://other/x"),
        ("abfss://lake@acct1.dfs.core.windows.net/x", "abfss://lake@acct1.dfs.core.windows.net/x"),
        ("./lake", "{folder}/lake"),
        ("/lake", "/lake"),
        ("s3:/x", "{folder}/s3:/x"),
    ],
)
def test_a_target_is_a_name_a_url_or_a_path(tmp_path: Path, target: str, expected: str) -> None:
    text = f"{S3}{API}{ORDERS}".replace(
        "[pipelines.myteam.orders]\n", f'[pipelines.myteam.orders]\ntarget = "{target}"\n', 1
    )
    expected = expected.format(folder=tmp_path)
    config = load(tmp_path, text)
    assert config.pipeline("myteam.orders").target.location == expected
    assert config.place(target).location == expected
    for override in (f"target={target}", f"engine.target={target}"):
        config = load(tmp_path, f"{S3}{API}{ORDERS}", overrides=[override])
        assert config.pipeline("myteam.orders").target.location == expected
    config = load(tmp_path, text, environ={"BRONZE_TARGET_ROOT": target})
    assert config.pipeline("myteam.orders").target.location == expected


def test_the_variable_for_the_target_wins_over_the_file_and_not_over_the_command_line(
    tmp_path: Path,
) -> None:
    text = f'[engine]\ntarget = "lake"\n{S3}{API}{ORDERS}'
    environ = {"BRONZE_TARGET_ROOT": "s3://from-variable/x"}
    one = load(tmp_path, text, environ=environ).pipeline("myteam.orders")
    assert one.target.location == "s3://from-variable/x"
    assert (one.target.name, one.state) == ("", None)
    for override in ("target=s3://by-hand", "engine.target=s3://by-hand"):
        other = load(tmp_path, text, environ=environ, overrides=[override])
        assert other.pipeline("myteam.orders").target.location == "s3://by-hand"


def test_a_url_of_a_variable_and_a_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "LAKE=s3://bucket/x\nAWS_ACCESS_KEY_ID=from-file\nAWS_SECRET_ACCESS_KEY=secret-of-file\n"
    )
    config = load(tmp_path, f'[engine]\ntarget = "${{LAKE}}"\n{API}{ORDERS}')
    target = config.pipeline("myteam.orders").target
    assert isinstance(target, S3StoreConfig)
    assert (target.location, target.access_key_id) == ("s3://bucket/x", "from-file")
    assert target.secret_access_key == Secret("secret-of-file")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gs://bucket", 'myteam.orders.target: the scheme "gs" is no store'),
        ("s3://", "myteam.orders.target: names no bucket"),
        ("az://lake", "myteam.orders.target.account: missing; set it, AZURE_STORAGE_ACCOUNT"),
        ("lak", 'there is no store "lak"; did you mean "lake"?'),
        ("s3://k:CANARY-pass@bucket", "target: has a user or password in it"),
    ],
)
def test_a_wrong_target_is_refused(tmp_path: Path, target: str, message: str) -> None:
    config = load(tmp_path, f"{S3}{API}{ORDERS}", overrides=[f"target={target}"])
    with pytest.raises(ConfigError) as caught:
        config.pipeline("myteam.orders")
    assert message in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_state_may_lie_in_another_store(tmp_path: Path) -> None:
    text = f'[engine]\ntarget = "./data"\nstate = "s3://state/x"\n{S3}{API}{ORDERS}'
    pipeline = load(tmp_path, text).pipeline("myteam.orders")
    assert pipeline.state == S3StoreConfig(url="s3://state/x")
    assert pipeline.target == LocalStoreConfig(path=str(tmp_path / "data"))


def test_where_rows_land_is_no_part_of_what_they_are(tmp_path: Path) -> None:
    text = f"{S3}{API}{ORDERS}"
    hashes = {
        load(tmp_path, text, overrides=[f"target={target}"], environ=environ)
        .pipeline("myteam.orders")
        .config_hash
        for target, environ in (
            ("./x", {}),
            ("lake", {}),
            ("lake", {"AWS_ACCESS_KEY_ID": "orders", "AWS_SECRET_ACCESS_KEY": "full-secret"}),
            ("abfss://lake@acct1.dfs.core.windows.net", {"AZURE_STORAGE_KEY": KEY}),
        )
    }
    assert len(hashes) == 1


# The vendors' variables.


def s3(folder: Path, body: str = "", **environ: str) -> dict[str, Any]:
    """What is set of an S3 store, secrets revealed."""
    found = store(folder, f"{S3}{body}\n", **environ)
    assert isinstance(found, S3StoreConfig)
    return given(found)


def azure(folder: Path, text: str, **environ: str) -> dict[str, Any]:
    found = store(folder, f"[stores.lake]\n{text}\n", **environ)
    assert isinstance(found, AzureStoreConfig)
    return given(found)


def given(found: S3StoreConfig | AzureStoreConfig) -> dict[str, Any]:
    values = msgspec.structs.asdict(found)
    blank = msgspec.structs.asdict(type(found)(url=found.url, name="lake"))
    return {
        key: value.reveal() if isinstance(value, Secret) else value
        for key, value in values.items()
        if value != blank[key]
    }


KEYS = {"AWS_ACCESS_KEY_ID": "id-of-env", "AWS_SECRET_ACCESS_KEY": "secret-of-env"}
TAKEN = {"access_key_id": "id-of-env", "secret_access_key": "secret-of-env"}
OWN = 'access_key_id = "id-of-file"\nsecret_access_key = "secret-of-file"\n'
OWN_TAKEN = {"access_key_id": "id-of-file", "secret_access_key": "secret-of-file"}


@pytest.mark.parametrize(
    ("body", "environ", "expected"),
    [
        ("", {}, {}),
        ("", KEYS, TAKEN),
        ("", {**KEYS, "AWS_SESSION_TOKEN": "token-1"}, {**TAKEN, "session_token": "token-1"}),
        ("", {"AWS_SESSION_TOKEN": "token-1"}, {}),
        ("", {"AWS_ACCESS_KEY_ID": "id-of-env"}, {}),
        ("", {**KEYS, "AWS_SECRET_ACCESS_KEY": ""}, {}),
        ("", {**KEYS, "AWS_PROFILE": "work"}, TAKEN),
        ("", {"AWS_PROFILE": "work"}, {"profile": "work"}),
        ("", {"AWS_PROFILE": ""}, {}),
        (OWN, {**KEYS, "AWS_SESSION_TOKEN": "token-1", "AWS_PROFILE": "work"}, OWN_TAKEN),
        ('profile = "own"', {**KEYS, "AWS_PROFILE": "work"}, {"profile": "own"}),
        ("", {"AWS_DEFAULT_REGION": "eu-1", "AWS_REGION": "eu-2"}, {"region": "eu-1"}),
        ("", {"AWS_REGION": "eu-2"}, {"region": "eu-2"}),
        ('region = "eu-3"', {"AWS_DEFAULT_REGION": "eu-1"}, {"region": "eu-3"}),
        ("", {"AWS_ENDPOINT_URL": "https://a.example"}, {"endpoint_url": "https://a.example"}),
        (
            "",
            {"AWS_ENDPOINT_URL": "https://a.example", "AWS_ENDPOINT_URL_S3": "https://b.example"},
            {"endpoint_url": "https://b.example"},
        ),
        (
            'endpoint_url = "https://c.example"',
            {"AWS_ENDPOINT_URL": "https://a.example", "AWS_ENDPOINT_URL_S3": "https://b.example"},
            {"endpoint_url": "https://c.example"},
        ),
        ("", {"AZURE_STORAGE_ACCOUNT": "acct1", "AZURE_STORAGE_KEY": KEY}, {}),
    ],
)
def test_amazons_variables_fill_in_what_the_file_leaves_out(
    tmp_path: Path, body: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert s3(tmp_path, body, **environ) == expected


@pytest.mark.parametrize("key", ['secret_access_key = "CANARY"', 'session_token = "CANARY"'])
def test_half_a_credential_of_the_file_is_not_mended_from_the_environment(
    tmp_path: Path, key: str
) -> None:
    assert "stores.lake" in refused(tmp_path, f"{S3}{key}\n", **KEYS)


def test_amazons_bundle_of_authorities_is_trusted(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("PEM")
    assert s3(tmp_path, AWS_CA_BUNDLE=str(bundle)) == {"ca_file": str(bundle)}
    assert "can't be read" in refused(tmp_path, S3, AWS_CA_BUNDLE="/none.pem")


AZ = 'url = "az://lake"\n'
ABFSS = 'url = "abfss://lake@acct1.dfs.core.windows.net"\n'
ENV = {
    "AZURE_STORAGE_ACCOUNT": "acct1",
    "AZURE_STORAGE_KEY": KEY,
    "AZURE_STORAGE_ENDPOINT": "https://blobs.example.com",
}


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        (AZ, {"AZURE_STORAGE_ACCOUNT": "acct1"}, {"account": "acct1"}),
        (
            AZ,
            ENV,
            {"account": "acct1", "account_key": KEY, "endpoint_url": "https://blobs.example.com"},
        ),
        (AZ, {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, {"connection_string": CONNECTION}),
        (
            AZ,
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION, "AZURE_STORAGE_KEY": OTHER_KEY},
            {"connection_string": CONNECTION},
        ),
        (
            AZ,
            {**ENV, "AZURE_STORAGE_SAS_TOKEN": "sig=1"},
            {"account": "acct1", "account_key": KEY, "endpoint_url": "https://blobs.example.com"},
        ),
        (
            AZ,
            {"AZURE_STORAGE_ACCOUNT": "acct1", "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=2"},
            {"account": "acct1", "sas_token": "?sv=1&sig=2"},
        ),
        # The file's own account, and the variables of the same one, of none, of another.
        (
            f'{AZ}account = "acct1"',
            ENV,
            {"account": "acct1", "account_key": KEY, "endpoint_url": "https://blobs.example.com"},
        ),
        (
            f'{AZ}account = "acct1"',
            {"AZURE_STORAGE_KEY": KEY},
            {"account": "acct1", "account_key": KEY},
        ),
        (f'{AZ}account = "acct2"', ENV, {"account": "acct2"}),
        (
            f'{AZ}account = "acct2"',
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION},
            {"account": "acct2"},
        ),
        # The URL names its host: only a credential is missing.
        (ABFSS, ENV, {"account_key": KEY}),
        (ABFSS.replace("acct1", "acct2"), ENV, {}),
        (ABFSS, {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, {"connection_string": CONNECTION}),
        (ABFSS.replace("acct1", "acct2"), {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, {}),
        # A credential of the file, whole or not at all.
        (
            f'{AZ}account = "acct1"\nsas_token = "sig=9"',
            {"AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_CONNECTION_STRING": CONNECTION},
            {"account": "acct1", "sas_token": "sig=9"},
        ),
        (f'{AZ}connection_string = "{CONNECTION}"', ENV, {"connection_string": CONNECTION}),
        (ABFSS, KEYS, {}),
    ],
)
def test_azures_variables_fill_in_what_the_file_leaves_out(
    tmp_path: Path, text: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert azure(tmp_path, text, **environ) == expected


def test_the_environment_wins_over_the_dotenv_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AWS_REGION=eu-1\nAWS_ENDPOINT_URL=https://a.example\n")
    assert s3(tmp_path, AWS_REGION="eu-2") == {
        "region": "eu-2",
        "endpoint_url": "https://a.example",
    }


def test_a_store_without_a_file() -> None:
    found = load_store("s3://bucket/x", environ={**KEYS, "AWS_REGION": "eu-1"})
    assert isinstance(found, S3StoreConfig)
    assert given(msgspec.structs.replace(found, name="lake")) == {**TAKEN, "region": "eu-1"}
    assert load_store(Path("x"), environ={}) == LocalStoreConfig(path=str(Path.cwd() / "x"))
    with pytest.raises(ConfigError, match=r"^CFG001 .*target: names no bucket"):
        load_store("s3://", environ={})
    with pytest.raises(ConfigError, match=r"target\.account: missing"):
        load_store("az://lake", environ={})


# What is the same place.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('url = "s3://bucket/x"', 'url = "s3a://bucket/x/"'),
        ('url = "s3://bucket/x"', 'url = "S3://bucket//x/"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket/x"\nregion = "eu-1"\nprofile = "p"'),
        (
            'url = "s3://bucket/x"',
            'url = "s3://bucket/x"\nendpoint_url = "https://s3.eu-1.amazonaws.com"',
        ),
        (
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000"',
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000/"',
        ),
        (
            'url = "az://lake/x"\naccount = "acct1"',
            'url = "abfss://lake@acct1.dfs.core.windows.net/x/"',
        ),
        (
            'url = "az://lake/x"\naccount = "acct1"',
            f'url = "abfs://lake/x"\nconnection_string = "{CONNECTION}"',
        ),
        (
            'url = "az://lake/x"\naccount = "acct1"',
            'url = "az://lake/x"\nendpoint_url = "https://acct1.blob.core.windows.net"',
        ),
        (
            'url = "az://lake/x"\nendpoint_url = "http://127.0.0.1:10000/acct1"',
            f'url = "az://lake/x"\nconnection_string = "{EMULATED}"',
        ),
        ('path = "x"', 'path = "./y/../x/"'),
    ],
)
def test_two_spellings_of_one_place_have_one_owner(tmp_path: Path, one: str, other: str) -> None:
    text = f"[stores.one]\n{one}\n[stores.other]\n{other}\n"
    config = load(tmp_path, text)
    assert place_of(config.store("one")) == place_of(config.store("other"))
    with pytest.raises(ConfigError, match=r"belongs to pipelines\.other\.orders too"):
        load(tmp_path, text + two_pipelines("one", "other")).pipeline("myteam.orders")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('url = "s3://bucket/x"', 'url = "s3://bucket/y"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket/X"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000"'),
        (
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9001"',
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000"',
        ),
        ('url = "az://lake/x"\naccount = "acct1"', 'url = "az://lake/x"\naccount = "acct2"'),
        ('url = "az://lake/x"\naccount = "acct1"', 'url = "az://pond/x"\naccount = "acct1"'),
        ('url = "s3://lake/x"', 'url = "az://lake/x"\naccount = "acct1"'),
        ('url = "s3://lake/x"', 'path = "lake/x"'),
    ],
)
def test_two_places_may_hold_the_same_entity(tmp_path: Path, one: str, other: str) -> None:
    text = f"[stores.one]\n{one}\n[stores.other]\n{other}\n{two_pipelines('one', 'other')}"
    config = load(tmp_path, text)
    assert config.pipeline("myteam.orders").target.name == "one"
    assert config.pipeline("other.orders").target.name == "other"


def test_a_url_and_the_store_of_the_same_url_are_one_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"belongs to pipelines\.other\.orders too"):
        load(tmp_path, S3 + two_pipelines("lake", "s3a://bucket/bronze/")).pipeline("myteam.orders")


def two_pipelines(one: str, other: str) -> str:
    source = 'source = {type = "http", api = "shop", path = "/x"}\n'
    return (
        f'{API}[pipelines.myteam.orders]\ntarget = "{one}"\n{source}'
        f'[pipelines.other.orders]\ntarget = "{other}"\nsystem = "myteam"\n{source}'
    )


def test_two_stores_of_one_location_are_two_stores(tmp_path: Path) -> None:
    """Each with the limits and the credentials of its own."""
    text = f'{S3}concurrency = 4\n[stores.other]\nurl = "s3://bucket/bronze"\nprofile = "p"\n'
    config = load(tmp_path, text)
    one, other = config.store("lake"), config.store("other")
    assert one.location == other.location
    assert one != other
    assert config.check_all() == []


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


# What is told, and what is not.


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


def test_the_variables_that_matter_are_told_of_those_that_do_not(tmp_path: Path) -> None:
    """A store's Struct differs by no other variable than those that docs/stores.md names."""
    noise = {"AWS_MAX_ATTEMPTS": "9", "AWS_RETRY_MODE": "standard", "AWS_ROLE_ARN": "x"}
    assert s3(tmp_path, **noise) == {}
    path = tmp_path / "pipelines.toml"
    assert load_config(path, environ={}).store("lake") == load_config(path, environ=noise).store(
        "lake"
    )


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
