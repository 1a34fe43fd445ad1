from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.files import load

pytestmark = pytest.mark.unit

TEXT = """
[apis.shop]
base_url = "https://shop.example/v1"
[apis.shop.auth]
type = "bearer"
token = "${TOKEN:-first-token}"
[apis.shop.headers]
X-Version = "1"
[pipelines.myteam.orders]
load = "incremental"
[pipelines.myteam.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.myteam.orders.source.paginator]
type = "page"
[pipelines.myteam.orders.source.params]
status = "active"
region = "${REGION:-north}"
api_key = "first-key"
[pipelines.myteam.orders.incremental]
cursor = "u"
lag = "5m"
"""


def hash_of(folder: Path, *overrides: str, environ: dict[str, str] | None = None) -> str:
    config = load(folder, TEXT, overrides=overrides, environ=environ)
    return config.pipeline("myteam.orders").config_hash


@pytest.mark.parametrize(
    "override",
    [
        "apis.shop.base_url=https://shop.example/v2",
        "source.path=/other",
        "source.params.status=closed",
        "source.params.more=1",
        "source.headers.Prefer=all",
        "source.records=data",
        "source.null_records=empty",
        "source.absent_records=empty",
        "source.single_record=true",
        'source.records=["data","more"]',
        "source.envelope.at=meta.at",
        "source.record_kind=value",
        "source.format=ndjson",
        "source.paginator.max_pages=5",
        "incremental.cursor=v",
        "incremental.lag=6m",
        'primary_key=["id"]',
        "schema.columns.a=string",
        "schema.on_drift=fail",
        "schema.raw=true",
        "schema.contract=freeze",
        "schema.nested=json",
        "schema.flatten=__",
        "output.load_columns=false",
        "output.extracted_at=true",
        "apis.shop.headers.X-More=more",
    ],
)
def test_what_changes_rows_changes_the_hash(tmp_path: Path, override: str) -> None:
    assert hash_of(tmp_path, override) != hash_of(tmp_path)


@pytest.mark.parametrize(
    "override",
    [
        "apis.shop.auth.token=another",
        "apis.shop.rate_limit.rps=5",
        "apis.shop.timeout.read=5s",
        "apis.shop.concurrency=3",
        "source.retry.attempts=2",
        "source.rate_limit.rps=5",
        "source.max_page_bytes=1MiB",
        "source.capture=pages",
        "source.paginator.parallel=3",
        "source.params.api_key=another-key",
        "output.compression=snappy",
        "output.encoding=delta",
        "output.row_group_rows=5",
        "quality.max_bad_rows=5",
        'tags=["x"]',
        "target=./elsewhere",
    ],
)
def test_what_changes_no_row_leaves_the_hash_alone(tmp_path: Path, override: str) -> None:
    assert hash_of(tmp_path, override) == hash_of(tmp_path)


def test_only_dropping_duplicates_changes_rows(tmp_path: Path) -> None:
    key = 'primary_key=["id"]'
    plain = hash_of(tmp_path, key)
    assert hash_of(tmp_path, key, "quality.duplicates=report") == plain
    assert hash_of(tmp_path, key, "quality.duplicates=drop") != plain


def test_a_value_of_the_environment_counts_by_its_name_alone(tmp_path: Path) -> None:
    one = hash_of(tmp_path, environ={"REGION": "region-one"})
    two = hash_of(tmp_path, environ={"REGION": "region-two"})
    assert one == two
