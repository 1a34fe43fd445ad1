"""docs/stores.md says what the code does: its tables are compared with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from bronze_engine.config.load import load_config
from bronze_engine.config.stores.store import AzureStoreConfig, RemoteStoreConfig, S3StoreConfig
from bronze_engine.config.stores.variables import VARIABLES
from bronze_engine.encode.sink import PART_BYTES, part_size
from bronze_engine.land.slice import PARTS_HELD
from bronze_engine.publish.lease import RENEW_SECONDS
from bronze_engine.store.azure.faults import _LETTERS as AZURE_PERMISSIONS
from bronze_engine.store.multipart import PARTS_IN_FLIGHT
from bronze_engine.store.s3.faults import PERMISSION
from tests.documents import ROOT, STORES

pytestmark = pytest.mark.unit

S3: RemoteStoreConfig = S3StoreConfig(url="s3://bucket")
AZURE: RemoteStoreConfig = AzureStoreConfig(url="az://lake")


def cells(section: str) -> list[list[str]]:
    """The rows of the tables of a section, without their headings."""
    lines = [line for line in STORES.section(section).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("config", [S3, AZURE], ids=["s3", "azure"])
def test_the_table_of_defaults_shows_those_of_the_code(config: RemoteStoreConfig) -> None:
    shown = {row[2]: row[1] for row in cells("Defaults")}
    retry, breaker, timeout = config.retry, config.circuit_breaker, config.timeout
    assert shown["`concurrency`"] == f"{config.concurrency}"
    assert shown["`retry.attempts`"] == f"{retry.attempts}"
    assert shown["`retry.backoff`"].startswith(f"{retry.backoff:g} s x 2^(n-1)")
    assert shown["`retry.max_wait`"].startswith(f"{retry.max_wait / 60:g} min for one request")
    assert shown["`circuit_breaker.failures`"] == f"after {breaker.failures} failures in a row"
    assert shown["`circuit_breaker.cooldown`"] == f"after {breaker.cooldown:g} s"
    limits = (timeout.connect, timeout.read, timeout.total)
    written = ", ".join(f"{seconds:g} s" for seconds in limits)
    assert shown["`timeout.connect`, `.read`, `.total`"] == written


def test_parts_and_memory_are_those_of_the_code() -> None:
    shown = {row[0]: row[1] for row in cells("Defaults")}
    mib = 1024**2
    assert shown["part of a file"].startswith(f"{PART_BYTES // mib} MiB; twice as much after each")
    assert part_size(1001, PART_BYTES) == 2 * part_size(1000, PART_BYTES)
    assert shown["parts of one file on their way"] == f"{PARTS_IN_FLIGHT}"
    assert PARTS_HELD == PARTS_IN_FLIGHT + 1
    assert f"being cut, {PARTS_HELD * PART_BYTES // mib} MiB" in STORES.text
    assert f"renewed every {RENEW_SECONDS:g} s" in STORES.text


def test_the_policy_grants_what_the_operations_need_and_nothing_else() -> None:
    [policy] = [json.loads(block) for block in STORES.blocks("json", "Least privilege on S3")]
    granted = {action for statement in policy["Statement"] for action in statement["Action"]}
    needed = set(re.findall(r"s3:\w+", " ".join(PERMISSION.values())))
    assert granted == needed
    assert {row[0].strip("`") for row in cells("Least privilege on S3")} - {
        "permission",
        "---",
    } == (needed)
    for statement in policy["Statement"]:
        is_of_bucket = all("Bucket" in action for action in statement["Action"])
        assert statement["Resource"].endswith(":my-bucket" if is_of_bucket else "/bronze/*")


def test_the_sas_has_the_letters_that_the_errors_name() -> None:
    section = STORES.section("Least privilege on Azure")
    letters = "".join(sorted(set("".join(AZURE_PERMISSIONS.values()))))
    for shown in re.findall(r"(?:sp=|--permissions )([a-z]+)", section):
        assert "".join(sorted(shown)) == letters
    described = [re.search(r"`([a-z]+)`", row[0]) for row in cells("Least privilege on Azure")]
    found = [match[1] for match in described if match is not None]
    assert sorted(found) == sorted(AZURE_PERMISSIONS.values())


def test_the_variables_are_those_of_the_code() -> None:
    named = set(re.findall(r"\b(?:AWS|AZURE_STORAGE)_[A-Z0-9_]+\b", STORES.text))
    assert named == set(VARIABLES)


def test_keys_that_the_guide_names_exist() -> None:
    known = {
        field
        for kind in (S3StoreConfig, AzureStoreConfig)
        for field in msgspec.structs.asdict(kind(url="s3://b"))
    }
    used = {
        key
        for block in STORES.blocks("toml")
        for key in re.findall(r"^(\w+) = ", block, re.MULTILINE)
    }
    assert used <= known | {"target"}
    rows = cells("Encryption, classes and tags")[2:]
    assert {key.strip("`") for row in rows for key in row[0].split(", ")} <= known


@pytest.mark.parametrize("number", range(len(STORES.blocks("toml"))))
def test_every_configuration_of_the_guide_is_one(number: int, tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    for name in ("corp-ca.pem", "client.pem", "client.key"):
        (tmp_path / "certs" / name).write_text("PEM")
    path = tmp_path / "pipelines.toml"
    text = STORES.blocks("toml")[number]
    path.write_text(
        text
        + ('[apis.shop]\nbase_url = "https://shop.example"\n')
        + '[pipelines.myteam.audit.source]\ntype = "http"\napi = "shop"\npath = "/x"\n'
    )
    config = load_config(path, environ={"LAKE_EXTERNAL_ID": "of-the-owner"})
    assert config.check_all() == []


def test_minio_is_that_of_the_compose_file() -> None:
    [block] = STORES.blocks("toml", "Servers that speak S3's protocol")
    compose = (ROOT / "compose.yaml").read_text()
    for key, variable in (
        ("access_key_id", "MINIO_ROOT_USER"),
        ("secret_access_key", "MINIO_ROOT_PASSWORD"),
    ):
        written = re.search(rf'^{key} = "(.+)"$', block, re.MULTILINE)
        assert written is not None
        assert f"{variable}: {written[1]}\n" in compose
    assert "127.0.0.1:9000:9000" in compose


def test_the_classes_that_are_refused_are_named() -> None:
    section = STORES.section("Encryption, classes and tags")
    assert "`GLACIER` and `DEEP_ARCHIVE` are refused" in section
