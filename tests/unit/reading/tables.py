"""Any tables as the committed files of a date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pyarrow as pa

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Store
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    SourceInfo,
    columns_of,
    partition_path,
)
from bronze_engine.publish.base import read_base
from bronze_engine.publish.commit import publish
from bronze_engine.publish.names import data_name
from bronze_engine.testing.stores import data_file, parts_of
from tests.unit.reading.landed import NAME, parquet

__all__ = ["land_tables"]


async def land_tables(
    store: Store,
    day: date,
    *tables: pa.Table,
    schema: pa.Schema | None = None,
    row_group_size: int = 1000,
    parquets: Sequence[bytes] = (),
    **fields: Any,
) -> Manifest:
    """Commit each table as one file; `parquets` are their bytes where they are special."""
    partition = partition_path("shop", "orders", day)
    base = await read_base(store, partition, pipeline=NAME)
    staged = []
    for number, table in enumerate(tables):
        name = data_name(generation=base.generation + 1, run="run-1", slice=0, number=number)
        body = parquets[number] if parquets else parquet(table, row_group_size)
        async with store.stage(f"{partition}/{name}") as upload:
            for part in parts_of(body, 5 * 1024**2):
                await upload.part(part)
            staged.append(await upload.seal(data_file(name, body, row_count=len(table))))
    whole = schema or (tables[0].schema if tables else None)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        pipeline=NAME,
        system="shop",
        entity="orders",
        run_date=day,
        run="run-1",
        attempt="attempt-1",
        generation=base.generation + 1,
        epoch=1,
        written_at=datetime(2025, 1, 16, tzinfo=UTC),
        load="full",
        source=SourceInfo(type="http", location="http://localhost/orders"),
        row_count=sum(len(table) for table in tables),
        schema=() if whole is None else columns_of(whole),
        arrow_schema="" if whole is None else schema_to_text(whole),
        files=tuple(one.file for one in staged if one.file is not None),
    )
    manifest = msgspec.structs.replace(manifest, **fields)
    return (await publish(store, base, manifest, staged, SYSTEM_CLOCK)).manifest
