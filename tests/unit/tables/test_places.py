"""Where other engines find files, and with what pyiceberg opens a catalog."""

from __future__ import annotations

import pytest

from bronze_engine.config.catalog import Catalog
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    CustomStore,
    LocalStoreConfig,
    S3StoreConfig,
    StoreConfig,
)
from bronze_engine.config.stores.uri import uri_of
from bronze_engine.config.units import Secret
from bronze_engine.tables.iceberg.catalog import properties_of

pytestmark = pytest.mark.unit

S3 = S3StoreConfig(
    url="s3://lake/bronze/",
    endpoint_url="http://127.0.0.1:9000",
    region="eu-central-1",
    addressing_style="path",
    access_key_id="id",
    secret_access_key=Secret("key"),
    session_token=Secret("token"),
)
AZURE = AzureStoreConfig(url="az://lake/bronze", account="acc", account_key=Secret("key"))
DFS = AzureStoreConfig(url="abfss://lake@acc.dfs.core.chinacloudapi.cn", sas_token=Secret("sas"))
CATALOG = Catalog(name="lake", type="rest", uri=Secret("http://catalog"))


@pytest.mark.parametrize(
    ("store", "uri"),
    [
        (LocalStoreConfig(path="/lake/a b%20"), "file:///lake/a b%20/x/y=%2F"),
        (S3, "s3://lake/bronze/x/y=%2F"),
        (S3StoreConfig(url="s3://lake"), "s3://lake/x/y=%2F"),
        (AZURE, "abfss://lake@acc.dfs.core.windows.net/bronze/x/y=%2F"),
        (DFS, "abfss://lake@acc.dfs.core.chinacloudapi.cn/x/y=%2F"),
    ],
    ids=["local", "s3", "bucket", "azure", "dfs"],
)
def test_a_url_is_as_other_engines_write_it(store: StoreConfig, uri: str) -> None:
    assert uri_of(store, "x/y=%2F") == uri


def test_a_store_of_a_third_party_has_none() -> None:
    class Vault(CustomStore, frozen=True, kw_only=True, tag="vault"):
        pass

    with pytest.raises(ValueError, match="vault:mine has no URL that other engines know"):
        uri_of(Vault(name="mine"), "x")


def test_a_catalog_is_opened_with_what_the_store_knows() -> None:
    assert properties_of(CATALOG, S3) == {
        "type": "rest",
        "uri": "http://catalog",
        "s3.endpoint": "http://127.0.0.1:9000",
        "s3.region": "eu-central-1",
        "s3.access-key-id": "id",
        "s3.secret-access-key": "key",
        "s3.session-token": "token",
        "s3.force-virtual-addressing": "false",
    }
    assert properties_of(CATALOG, AZURE) == {
        "type": "rest",
        "uri": "http://catalog",
        "adls.account-name": "acc",
        "adls.account-key": "key",
    }
    assert properties_of(CATALOG, DFS)["adls.sas-token"] == "sas"


def test_what_the_catalog_s_own_table_says_wins() -> None:
    own = Catalog(
        name="lake", type="glue", properties={"s3.region": Secret("us-east-1"), "x": Secret("y")}
    )
    found = properties_of(own, S3)
    assert (found["s3.region"], found["x"], found["type"]) == ("us-east-1", "y", "glue")
