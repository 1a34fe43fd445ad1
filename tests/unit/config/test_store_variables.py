"""The vendors' variables fill in what [stores.NAME] leaves out, and no more than that."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.load import load_config
from tests.unit.config.stores import (
    ABFSS,
    CONNECTION,
    KEY,
    KEYS,
    OTHER_KEY,
    S3,
    TAKEN,
    azure,
    refused,
    s3,
)

pytestmark = pytest.mark.unit
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


def test_the_variables_that_matter_are_told_of_those_that_do_not(tmp_path: Path) -> None:
    """A store's Struct differs by no other variable than those that docs/stores.md names."""
    noise = {"AWS_MAX_ATTEMPTS": "9", "AWS_RETRY_MODE": "standard", "AWS_ROLE_ARN": "x"}
    assert s3(tmp_path, **noise) == {}
    path = tmp_path / "pipelines.toml"
    assert load_config(path, environ={}).store("lake") == load_config(path, environ=noise).store(
        "lake"
    )
