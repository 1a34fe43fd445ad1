"""The actions of one commit of a Delta table, as its log writes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from bronze_engine.tables.content import DATE_COLUMN, Content, Shown
from bronze_engine.tables.delta.columns import Columns
from bronze_engine.tables.delta.log import Live, Log
from bronze_engine.version import __version__

__all__ = ["KNOWN_FEATURES", "Action", "add", "commit_body", "head", "remove", "transaction"]

Action = dict[str, Any]

KNOWN_FEATURES: Final = frozenset(
    {"appendOnly", "invariants", "columnMapping", "timestampNtz", "checkConstraints"}
    | {"changeDataFeed", "generatedColumns"}
)
"""What ours need, and what the versions before features imply: others would have to be served."""
_MAPPING: Final = "delta.columnMapping"


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


def add(shown: Shown, content: Content) -> Action:
    """The log has no least and greatest values: where a file lacks those of one column (a truth, a
    double that may be NaN, a long text, a column that came later) and has others, deltalake's
    dataset (1.6.6) takes them for bounds that no value keeps, and filters lose the file's rows.
    """
    assert content.manifest is not None  # noqa: S101  # it names the file
    return {
        "add": {
            "path": _encoded(shown.path),
            "partitionValues": _partition(shown.run_date),
            "size": shown.file.size_bytes,
            "modificationTime": int(content.manifest.written_at.timestamp() * 1000),
            "dataChange": True,
            "stats": json.dumps({"numRecords": shown.file.row_count}),
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
