"""The actions of one commit of a Delta table, as its log writes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import quote

from bronze_engine.tables.content import DATE_COLUMN, Content, Shown
from bronze_engine.tables.delta.columns import Columns
from bronze_engine.tables.delta.log import Live, Log
from bronze_engine.tables.footer import Bounds
from bronze_engine.version import __version__

__all__ = ["KNOWN_FEATURES", "Action", "add", "commit_body", "head", "remove", "transaction"]

Action = dict[str, Any]

KNOWN_FEATURES: Final = frozenset(
    {"appendOnly", "invariants", "columnMapping", "timestampNtz", "checkConstraints"}
    | {"changeDataFeed", "generatedColumns"}
)
"""What ours need, and what the versions before features imply: others would have to be served."""
_MAPPING: Final = "delta.columnMapping"
_TEXT_LENGTH: Final = 64
"""Longer bounds would blow up the log, and cut ones are bounds no more."""


def head(log: Log, columns: Columns, *, is_dated: bool, now_ms: int) -> list[Action]:
    """What the table is, as far as that has changed."""
    actions: list[Action] = []
    protocol = _protocol(log, columns)
    if protocol is not None:
        actions.append({"protocol": protocol})
    if columns != log.columns or log.version < 0:
        configuration = dict(log.configuration)
        if columns.is_mapped:
            configuration[f"{_MAPPING}.mode"] = "name"
            configuration[f"{_MAPPING}.maxColumnId"] = str(columns.most_id)
        actions.append(
            {
                "metaData": {
                    "id": log.id or str(uuid.uuid4()),
                    "format": {"provider": "parquet", "options": {}},
                    "schemaString": columns.text,
                    "partitionColumns": [DATE_COLUMN] if is_dated else [],
                    "configuration": configuration,
                    "createdTime": log.created_ms or now_ms,
                }
            }
        )
    return actions


def _protocol(log: Log, columns: Columns) -> Action | None:
    """None where the one that the table has will do.

    Without times of day of no zone the versions before features suffice, which more engines read.
    """
    needs = {"timestampNtz"} if columns.has_local_times else set[str]()
    mapping = {"columnMapping"} if columns.is_mapped else set[str]()
    if log.writer_version < 7 and not needs:
        reader, writer = (2, 5) if mapping else (1, 2)
        is_enough = log.reader_version >= reader and log.writer_version >= writer
        return None if is_enough else {"minReaderVersion": reader, "minWriterVersion": writer}
    reads = needs | mapping | (log.features & {"timestampNtz", "columnMapping"})
    writes = reads | {"appendOnly", "invariants"} | log.features
    if log.writer_version == 5:  # what that version implies stays allowed
        writes |= KNOWN_FEATURES
        reads.add("columnMapping")
    if log.writer_version >= 7 and reads | writes <= log.features:
        return None
    return {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": sorted(reads),
        "writerFeatures": sorted(writes),
    }


def add(shown: Shown, content: Content, bounds: Mapping[str, Bounds]) -> Action:
    assert content.manifest is not None  # noqa: S101  # it names the file
    return {
        "add": {
            "path": _encoded(shown.path),
            "partitionValues": _partition(shown.run_date),
            "size": shown.file.size_bytes,
            "modificationTime": int(content.manifest.written_at.timestamp() * 1000),
            "dataChange": True,
            "stats": json.dumps(_statistics(shown.file.row_count, bounds), ensure_ascii=False),
        }
    }


def remove(path: str, live: Live, now_ms: int) -> Action:
    return {
        "remove": {
            "path": _encoded(path),
            "deletionTimestamp": now_ms,
            "dataChange": True,
            "extendedFileMetadata": True,
            "partitionValues": _partition(live.run_date),
            "size": live.size_bytes,
        }
    }


def transaction(content: Content, now_ms: int) -> Action:
    """For who asks which generation a version shows."""
    assert content.manifest is not None  # noqa: S101  # of a committed partition
    return {
        "txn": {
            "appId": f"bronze-engine/{content.partition}",
            "version": content.manifest.generation,
            "lastUpdated": now_ms,
        }
    }


def commit_body(actions: Sequence[Action], *, is_dated: bool, now_ms: int) -> bytes:
    """A commit as it is put: one action a line, with who made it first."""
    about = {
        "timestamp": now_ms,
        "operation": "WRITE",
        "operationParameters": {
            "mode": "Overwrite",
            "partitionBy": json.dumps([DATE_COLUMN] if is_dated else []),
        },
        "engineInfo": f"bronze-engine/{__version__}",
        "txnId": str(uuid.uuid4()),
    }
    lines = (json.dumps(each, ensure_ascii=False) for each in [{"commitInfo": about}, *actions])
    return "".join(f"{line}\n" for line in lines).encode()


def _partition(run_date: date | None) -> dict[str, str]:
    return {} if run_date is None else {DATE_COLUMN: run_date.isoformat()}


def _encoded(path: str) -> str:
    """A path as a relative URI (RFC 2396), as the log has it."""
    return quote(path, safe="/=")


def _statistics(rows: int, bounds: Mapping[str, Bounds]) -> Action:
    known = {name: each for name, each in bounds.items() if _is_short(each)}
    return {
        "numRecords": rows,
        "minValues": dict(_values((name, each.low) for name, each in known.items())),
        "maxValues": dict(_values((name, each.high) for name, each in known.items())),
        "nullCount": {name: each.nulls for name, each in bounds.items()},
    }


def _is_short(bounds: Bounds) -> bool:
    texts = [each for each in (bounds.low, bounds.high) if isinstance(each, str)]
    return bounds.low is not None and all(len(each) <= _TEXT_LENGTH for each in texts)


def _values(pairs: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for name, value in pairs:
        match value:
            case datetime():
                zone = "Z" if value.tzinfo is not None else ""
                text = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
                yield name, f"{text}{zone}"
            case date():
                yield name, value.isoformat()
            case _:
                yield name, value
