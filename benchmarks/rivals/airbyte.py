"""The Airbyte CDK's declarative source, its records written as Parquet by pyarrow.

The CDK has no destination of its own: what it emits is gathered in groups of 50,000, as the
expert's script does. It reads the pages of one stream one after another; its threads (20
here) read several streams or slices side by side, and there is one. Its log is silenced.
"""

from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)

from benchmarks.jobs.api import ApiJob
from benchmarks.jobs.job import run

GROUP_ROWS = 50_000


def land(job: ApiJob) -> None:
    stream = AirbyteStream(
        name="orders", json_schema={}, supported_sync_modes=[SyncMode.full_refresh]
    )
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=stream,
                sync_mode=SyncMode.full_refresh,
                destination_sync_mode=DestinationSyncMode.overwrite,
            )
        ]
    )
    source = ConcurrentDeclarativeSource(
        catalog=catalog, config={}, state=None, source_config=_manifest(job)
    )
    logger = logging.getLogger("airbyte")
    logger.setLevel(logging.CRITICAL)
    file: pq.ParquetWriter | None = None
    schema: pa.Schema | None = None
    group: list[dict[str, Any]] = []

    def write() -> None:
        nonlocal file, schema, group
        table = pa.Table.from_pylist(group, schema=schema)
        if file is None:
            schema = table.schema
            file = pq.ParquetWriter(job.out / "orders.parquet", schema, compression="zstd")
        file.write_table(table)
        group = []

    for message in source.read(logger, {}, catalog, []):
        if message.type == Type.RECORD:
            group.append(message.record.data)
            if len(group) >= GROUP_ROWS:
                write()
    if group:
        write()
    if file is not None:
        file.close()


def _manifest(job: ApiJob) -> dict[str, Any]:
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["orders"]},
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 20},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "orders",
                "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object"}},
                "retriever": {
                    "type": "SimpleRetriever",
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                    },
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": job.url,
                        "path": "/orders",
                        "http_method": "GET",
                        "authenticator": {
                            "type": "BearerAuthenticator",
                            "api_token": job.token,
                        },
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "pagination_strategy": {
                            "type": "PageIncrement",
                            "page_size": job.page_size,
                            "start_from_page": 1,
                            "inject_on_first_request": True,
                        },
                        "page_token_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "page",
                        },
                        "page_size_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "page_size",
                        },
                    },
                },
            }
        ],
    }


if __name__ == "__main__":
    run(ApiJob, land)
