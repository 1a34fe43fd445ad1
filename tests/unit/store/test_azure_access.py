"""Where an Azure store asks, and with what: every way to say it."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError
from bronze_engine.store.azure.access import Access, access_of

pytestmark = pytest.mark.unit

KEY = Secret("Y2FuYXJ5LWtleQ==")
SAS = Secret("sv=2024-11-04&sig=canary%2Bsignature")


def of(**fields: Any) -> Access:
    return access_of(AzureStoreConfig(**{"url": "az://lake/x", **fields}))


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({"account": "acme"}, "https://acme.blob.core.windows.net"),
        (
            {"url": "abfss://lake@acme.dfs.core.windows.net/x"},
            "https://acme.blob.core.windows.net",
        ),
        (
            {"url": "abfss://lake@acme.dfs.core.chinacloudapi.cn/x"},
            "https://acme.blob.core.chinacloudapi.cn",
        ),
        (
            {"account": "acme", "endpoint_url": "https://acme.privatelink.example/"},
            "https://acme.privatelink.example",
        ),
        (
            {"connection_string": "AccountName=acme;AccountKey=Y2FuYXJ5"},
            "https://acme.blob.core.windows.net",
        ),
        (
            {
                "connection_string": "DefaultEndpointsProtocol=http;AccountName=acme;"
                "AccountKey=Y2FuYXJ5;EndpointSuffix=core.usgovcloudapi.net;"
            },
            "http://acme.blob.core.usgovcloudapi.net",
        ),
        (
            {"connection_string": "BlobEndpoint=https://a.example/;SharedAccessSignature=sig=x"},
            "https://a.example",
        ),
        (
            {
                "connection_string": "BlobEndpoint=https://a.example/;SharedAccessSignature=sig=x",
                "endpoint_url": "https://b.example",
            },
            "https://b.example",
        ),
        (
            {"connection_string": "UseDevelopmentStorage=true"},
            "http://127.0.0.1:10000/devstoreaccount1",
        ),
    ],
)
def test_endpoint(fields: dict[str, Any], endpoint: str) -> None:
    if "connection_string" in fields:
        fields = {**fields, "connection_string": Secret(fields["connection_string"])}
    access = of(**fields)
    assert access.endpoint == endpoint
    assert access.is_encrypted is endpoint.startswith("https")


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({"account": "acme"}, "acme"),
        ({"url": "abfss://lake@acme.dfs.core.windows.net"}, "acme"),
        ({"endpoint_url": "http://127.0.0.1:10000/devstoreaccount1"}, "devstoreaccount1"),
        ({"endpoint_url": "https://acme.blob.core.windows.net"}, "acme"),
        ({"endpoint_url": "https://lake.example.com", "account": "acme"}, "acme"),
    ],
)
def test_key_signs_for_the_account_that_is_named(fields: dict[str, Any], account: str) -> None:
    credential = of(account_key=KEY, **fields).credential
    assert isinstance(credential, AzureNamedKeyCredential)
    assert credential.named_key == (account, KEY.reveal())


def test_connection_string_brings_account_and_key() -> None:
    text = Secret("AccountName=acme;AccountKey=Y2FuYXJ5LWtleQ==;EndpointSuffix=core.windows.net")
    credential = of(connection_string=text).credential
    assert isinstance(credential, AzureNamedKeyCredential)
    assert credential.named_key == ("acme", "Y2FuYXJ5LWtleQ==")


@pytest.mark.parametrize("mark", ["", "?"])
def test_sas_token_with_and_without_its_question_mark(mark: str) -> None:
    credential = of(account="acme", sas_token=Secret(mark + SAS.reveal())).credential
    assert isinstance(credential, AzureSasCredential)
    assert credential.signature == SAS.reveal()


def test_no_credential_is_left_to_azure_identity() -> None:
    assert of(account="acme").credential is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "no storage account is named; set account"),
        ({"connection_string": Secret("AccountName=acme;canary")}, "connection_string is malf"),
        (
            {"connection_string": Secret("AccountName=acme;Canary=1")},
            "neither AccountKey nor SharedAccessSignature",
        ),
        ({"account_key": KEY, "endpoint_url": "http://127.0.0.1:10000"}, "set account, or write"),
        ({"endpoint_url": "http://127.0.0.1:10000/devstoreaccount1"}, "over https only"),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        of(name="lake", **fields)
    assert caught.value.message.startswith("stores.lake")
    assert "canary" not in caught.value.message.lower()
