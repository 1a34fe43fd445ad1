"""An Iceberg table over the files of an entity's dates, or of a Silver table.

A commit of a catalog names the snapshot that it follows. Whoever is beaten looks at the table and
at the manifests anew. pyiceberg's own retries are off for these tables: they would put a
generation over a newer one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, final

import msgspec
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NotInstalledError,
    TableAlreadyExistsError,
    ValidationException,
)

from bronze_engine.clock import Clock
from bronze_engine.config.loading.sensitive import of_catalog, of_store
from bronze_engine.config.stores.uri import uri_of
from bronze_engine.contracts import Store, TablePlace
from bronze_engine.errors import BronzeError, ConfigError, StoreError
from bronze_engine.flow import each
from bronze_engine.model.arrow import schema_from_text
from bronze_engine.model.manifest import Manifest
from bronze_engine.tables.content import DATE_COLUMN, Content, Shown, read_contents
from bronze_engine.tables.footer import read_footer
from bronze_engine.tables.iceberg.commit import Beaten, Change, Seen, apply, check_columns, look
from bronze_engine.workers import Workers

__all__ = ["IcebergTable", "open_iceberg"]

_TRIES: Final = 20
_AT_ONCE: Final = 8
_BEATEN: Final = (
    Beaten,
    CommitFailedException,
    CommitStateUnknownException,
    TableAlreadyExistsError,
    ValidationException,
)
"""What the table says when it is read again: whose commit it is, and what is left to do."""


def open_iceberg(place: TablePlace, store: Store, workers: Workers, clock: Clock) -> IcebergTable:  # noqa: ARG001
    """A `contracts.LakeTableType`; pyiceberg has a clock of its own."""
    return IcebergTable(place, store, workers)


class _News(msgspec.Struct, frozen=True):
    """Files that the table is to show, and URLs of those that it is to show no more."""

    new: tuple[Shown, ...]
    gone: frozenset[str]


@final
class IcebergTable:
    """See `contracts.LakeTable`. Cancelled, it first waits for what the catalog is doing."""

    def __init__(self, place: TablePlace, store: Store, workers: Workers) -> None:
        self._place = place
        self._store = store
        self._workers = workers

    async def admit(self, manifest: Manifest) -> None:
        if not manifest.arrow_schema:
            return
        columns = schema_from_text(manifest.arrow_schema)
        try:
            await self._workers.run(check_columns, self._place, columns)
        except BronzeError:
            raise
        except NotInstalledError as exc:
            raise self._lacking(exc) from exc
        except Exception as exc:
            raise self._broken(exc) from exc

    async def follow(self, partitions: Collection[str], *, whole: bool = False) -> bool:
        place = self._place
        for _ in range(_TRIES):
            try:
                seen, contents = await self._look(partitions, whole=whole)
                news = self._news(seen, contents)
                if news is None:
                    return False
                change = await self._change(seen, contents, news)
                await self._workers.run(apply, place, change)
            except BronzeError:
                raise
            except _BEATEN:
                continue
            except NotInstalledError as exc:
                raise self._lacking(exc) from exc
            except Exception as exc:
                raise self._broken(exc) from exc
            return True
        raise StoreError(
            f"table {place.name}: others committed {_TRIES} times in a row; run"
            " `bronze gc --delete` when they are done",
            table=place.name,
        )

    async def is_behind(self, partitions: Collection[str]) -> bool:
        try:
            return self._news(*await self._look(partitions, whole=True)) is not None
        except BronzeError:
            raise
        except NotInstalledError as exc:
            raise self._lacking(exc) from exc
        except Exception as exc:
            raise self._broken(exc) from exc

    async def _look(
        self, partitions: Collection[str], *, whole: bool
    ) -> tuple[Seen, list[Content]]:
        seen = await self._workers.run(look, self._place)
        shown = map(self._partition_of, seen.live.values()) if whole else ()
        wanted = sorted({*partitions, *shown})
        return seen, await read_contents(self._store, self._place.root, wanted)

    def _news(self, seen: Seen, contents: Sequence[Content]) -> _News | None:
        """What the table lacks of these contents, and has too many; None where it shows them."""
        place = self._place
        before = f"{uri_of(place.target, place.root)}/"
        wanted = {before + each.path: each for content in contents for each in content.files}
        meant = {content.partition for content in contents}
        gone = frozenset(
            url
            for url, run_date in seen.live.items()
            if url not in wanted and self._partition_of(run_date) in meant
        )
        new = tuple(shown for url, shown in wanted.items() if url not in seen.live)
        return _News(new, gone) if new or gone else None

    async def _change(self, seen: Seen, contents: Sequence[Content], news: _News) -> Change:
        changed = [content for content in contents if content.manifest is not None]
        schemas = [content.schema for content in changed if content.files]
        return Change(
            seen=seen,
            schemas=tuple(schema for schema in schemas if schema is not None),
            new=tuple(await self._with_footers(news.new)),
            gone=news.gone,
            generations={
                content.partition: content.manifest.generation
                for content in changed
                if content.manifest is not None
            },
        )

    async def _with_footers(self, new: Sequence[Shown]) -> list[tuple[Shown, bytes]]:
        found: dict[str, bytes] = {}

        async def read(shown: Shown) -> None:
            key = f"{self._place.root}/{shown.path}"
            found[shown.path] = await read_footer(self._store, key, shown.file)

        await each(new, read, at_once=_AT_ONCE)
        return [(shown, found[shown.path]) for shown in new]

    def _partition_of(self, run_date: date | None) -> str:
        root = self._place.root
        return root if run_date is None else f"{root}/{DATE_COLUMN}={run_date}"

    def _broken(self, exc: Exception) -> StoreError:
        name = self._place.name
        catalog = "" if self._place.catalog is None else self._place.catalog.name
        return StoreError(
            f"table {name} of catalogs.{catalog}: {type(exc).__name__}: {self._clean(str(exc))};"
            " look whether the catalog is there, and lets this pipeline write",
            table=name,
        )

    def _lacking(self, exc: Exception) -> ConfigError:
        catalog = self._place.catalog
        name = "" if catalog is None else f'{catalog.name} of type = "{catalog.type}"'
        return ConfigError(f"catalogs.{name} needs what is not installed: {exc}")

    def _clean(self, text: str) -> str:
        """What a library says, without what the catalog and the store were opened with."""
        catalog, target = self._place.catalog, self._place.target
        secrets = {*of_store(target), *(() if catalog is None else of_catalog(catalog))}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text
