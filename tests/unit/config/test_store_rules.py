"""What is wrong in [stores.NAME] is told with its key, all of it at once, and no secret with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.stores import KEY, S3, refused

pytestmark = pytest.mark.unit


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
