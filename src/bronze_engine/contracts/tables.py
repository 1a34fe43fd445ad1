"""Tables of other formats over committed files, for engines that open no manifest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, Self

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.table_format import TableFormat, TableOutput
from bronze_engine.contracts.storing import Store
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.silver import table_path
from bronze_engine.workers import Workers

__all__ = ["LakeTable", "LakeTableType", "TablePlace"]


class TablePlace(msgspec.Struct, frozen=True, kw_only=True):
    """What one table stands over, and what it is called."""

    format: TableFormat | None
    root: str
    """The folder of its files within the target: of Bronze's dates, or of a Silver table."""
    is_dated: bool
    """Whether its partitions are the run dates below `root`; else `root` is the only one."""
    target: StoreConfig
    catalog: Catalog | None = None
    """Of Iceberg."""
    name: str = ""
    """Of Iceberg: "namespace.name"."""

    @classmethod
    def of(cls, pipeline: Pipeline, output: TableOutput) -> Self:
        """That of a pipeline's [output], or of its Silver's."""
        silver = None if output is pipeline.output else pipeline.silver
        root = "{system}/{entity}" if silver is None else silver.path
        return cls(
            format=output.table_format,
            root=table_path(root, pipeline.system, pipeline.entity),
            is_dated=silver is None,
            target=pipeline.target,
            catalog=None if output.catalog is None else pipeline.catalogs[output.catalog],
            name=pipeline.table_of(output),
        )


class LakeTable(Protocol):
    """A table that says what manifests say: they stay the truth, and it follows them.

    Whoever follows reads the table first and the manifests then, and commits only over the table
    that was read. So no generation is ever in it twice, none takes the place of a newer one, and
    whatever died in between is mended by following again.
    """

    async def admit(self, manifest: Manifest, /) -> None:
        """Raise QualityError (QUAL001) where the table can't have the columns of a manifest that
        is to be committed. Raises StoreError (STG001) where the table can't be read."""
        ...

    async def follow(self, partitions: Collection[str], /, *, whole: bool = False) -> bool:
        """Show what is committed in these partitions, in one commit of the table; False where it
        shows that already. With `whole` those that it shows are looked at too: what is gone from
        the target leaves it.

        Raises StoreError (STG001), and QualityError for columns that it can't have. Interrupted
        anywhere, the table is as it was or as it should be.
        """
        ...

    async def is_behind(self, partitions: Collection[str], /) -> bool:
        """Whether `follow`, with `whole`, would commit something; nothing is written. Raises what
        that raises."""
        ...


LakeTableType = Callable[[TablePlace, Store, Workers, Clock], LakeTable]
"""Opens a table of one format; nothing is read before it is asked for something."""
