"""From a pipeline's table to a Pipeline, with all that it inherits and refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import msgspec

from bronze_engine.config.auths.token_place import token_faults
from bronze_engine.config.connection import Connection
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.files.place import place_of_files
from bronze_engine.config.incremental import Incremental, with_instant
from bronze_engine.config.loading.convert import UNRESOLVED
from bronze_engine.config.loading.document import Document
from bronze_engine.config.loading.entries import Entries
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.loading.identity import config_hash
from bronze_engine.config.loading.names import check_path_part
from bronze_engine.config.loading.others import Others
from bronze_engine.config.loading.sensitive import of_source
from bronze_engine.config.loading.tables import Tables
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.after import full_names
from bronze_engine.config.rules.chain import circle_fault, parent_faults
from bronze_engine.config.rules.http_source import http_source_faults
from bronze_engine.config.rules.pipeline import pipeline_faults
from bronze_engine.config.source import (
    BUILT_IN,
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    Parent,
)
from bronze_engine.config.tag import tag_of
from bronze_engine.model.nearest import nearest

__all__ = ["Pipelines"]

Table = dict[str, Any]


@final
class Pipelines:
    """Resolves the pipelines of a file, each when it is asked for.

    `selected` is what the command line sets of those that are asked for.
    """

    def __init__(
        self,
        document: Document,
        tables: Tables,
        entries: Entries,
        engine: EngineConfig,
        selected: Mapping[str, Any],
    ) -> None:
        self._document = document
        self._tables = tables
        self._entries = entries
        self._engine = engine
        self._selected = dict(selected)
        self._others = Others(
            document, entries, target=engine.target, over=self._selected.get("target")
        )

    def table(self, name: str, faults: list[Fault]) -> Table:
        """What is asked for as `name`, unexpanded."""
        return self._document.pipeline(name, faults, over=self._selected)

    def resolve(self, name: str, faults: list[Fault]) -> Pipeline | None:
        """One that the file has; None where there are faults."""
        path = ("pipelines", *name.split(".", 1))
        table = self.table(name, faults)
        target = table.get("target", self._engine.target)
        table["target"] = self._entries.place(target, (*path, "target"), faults)
        source = table.get("source")
        if isinstance(source, dict):
            self._refer(source, path, faults, (name,))
        pipeline = self._tables.convert(table, Pipeline, path, faults)
        state = (
            None
            if self._engine.state is None
            else self._entries.place(self._engine.state, ("engine", "state"), faults)
        )
        if faults or not isinstance(pipeline, Pipeline):
            return None
        faults.extend(
            Fault((*path, key), "is empty; leave it out for the default")
            for key in ("system", "entity")
            if key in table and not getattr(pipeline, key)
        )
        team, entity = path[1:]
        pipeline = msgspec.structs.replace(
            pipeline,
            name=name,
            system=pipeline.system or team,
            entity=pipeline.entity or entity,
            after=full_names(name, pipeline.after),
            state=state,
            timezone=self._engine.timezone,
            incremental=with_instant(pipeline.incremental),
            catalogs=self._entries.catalogs_of(pipeline, path, faults),
        )
        if isinstance(pipeline.source, FilesSourceConfig):
            source = self._with_places(pipeline.source, (*path, "source", "url"), faults)
            pipeline = msgspec.structs.replace(pipeline, source=source)
        if isinstance(pipeline.source, CustomSource):
            source = pipeline.source.resolved(lambda text: str(self._tables.absolute(text)))
            pipeline = msgspec.structs.replace(pipeline, source=source)
        self._tables.hide(of_source(pipeline.source))
        check_path_part(pipeline.system, (*path, "system"), faults)
        check_path_part(pipeline.entity, (*path, "entity"), faults)
        faults.extend(pipeline_faults(pipeline, path))
        faults.extend(self._others.faults(pipeline, path))
        stores, place = self._document.stores, self._entries.place
        faults.extend(token_faults(pipeline, stores, place, self._others.targets))
        if faults:
            return None
        return msgspec.structs.replace(
            pipeline, config_hash=config_hash(pipeline, self._tables.variable_secrets)
        )

    def _refer(
        self, source: Table, path: KeyPath, faults: list[Fault], below: tuple[str, ...]
    ) -> None:
        """Put what a source names in the place of the names: its API, its parent, its connection.

        `below` are the pipelines whose parent it is, the last of them its own.
        """
        kind = source.get("type")
        if kind in ("postgres", "adbc"):
            here = (*path, "source", "connection")
            found = self._entries.connection(source.get("connection"), here, faults)
            source["connection"] = found
            if isinstance(found, Connection) and tag_of(found) != kind:
                faults.append(
                    Fault(here, f'is of type "{tag_of(found)}", and the source of "{kind}"')
                )
        if kind == "files":
            for key, entry in (("store", self._entries.store), ("api", self._entries.api)):
                if isinstance(source.get(key), str):
                    source[key] = entry(source[key], (*path, "source", key), faults)
        if isinstance(kind, str) and kind not in BUILT_IN:
            self._entries.refer(source, CustomSource, kind, (*path, "source"), faults)
        if kind != "http":
            return
        source["api"] = self._entries.api(source.get("api"), (*path, "source", "api"), faults)
        if "parent" in source:
            here = (*path, "source", "parent")
            source["parent"] = self._parent(source["parent"], here, faults, below)

    def _with_places(
        self, source: FilesSourceConfig, path: KeyPath, faults: list[Fault]
    ) -> FilesSourceConfig:
        """A source of files with what its URLs mean."""
        found = [
            place_of_files(
                url,
                store=source.store,
                api=source.api,
                open_place=self._entries.place,
                absolute=self._tables.absolute,
                path=path,
                faults=faults,
            )
            for url in source.urls
        ]
        places = tuple(place for place in found if place is not None)
        return msgspec.structs.replace(source, places=places)

    def _parent(
        self, text: Any, path: KeyPath, faults: list[Fault], below: tuple[str, ...]
    ) -> object:
        name = self._tables.convert(text, str, path, faults)
        if not isinstance(name, str):  # a fault already
            return UNRESOLVED
        name = name if "." in name else f"{below[-1].partition('.')[0]}.{name}"
        known = self._document.pipelines
        if name in below or name not in known:
            missing = Fault(path, f'there is no pipeline "{name}"; {nearest(name, known)}')
            faults.append(circle_fault(path, (*below, name)) if name in below else missing)
            return UNRESOLVED
        before = len(faults)
        # What the command line sets is meant for the pipeline that was asked for.
        table = self._document.pipeline(name, faults)
        here = ("pipelines", *name.split(".", 1))
        source = table.get("source")
        if not isinstance(source, dict) or source.get("type") != "http":
            faults.append(Fault(path, f'pipelines.{name} is no source of type "http"'))
            return UNRESOLVED
        self._refer(source, here, faults, (*below, name))
        read = self._tables.convert(source, HttpSourceConfig, (*here, "source"), faults)
        rows = table.get("incremental")
        if rows is not None:
            rows = self._tables.convert(rows, Incremental, (*here, "incremental"), faults)
        if len(faults) > before or not isinstance(read, HttpSourceConfig):
            return UNRESOLVED
        self._tables.hide(of_source(read))
        incremental = rows if isinstance(rows, Incremental) else None
        faults.extend(http_source_faults(read, incremental, (*here, "source")))
        faults.extend(parent_faults(read, name, path))
        return Parent(name=name, source=read)
