"""A loaded pipelines.toml: names on one side, valid Structs on the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.auths.token_place import token_faults
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.connection import Connection
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.entries import Entries
from bronze_engine.config.file.convert import UNRESOLVED
from bronze_engine.config.file.document import Document
from bronze_engine.config.file.fault import Fault, KeyPath, nearest
from bronze_engine.config.file.identity import config_hash
from bronze_engine.config.file.merge import inherit, merge
from bronze_engine.config.file.names import check_path_part
from bronze_engine.config.file.sensitive import (
    of_source,
)
from bronze_engine.config.file.variables import default_rate, log_level
from bronze_engine.config.files.place import place_of_files
from bronze_engine.config.folders import Folders, claims_of, folder_faults
from bronze_engine.config.incremental import Incremental, with_instant
from bronze_engine.config.notices import read_notices
from bronze_engine.config.notify import Notify
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.plugins import ENTRY_POINTS, Structs
from bronze_engine.config.rules.after import after_faults, full_names
from bronze_engine.config.rules.chain import circle_fault, parent_faults
from bronze_engine.config.rules.http_source import http_source_faults
from bronze_engine.config.rules.pipeline import engine_faults, pipeline_faults
from bronze_engine.config.rules.telemetry import telemetry_faults
from bronze_engine.config.source import (
    BUILT_IN,
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    Parent,
)
from bronze_engine.config.stores.place import place_of
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.tables import Tables
from bronze_engine.config.telemetry import TelemetryConfig
from bronze_engine.errors import ConfigError

__all__ = ["Config"]

Table = dict[str, Any]

_log = logging.getLogger("bronze_engine.config")


@final
class Config:
    """A loaded pipelines.toml. Pipelines are resolved when they are asked for, and kept.

    Its repr shows no value of the file; `secrets` is what must be scrubbed from output.
    """

    def __init__(
        self,
        path: Path,
        document: Document,
        selected: Table,
        variables: Mapping[str, str],
        read_file: Callable[[Path], str],
        structs: Structs = ENTRY_POINTS,
    ) -> None:
        self.path: Final = path
        self._document = document
        self._selected = selected
        self._tables = Tables(path, variables, read_file, structs)
        self._pipelines: dict[str, Pipeline] = {}
        self.names: Final = tuple(sorted(document.pipelines))
        self.api_names: Final = tuple(sorted(document.apis))
        self.connection_names: Final = tuple(sorted(document.connections))
        self.store_names: Final = tuple(sorted(document.stores))
        self.catalog_names: Final = tuple(sorted(document.catalogs))
        faults: list[Fault] = []
        engine = self._tables.convert(document.engine, EngineConfig, ("engine",), faults)
        if isinstance(engine, EngineConfig):
            faults.extend(engine_faults(engine, ("engine",)))
            if engine.log_dir:
                log_dir = str(self._tables.absolute(engine.log_dir))
                engine = msgspec.structs.replace(engine, log_dir=log_dir)
            if engine.spill_dir is not None:
                spill_dir = str(self._tables.absolute(engine.spill_dir))
                engine = msgspec.structs.replace(engine, spill_dir=spill_dir)
        telemetry = self._tables.convert(
            document.telemetry, TelemetryConfig, ("telemetry",), faults
        )
        if isinstance(telemetry, TelemetryConfig):
            faults.extend(telemetry_faults(telemetry, ("telemetry",)))
            if telemetry.prometheus_file:
                file = str(self._tables.absolute(telemetry.prometheus_file))
                telemetry = msgspec.structs.replace(telemetry, prometheus_file=file)
        self.log_level: Final = log_level(variables, faults)
        rate = default_rate(variables, faults)
        self._entries = Entries(document, self._tables, rate)
        if (
            faults
            or not isinstance(engine, EngineConfig)
            or not isinstance(telemetry, TelemetryConfig)
        ):
            raise self._tables.refusal(path.name, faults)
        self.engine: Final = engine
        self.telemetry: Final = telemetry

    def __repr__(self) -> str:
        return f"Config({str(self.path)!r}, {len(self.names)} pipelines)"

    @property
    def secrets(self) -> frozenset[str]:
        """Every value met so far that must not be printed; grows as pipelines are resolved.

        Also holds what stood in a configuration that was then refused.
        """
        return self._tables.secrets

    @property
    def variables(self) -> Mapping[str, str]:
        """What `${VAR}` stands for: `.env` beside the file, below the environment."""
        return self._tables.variables

    def hide(self, owner: str, secrets: Iterable[str]) -> None:
        """Count these among `secrets` from now on, in place of what the owner hid before."""
        self._tables.hide_for(owner, secrets)

    def pipeline(self, name: str) -> Pipeline:
        """One pipeline with all references resolved. Raises ConfigError with all its faults."""
        if name in self._pipelines:
            return self._pipelines[name]
        if name not in self._document.pipelines:
            raise ConfigError(
                f'{self.path.name}: there is no pipeline "{name}"; {nearest(name, self.names)} '
                "(`bronze list` shows all)",
                pipeline=name,
            )
        faults: list[Fault] = []
        pipeline = self._resolve(name, faults)
        if faults or pipeline is None:
            file = self._document.origin("pipelines", name)
            raise self._tables.refusal(file, faults, pipeline=name)
        self._pipelines[name] = pipeline
        return pipeline

    def api(self, name: str) -> Api:
        """An entry of [apis]. Raises ConfigError."""
        faults: list[Fault] = []
        api = self._entries.api(name, ("apis", name), faults)
        if faults or not isinstance(api, Api):
            raise self._tables.refusal(self._document.origin("apis", name), faults)
        return api

    def connection(self, name: str) -> Connection:
        """An entry of [connections]. Raises ConfigError."""
        faults: list[Fault] = []
        connection = self._entries.connection(name, ("connections", name), faults)
        if faults or not isinstance(connection, Connection):
            raise self._tables.refusal(self._document.origin("connections", name), faults)
        return connection

    def store(self, name: str) -> StoreConfig:
        """An entry of [stores], its path absolute. Raises ConfigError."""
        faults: list[Fault] = []
        store = self._entries.store(name, ("stores", name), faults)
        if faults or not isinstance(store, StoreConfig):
            raise self._tables.refusal(self._document.origin("stores", name), faults)
        return store

    def catalog(self, name: str) -> Catalog:
        """An entry of [catalogs], its paths absolute. Raises ConfigError."""
        faults: list[Fault] = []
        catalog = self._entries.catalog(name, ("catalogs", name), faults)
        if faults or not isinstance(catalog, Catalog):
            raise self._tables.refusal(self._document.origin("catalogs", name), faults)
        return catalog

    def notices(self) -> tuple[Notify, ...]:
        """All entries of [notify], in the order of their names. Raises ConfigError."""
        faults: list[Fault] = []
        found = read_notices(self._document.notify, self._tables, self.names, faults)
        if faults:
            file = self._document.origin("notify", faults[0].path[1])
            raise self._tables.refusal(file, faults)
        return found

    def place(self, text: str) -> StoreConfig:
        """A store by its name in [stores], by a URL, or by the path of a directory.

        Raises ConfigError.
        """
        faults: list[Fault] = []
        store = self._entries.place(text, ("target",), faults)
        if faults or not isinstance(store, StoreConfig):
            raise self._tables.refusal(None, faults)
        return store

    @property
    def home(self) -> StoreConfig:
        """Where lies what is of no one pipeline. Raises ConfigError."""
        return self.place(self.engine.state or self._selected.get("target") or self.engine.target)

    def words(self, name: str, key: str) -> tuple[str, ...]:
        """What `tags` or `after` of a pipeline names; of one that can't be resolved, too."""
        words = self._table(name, [], selected=True).get(key, [])
        found = self._tables.convert(words, tuple[str, ...], ("pipelines", name, key), [])
        return found if isinstance(found, tuple) else ()

    def check_all(self) -> list[ConfigError]:
        """Resolve every pipeline, API, connection and store; one error for each that is wrong."""
        errors: list[ConfigError] = []
        checks: list[tuple[Callable[[str], object], Sequence[str]]] = [
            (self.pipeline, self.names),
            (self.api, self.api_names),
            (self.connection, self.connection_names),
            (self.store, self.store_names),
            (self.catalog, self.catalog_names),
        ]
        for check, names in checks:
            for name in names:
                try:
                    check(name)
                except ConfigError as exc:
                    if str(exc) not in map(str, errors):
                        errors.append(exc)
        try:
            self.notices()
        except ConfigError as exc:
            errors.append(exc)
        return errors

    def _resolve(self, name: str, faults: list[Fault]) -> Pipeline | None:
        path = ("pipelines", *name.split(".", 1))
        table = self._table(name, faults, selected=True)
        target = table.get("target", self.engine.target)
        table["target"] = self._entries.place(target, (*path, "target"), faults)
        source = table.get("source")
        if isinstance(source, dict):
            self._refer(source, path, faults, (name,))
        pipeline = self._tables.convert(table, Pipeline, path, faults)
        state = (
            None
            if self.engine.state is None
            else self._entries.place(self.engine.state, ("engine", "state"), faults)
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
            timezone=self.engine.timezone,
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
        if pipeline.after:
            known = self._document.pipelines
            here = (*path, "after")
            faults.extend(after_faults(name, pipeline.after, known, self._afters, here))
        faults.extend(self._owners(name, pipeline, path))
        faults.extend(self._neighbours(pipeline, path))
        stores, place = self._document.stores, self._entries.place
        faults.extend(token_faults(pipeline, stores, place, self._targets))
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
            if isinstance(found, Connection) and _tag(found) != kind:
                faults.append(
                    Fault(here, f'is of type "{_tag(found)}", and the source of "{kind}"')
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
        table = self._table(name, faults, selected=False)
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

    def _table(self, name: str, faults: list[Fault], *, selected: bool) -> Table:
        """A pipeline's own table over what it inherits, unexpanded."""
        document = self._document
        own = document.pipelines[name]
        return inherit(
            merge(own, self._selected) if selected else own,
            ("pipelines", *name.split(".", 1)),
            defaults=document.defaults,
            templates=document.templates,
            pipelines=document.pipelines,
            faults=faults,
        )

    def _owners(self, name: str, pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
        """Faults for other pipelines that would land in the same place."""
        for other, target in self._claims.get((pipeline.system, pipeline.entity), ()):
            if other == name:
                continue
            place = self._entries.place(target, ("pipelines",), [])
            if not isinstance(place, StoreConfig) or place_of(place) == place_of(pipeline.target):
                yield Fault(
                    (*path, "entity"),
                    f"{pipeline.system}/{pipeline.entity} belongs to pipelines.{other} too; "
                    "give one of the two another system, entity or target",
                )

    def _neighbours(self, pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
        """Faults for tables that lie upon the partitions of a pipeline, or upon another table."""

        def is_elsewhere(target: Any) -> bool:
            place = self._entries.place(target, ("pipelines",), [])
            return isinstance(place, StoreConfig) and place_of(place) != place_of(pipeline.target)

        return folder_faults(pipeline, self._folders, is_elsewhere, path)

    @cached_property
    def _folders(self) -> Folders:
        """Where all pipelines write, if one has a table; unexpanded, as `_claims`."""
        document = self._document
        tables = [document.defaults, *document.templates.values(), *document.pipelines.values()]
        if not any("silver" in table for table in tables):
            return Folders(())
        return Folders(
            claim
            for (system, entity), named in self._claims.items()
            for name, target in named
            for claim in claims_of(
                name, system, entity, target, self._table(name, [], selected=False).get("silver")
            )
        )

    @cached_property
    def _afters(self) -> Mapping[str, tuple[str, ...]]:
        """What each pipeline comes after; unexpanded, as `_claims`."""
        tables = ((name, self._table(name, [], selected=False)) for name in self.names)
        return {name: full_names(name, table.get("after")) for name, table in tables}

    @cached_property
    def _targets(self) -> set[str]:
        """Where pipelines land; unexpanded, as `_claims`."""
        return {str(target) for claims in self._claims.values() for _, target in claims}

    @cached_property
    def _claims(self) -> Mapping[tuple[str, str], list[tuple[str, Any]]]:
        """Which pipelines land at which system and entity, with their targets; unexpanded,
        because the variables of pipelines that are not asked for may be missing."""
        claims: dict[tuple[str, str], list[tuple[str, Any]]] = {}
        for name in self.names:
            table = self._table(name, [], selected=False)
            team, _, entity = name.partition(".")
            where = (str(table.get("system") or team), str(table.get("entity") or entity))
            target = self._selected.get("target", table.get("target", self.engine.target))
            claims.setdefault(where, []).append((name, target))
        return claims


def _tag(table: msgspec.Struct) -> str:
    """The `type` of a table."""
    return str(table.__struct_config__.tag)
