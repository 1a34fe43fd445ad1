"""One verified file of Bronze, on this machine."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.silver.database.fault import unreadable
from bronze_engine.silver.database.spool import LAND_AGAIN

__all__ = ["BronzeFile", "schema_in"]


class BronzeFile(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A verified file of a partition."""

    manifest: Manifest
    part: int
    """Its place in the manifest's list."""
    path: Path

    @property
    def run_date(self) -> date:
        return self.manifest.run_date

    @property
    def name(self) -> str:
        """Its path in the lake."""
        folder = partition_path(self.manifest.system, self.manifest.entity, self.run_date)
        return f"{folder}/{self.manifest.files[self.part].name}"


def schema_in(file: BronzeFile) -> pa.Schema:
    """The columns of one file, of which another of its partition may have more."""
    try:
        return pq.read_schema(file.path).remove_metadata()
    except (pa.ArrowException, OSError) as exc:
        raise unreadable(file.name, exc, LAND_AGAIN, key=file.name) from exc
