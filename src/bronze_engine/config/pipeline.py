"""[pipelines.TEAM.NAME]: one thing to land."""

from __future__ import annotations

import msgspec

from bronze_engine.config.catalog import Catalog
from bronze_engine.config.cdc import Cdc
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.output import Output
from bronze_engine.config.quality import Quality
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.silver import Silver
from bronze_engine.config.source import SourceConfig
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.table_format import TableOutput
from bronze_engine.model.manifest import Load

__all__ = ["Pipeline"]


class Pipeline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to land, and how."""

    name: str = ""
    """`team.name`, set on loading."""
    system: str = ""
    """First part of the path; default: the team."""
    entity: str = ""
    """Second part of the path; default: the name within the team."""
    target: StoreConfig
    """In TOML a name of [stores] or a path, default: [engine] target; replaced on loading."""
    state: StoreConfig | None = None
    """From [engine] state; not a key of the pipeline."""
    timezone: str = "UTC"
    """From [engine] timezone, which says when a date window begins; not a key of the pipeline."""
    catalogs: dict[str, Catalog] = {}
    """From [catalogs], those that its tables are in; not a key of the pipeline."""
    load: Load = "full"
    """What a run lands: every row of the source, those that are new by [incremental], or changes,
    which [cdc] explains."""
    primary_key: tuple[str, ...] = ()
    """Columns that together identify a row; `quality.duplicates` and Silver tell rows apart by
    them."""
    tags: tuple[str, ...] = ()
    """Labels of your own, to choose pipelines by: `bronze batch --tag daily`, `tags` of
    [notify.NAME]."""
    after: tuple[str, ...] = ()
    """Pipelines that a batch runs before this one, date by date, and without which it does not
    run this one; `team.name`, or the name alone within the team."""
    source: SourceConfig
    """Where the rows come from; `type` says whether from an API, a database, files or a plugin."""
    incremental: Incremental | None = None
    cdc: Cdc | None = None
    schema: SchemaConfig = SchemaConfig()
    quality: Quality = Quality()
    output: Output = Output()
    silver: Silver | None = None
    """The curated table that is made of what lands; where unset none is."""
    config_hash: str = ""
    """SHA-256 of what changes rows, set on loading."""

    @property
    def table_outputs(self) -> tuple[tuple[TableOutput, tuple[str, ...]], ...]:
        """Its [output], and that of Silver where there is one, each with the keys to it."""
        if self.silver is None:
            return ((self.output, ("output",)),)
        return (self.output, ("output",)), (self.silver.output, ("silver", "output"))

    def table_of(self, output: TableOutput) -> str:
        """The name of the table of `output` in its catalog: "namespace.name"."""
        if output.table is not None:
            return output.table
        return f"{self.system}.{self.entity}{'' if output is self.output else '_silver'}"
