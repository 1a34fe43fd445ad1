"""Reads fixed-width bytes as a run does: cut into pieces, framed, decoded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from bronze_engine.config.files.fixed import FixedFiles
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.text.caster import TextColumns
from bronze_engine.model.block import Block
from bronze_engine.sources.files.fixed.decoder import FixedDecoder
from bronze_engine.sources.files.fixed.framer import Framer
from bronze_engine.sources.files.fixed.plan import field_types, plan_of

__all__ = ["read", "rows"]


def read(
    data: bytes,
    config: dict[str, Any] | FixedFiles,
    types: dict[str, str] | None = None,
    pieces: int = 1 << 20,
    *,
    raw: bool = False,
) -> tuple[list[Block], Decoded]:
    form = config if isinstance(config, FixedFiles) else msgspec.convert(config, FixedFiles)
    plan = plan_of(form, keeps_lines=raw)
    framer = Framer(plan, 1, "inbox/file.txt")
    blocks = [framer.feed(data[at : at + pieces]) for at in range(0, len(data), pieces)]
    found = [block for block in [*blocks, framer.finish()] if block is not None]
    columns = field_types(plan, types or {})
    request = Request(
        pipeline="t.p",
        system="t",
        entity="p",
        run_date=date(2025, 1, 1),
        run="r",
        load="full",
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        schema=SchemaConfig(columns=columns, raw=raw),
    )
    return found, FixedDecoder(plan, columns, TextColumns(request, "text")).decode(found, None)


def rows(data: bytes, config: dict[str, Any] | FixedFiles, **options: Any) -> list[tuple[Any, ...]]:
    batch = read(data, config, **options)[1].batch
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
