from __future__ import annotations

import pytest

from bronze_engine.config.stores.address import SCHEMES, Address, parse_address, service_of
from bronze_engine.config.stores.connection_string import account_in, connection_parts
from bronze_engine.config.stores.loopback import is_loopback

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "container", "prefix"),
    [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket/bronze", "bucket", "bronze"),
        ("s3://bucket/bronze/", "bucket", "bronze"),
        ("S3://bucket/a/b", "bucket", "a/b"),
        ("s3a://bucket/a", "bucket", "a"),
        ("s3://my.bucket-1/a", "my.bucket-1", "a"),
        ("s3://Old_Bucket/a", "Old_Bucket", "a"),  # of us-east-1 before 2018
        ("s3://abc/é 1%20/=x", "abc", "é 1%20/=x"),  # keys are no URLs: nothing is decoded
        ("s3://alias-of-a-point-s3alias/x", "alias-of-a-point-s3alias", "x"),
    ],
)
def test_a_bucket_and_its_prefix(url: str, container: str, prefix: str) -> None:
    assert parse_address(url) == Address(service="s3", container=container, prefix=prefix)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("az://lake", Address(service="azure", container="lake")),
        ("az://lake/a/b/", Address(service="azure", container="lake", prefix="a/b")),
        ("az://$web/a", Address(service="azure", container="$web", prefix="a")),
        ("abfss://lake/a", Address(service="azure", container="lake", prefix="a")),
        (
            "abfss://lake@acct1.dfs.core.windows.net/a",
            Address(
                service="azure",
                container="lake",
                prefix="a",
                account="acct1",
                suffix="core.windows.net",
            ),
        ),
        (
            "abfs://lake@acct1.blob.core.chinacloudapi.cn",
            Address(
                service="azure", container="lake", account="acct1", suffix="core.chinacloudapi.cn"
            ),
        ),
    ],
)
def test_a_container_its_account_and_its_prefix(url: str, expected: Address) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://bucket/x", 'the scheme "gs" is no store; write s3://bucket/prefix'),
        ("https://acct.blob.core.windows.net/lake", 'the scheme "https" is no store'),
        ("file:///data", "or the path of a directory"),
        ("a secret://x", "is no URL of a store; write"),
        ("bucket/x", "is no URL of a store"),
        ("", "is no URL of a store"),
        ("s3:/bucket", "is no URL of a store"),
        ("s3://", "names no bucket; write s3://bucket/prefix"),
        ("s3:///x", "names no bucket"),
        ("s3://ab", "names no bucket"),
        ("s3://-abc/x", "names no bucket"),
        ("s3://bucket:9000/x", "names no bucket"),
        ("s3://[::1/x", "is no URL"),
        ("s3://key:CANARY@bucket/x", "has a user or password in it; credentials belong into"),
        ("s3://bucket/x?versionId=CANARY", "has a query (?) or a fragment (#)"),
        ("s3://bucket/x#CANARY", "has a query (?) or a fragment (#)"),
        ("s3://bucket/a//b", "its prefix has an empty part, `.` or `..`"),
        ("s3://bucket/a/../b", "its prefix has an empty part"),
        ("s3://bucket/./b", "its prefix has an empty part"),
        ("s3://bucket/a\nb", "has a line break, a tab or another control character"),
        ("s3://buc\tket/a", "has a line break"),
        ("az://La_ke/x", "names no container (3 to 63 lower-case letters"),
        ("az://lake-/x", "names no container"),
        ("az://la--ke/x", "names no container"),
        ("az://la/x", "names no container"),
        ("az://lake@/x", "names no storage account"),
        ("abfss://lake@acct1.example.com/x", "names no storage account; write abfss://"),
        ("abfss://lake@acct1/x", "names no storage account"),
        ("abfss://CANARY:CANARY@acct1.dfs.core.windows.net/x", "names no container"),
        ("az://lake/x?sv=1&sig=CANARY", "credentials belong into [stores]"),
    ],
)
def test_what_is_no_address_hears_how_to_write_one(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|its|names|the) ") as caught:
        parse_address(url)
    assert message in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_every_scheme_means_a_service() -> None:
    for scheme, service in SCHEMES.items():
        assert service_of(f"{scheme}://abc") == parse_address(f"{scheme}://abc").service == service


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("AccountName=a;AccountKey=a2V5==", {"accountname": "a", "accountkey": "a2V5=="}),
        (" UseDevelopmentStorage=true; ", {"usedevelopmentstorage": "true"}),
        (
            "BlobEndpoint=https://x/;SharedAccessSignature=sv=1&sig=2",
            {"blobendpoint": "https://x/", "sharedaccesssignature": "sv=1&sig=2"},
        ),
        ("", None),
        ("a key by itself", None),
        ("a=b;c", None),
        ("=b", None),
    ],
)
def test_a_connection_string_falls_into_its_parts(text: str, parts: dict[str, str] | None) -> None:
    assert connection_parts(text) == parts


def test_the_account_of_a_connection_string() -> None:
    assert account_in("AccountName=lake;AccountKey=x") == "lake"
    assert account_in("UseDevelopmentStorage=true") == "devstoreaccount1"
    assert account_in("BlobEndpoint=https://lake.blob.core.windows.net") is None
    assert account_in("") is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("account.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("s3.example.com", False),
        ("", False),
    ],
)
def test_what_never_leaves_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
