"""From a path, a pattern or a URL of files to what they hold, and the TOML that lands them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final, final

import msgspec
import pyarrow as pa

from bronze_engine.adapters import store_opener
from bronze_engine.clock import Clock
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.load import Config, parse_config, variables_beside
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.engine import open_engine
from bronze_engine.errors import BronzeError, ConfigError, ExtractError, QualityError
from bronze_engine.inspection.columns import Column, columns_of, cursors_of, primary_key_of
from bronze_engine.inspection.file_draft import FileDraft
from bronze_engine.inspection.file_kind import FileKind, date_in_names
from bronze_engine.inspection.file_report import FileInspection
from bronze_engine.inspection.file_sample import FilesSeen, SampledFiles
from bronze_engine.inspection.summary import sampled
from bronze_engine.inspection.toml import render
from bronze_engine.inspection.variables import Variables
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.redact import Redactor, redact_url

__all__ = ["FileInspector"]

_ALL_BAD: Final = "quality.max_bad_rows=1000000000"
"""For looking at what has records that are rejected."""

_TYPED_ITSELF: Final = frozenset({"parquet", "arrow", "excel"})
"""Formats whose columns have types, or cells: nothing is guessed of their texts."""


@final
class FileInspector:
    """Inspects files, or one pipeline that reads some. `secrets` must not be shown."""

    def __init__(
        self, *, run_date: date, clock: Clock, environ: Mapping[str, str] | None = None
    ) -> None:
        self._run_date = run_date
        self._clock = clock
        self._environ = environ
        self._configs: list[Config] = []
        self._given: frozenset[str] = frozenset()

    def secrets(self) -> frozenset[str]:
        return self._given.union(*(config.secrets for config in self._configs))

    async def url(
        self,
        url: str,
        config: Config | None = None,
        *,
        api: str | None = None,
        name: str | None = None,
        records: str | None = None,
    ) -> FileInspection:
        """Inspect what a path, a pattern or a URL names; `config` has the API of `api`.

        Reads how the first two files begin. The TOML that is returned has been run over that.
        Raises ConfigError for what can't be asked for, and the errors of a run.
        """
        if api is not None and config is None:
            raise ConfigError(f"--api {api}: there is no pipelines.toml here")
        main = "pipelines.toml" if config is None else config.path
        environ = variables_beside(main, self._environ)
        variables = Variables("files", environ)
        taken = () if config is None else config.names
        made = FileDraft(url, variables, api=api, name=name, taken=taken)
        self._given = frozenset(variables.secrets)
        beside = None if config is None else config.path

        overrides: list[str] = []

        def loaded(text: str) -> Config:
            known = {**environ, **variables.missing}
            parsed = parse_config(text, beside=beside, overrides=overrides, environ=known)
            self._configs.append(parsed)
            return parsed

        seen = await self._opened(made, loaded)
        kind = _known(seen)
        if records is not None:
            settings = {**kind.settings, "records": records}
            kind = msgspec.structs.replace(kind, format="json", settings=settings)
        made.take(kind)
        notes = [*kind.notes]
        try:
            table = await self._rows(loaded(made.text()), made.name)
        except QualityError as exc:
            notes.append(f"a run of this fails as it is: {exc.message}")
            overrides.append(_ALL_BAD)
            table = await self._rows(loaded(made.text()), made.name)
        columns = await self._typed(made, loaded, _suggesting(columns_of(table), kind), notes)
        made.primary_key = primary_key_of(columns, table.num_rows)
        made.tell_news(date_in_names(seen.names), has_times=seen.newest is not None)
        await self._rows(loaded(made.text()), made.name)
        return self._report(
            made.name,
            redact_url(url) if "://" in url else url,
            seen,
            kind,
            table,
            columns,
            toml=made.text(),
            notes=notes,
            variables=tuple(variables.missing),
        )

    async def pipeline(self, config: Config, name: str) -> FileInspection:
        """Inspect the files of a configured pipeline, as it is configured.

        The TOML that is returned is what could be added to it. Raises the errors of a run.
        """
        self._configs.append(config)
        pipeline = config.pipeline(name)
        source = pipeline.source
        if not isinstance(source, FilesSourceConfig):
            raise ConfigError(f"{name} reads no files")
        seen = FilesSeen()
        try:
            await self._survey(config, name, seen)
            found = seen.kind or FileKind(format=source.format)
        except ExtractError as exc:
            if not seen.files:
                raise
            found = FileKind(format=source.format, notes=(exc.message,))
        notes = [*found.notes]
        if found.format != source.format and source.format != "fixed":
            notes.append(f"it begins as {found.format} does, and source.format is {source.format}")
        table = await self._rows(config, name)
        columns = _suggesting(columns_of(table), None)
        key = primary_key_of(columns, table.num_rows)
        addition: dict[str, Any] = {}
        if key is not None and not pipeline.primary_key:
            addition["primary_key"] = [key]
        team, _, entity = name.partition(".")
        nothing = f"# Nothing to add to [pipelines.{name}]\n"
        return self._report(
            name,
            ", ".join(map(redact_url, source.urls)),
            seen,
            msgspec.structs.replace(found, format=source.format),
            table,
            columns,
            toml=render({"pipelines": {team: {entity: addition}}}) if addition else nothing,
            notes=notes,
        )

    async def _opened(self, made: FileDraft, loaded: Callable[[str], Config]) -> FilesSeen:
        """How the files begin; `made` is told where they are archives, and of what members."""
        for _ in range(3):  # as found, opened as an archive, with the members that are wanted
            seen = FilesSeen()
            await self._survey(loaded(made.text(format="ndjson")), made.name, seen)
            if seen.wanted is not None and "member" not in made.source:
                made.source["member"] = seen.wanted
            elif seen.kind is None and "compression" not in made.source:
                made.source["compression"] = "zip"
            else:
                break
        return seen

    async def _typed(
        self,
        made: FileDraft,
        loaded: Callable[[str], Config],
        columns: Sequence[Column],
        notes: list[str],
    ) -> Sequence[Column]:
        """The columns with the types that are suggested, if a run with these gets through."""
        made.types = {each.name: each.suggested for each in columns if each.suggested}
        if made.types:
            try:
                await self._rows(loaded(made.text()), made.name)
            except BronzeError as exc:
                made.types = {}
                notes.append(f"columns are left as they are inferred: {exc.message}")
                return _suggesting(columns, None)
        return columns

    async def _survey(self, config: Config, name: str, seen: FilesSeen) -> None:
        await self._batches(config, name, SampledFiles(seen, is_survey=True))

    async def _rows(self, config: Config, name: str) -> pa.Table:
        batches = await self._batches(config, name, SampledFiles(FilesSeen(), is_survey=False))
        tables = [pa.Table.from_batches([batch]) for batch in batches]
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})

    async def _batches(
        self, config: Config, name: str, source: SampledFiles
    ) -> list[pa.RecordBatch]:
        """What the pipeline would land. Nothing is written, nor looked for where it would."""
        async with (
            open_engine(
                config,
                clock=self._clock,
                sources={"files": source},
                stores=_stores_but(config, name),
            ) as engine,
            engine.batches(name, run_date=self._run_date) as stream,
        ):
            return [batch async for batch in stream]

    def _report(
        self,
        name: str,
        location: str,
        seen: FilesSeen,
        kind: FileKind,
        table: pa.Table,
        columns: Sequence[Column],
        *,
        toml: str,
        notes: Sequence[str],
        variables: tuple[str, ...] = (),
    ) -> FileInspection:
        masked = Redactor(self.secrets)
        key = primary_key_of(columns, table.num_rows)
        sheets = {"sheets": ", ".join(seen.sheets)} if seen.sheets else {}
        return FileInspection(
            pipeline=name,
            location=masked(location),
            files=seen.files,
            size_bytes=seen.size_bytes,
            oldest=seen.oldest,
            newest=seen.newest,
            looked_at=tuple(map(masked, seen.looked_at)),
            format=kind.format,
            compression=seen.compression,
            members=seen.members,
            facts={**kind.facts, **sheets},
            rows=table.num_rows,
            columns=tuple(
                msgspec.structs.replace(column, example=masked(column.example))
                for column in columns
            ),
            sample=tuple(tuple(map(masked, row)) for row in sampled(table)),
            primary_key=key,
            cursors=cursors_of(table, columns, key),
            named_date=date_in_names(seen.names),
            variables=variables,
            notes=tuple(map(masked, notes)),
            toml=toml,
        )


def _known(seen: FilesSeen) -> FileKind:
    if seen.kind is None:
        raise ExtractError(f"{seen.looked_at[0]}: an archive within an archive is not opened")
    return seen.kind


def _suggesting(columns: Sequence[Column], kind: FileKind | None) -> tuple[Column, ...]:
    """The columns with the types that may be set: of texts of CSV only instants, since what
    inference leaves as text could not be printed again; of formats with types none."""

    def is_apt(suggested: str) -> bool:
        if kind is None or kind.format in _TYPED_ITSELF:
            return False
        return kind.format not in ("csv", "tsv") or suggested.startswith("timestamp")

    return tuple(
        column
        if column.suggested is None or is_apt(column.suggested)
        else msgspec.structs.replace(column, suggested=None)
        for column in columns
    )


def _stores_but(config: Config, name: str) -> dict[str, Any]:
    """Openers of stores, of which the one that the pipeline lands in is an empty one in memory,
    unless its files lie there, too."""
    pipeline = config.pipeline(name)
    assert isinstance(pipeline.source, FilesSourceConfig)  # noqa: S101  # asked for as such
    read_from = [place.store for place in pipeline.source.places]

    @asynccontextmanager
    async def opened(store: StoreConfig, resources: StoreResources, /) -> AsyncIterator[Store]:
        if store not in read_from:
            yield MemoryStore(resources.clock)
            return
        opener = await resources.workers.run(store_opener, tag_of(store), {})
        async with opener(store, resources) as real:
            yield real

    return dict.fromkeys(("local", "s3", "azure"), opened)
