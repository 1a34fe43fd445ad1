"""The log of a Delta table: what the table is, read by deltalake from the few files that say it.

They are fetched through the store, so that a table lies wherever data can land, with the same
credentials, and deltalake sees a folder of a few kilobytes for as long as it reads.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import msgspec
import pyarrow as pa
from deltalake import DeltaTable as Reader

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.flow import each
from bronze_engine.model.manifest import DELTA_LOG
from bronze_engine.tables.delta.columns import Columns

__all__ = ["Live", "Log", "commit_name", "fetch_log", "make_checkpoint", "read_log"]

_COMMIT: Final = re.compile(r"(\d{20})\.json", re.ASCII)
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint\.parquet", re.ASCII)
_AT_ONCE: Final = 16


class Live(msgspec.Struct, frozen=True):
    """A data file that the table shows."""

    run_date: date | None
    size_bytes: int


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a table; `version` -1 is none."""

    version: int = -1
    id: str = ""
    created_ms: int = 0
    configuration: dict[str, str] = {}
    columns: Columns = Columns()
    partition_columns: tuple[str, ...] = ()
    reader_version: int = 0
    writer_version: int = 0
    features: frozenset[str] = frozenset()
    live: dict[str, Live] = {}
    """By path, relative to the table."""


def commit_name(version: int) -> str:
    return f"{version:020}.json"


async def fetch_log(store: Store, root: str) -> dict[str, bytes]:
    """The newest checkpoint and the commits since, by name; empty where there is no table."""
    prefix = f"{root}/{DELTA_LOG}/"
    names = [info.key.removeprefix(prefix) async for info in store.scan(prefix)]
    checkpoints = [name for name in names if _CHECKPOINT.fullmatch(name)]
    newest = max(checkpoints, default="")
    wanted = [name for name in names if _COMMIT.fullmatch(name) and name[:20] > newest[:20]]
    wanted += [newest] if newest else []
    found: dict[str, bytes] = {}

    async def fetch(name: str) -> None:
        stored = await store.get(f"{prefix}{name}")
        if stored is not None:
            found[name] = stored.body

    await each(wanted, fetch, at_once=_AT_ONCE)
    return found


def read_log(files: Mapping[str, bytes], where: str) -> Log:
    """What these files say together. For a worker. Raises StoreError (STG001)."""
    if not files:
        return Log()
    with _laid_out(files, where) as folder:
        try:
            return _parsed(Reader(folder))
        except Exception as exc:
            raise StoreError(
                f"{where} is no log of Delta that can be read ({exc}); move {DELTA_LOG} away, and"
                " `bronze gc --delete` makes the table anew from the manifests",
                table=where,
            ) from exc


def make_checkpoint(files: Mapping[str, bytes], where: str) -> dict[str, bytes]:
    """The checkpoint of the newest version, and what tells readers of it, in the order in which
    they are to be written. For a worker. Raises StoreError."""
    with _laid_out(files, where) as folder:
        try:
            Reader(folder).create_checkpoint()
        except Exception as exc:
            raise StoreError(f"{where}: no checkpoint could be made: {exc}", table=where) from exc
        made = {path.name: path.read_bytes() for path in (folder / DELTA_LOG).iterdir()}
    new = sorted(made.keys() - files.keys(), key=lambda name: name.startswith("_"))
    return {name: made[name] for name in new}


@contextmanager
def _laid_out(files: Mapping[str, bytes], where: str) -> Iterator[Path]:
    """A folder with this log, as a table has it, for as long as it is read."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="bronze-delta-"))
            folder = Path(made)
            log = folder / DELTA_LOG
            log.mkdir()
            for name, body in files.items():
                (log / name).write_bytes(body)
        except OSError as exc:  # a full disk, or one that can only be read: the log is as it was
            raise StoreError(
                f"{where}: {DELTA_LOG} can't be read, for its temporary copy can't be written"
                f" ({exc.strerror or exc}); point TMPDIR to a disk with some room",
                table=where,
            ) from exc
        yield folder


def _parsed(table: Reader) -> Log:
    metadata, protocol = table.metadata(), table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    fields = json.loads(table.schema().to_json())["fields"]
    mode = metadata.configuration.get("delta.columnMapping.mode", "none")
    adds: dict[str, Any] = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    none = [None] * len(adds["path"])
    dates = adds[f"partition.{metadata.partition_columns[0]}"] if _is_dated(metadata) else none
    rows = zip(adds["path"], dates, adds["size_bytes"], strict=True)
    return Log(
        version=table.version(),
        id=str(metadata.id),
        created_ms=metadata.created_time or 0,
        configuration=dict(metadata.configuration),
        columns=Columns(tuple(fields), is_mapped=mode == "name"),
        partition_columns=tuple(metadata.partition_columns),
        reader_version=protocol.min_reader_version,
        writer_version=protocol.min_writer_version,
        features=frozenset(features),
        # deltalake gives paths as the log has them: relative URIs (RFC 2396).
        live={unquote(path): Live(run_date, size) for path, run_date, size in rows},
    )


def _is_dated(metadata: Any) -> bool:
    return len(metadata.partition_columns) == 1
