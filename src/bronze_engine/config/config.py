"""A loaded pipelines.toml: names on one side, valid Structs on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.connection import Connection
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.loading.document import Document
from bronze_engine.config.loading.entries import Entries
from bronze_engine.config.loading.fault import Fault
from bronze_engine.config.loading.notices import read_notices
from bronze_engine.config.loading.pipelines import Pipelines
from bronze_engine.config.loading.tables import Tables
from bronze_engine.config.loading.variables import default_rate, log_level
from bronze_engine.config.notify import Notify
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.plugins import ENTRY_POINTS, Structs
from bronze_engine.config.rules.pipeline import engine_faults
from bronze_engine.config.rules.telemetry import telemetry_faults
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.telemetry import TelemetryConfig
from bronze_engine.errors import ConfigError
from bronze_engine.model.nearest import nearest

__all__ = ["Config"]

Table = dict[str, Any]


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
        self.names: Final = tuple(sorted(document.pipelines))
        self.api_names: Final = tuple(sorted(document.apis))
        self.connection_names: Final = tuple(sorted(document.connections))
        self.store_names: Final = tuple(sorted(document.stores))
        self.catalog_names: Final = tuple(sorted(document.catalogs))
        faults: list[Fault] = []
        engine = _engine(document.engine, self._tables, faults)
        telemetry = _telemetry(document.telemetry, self._tables, faults)
        self.log_level: Final = log_level(variables, faults)
        rate = default_rate(variables, faults)
        if faults or engine is None or telemetry is None:
            raise self._tables.refusal(path.name, faults)
        self._entries = Entries(document, self._tables, rate)
        self.engine: Final = engine
        self.telemetry: Final = telemetry
        self._resolver = Pipelines(document, self._tables, self._entries, engine, selected)
        self._pipelines: dict[str, Pipeline] = {}

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
        pipeline = self._resolver.resolve(name, faults)
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
        words = self._resolver.table(name, []).get(key, [])
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


def _engine(table: Table, tables: Tables, faults: list[Fault]) -> EngineConfig | None:
    """[engine], its paths absolute."""
    engine = tables.convert(table, EngineConfig, ("engine",), faults)
    if not isinstance(engine, EngineConfig):
        return None
    faults.extend(engine_faults(engine, ("engine",)))
    if engine.log_dir:
        engine = msgspec.structs.replace(engine, log_dir=str(tables.absolute(engine.log_dir)))
    if engine.spill_dir is not None:
        engine = msgspec.structs.replace(engine, spill_dir=str(tables.absolute(engine.spill_dir)))
    return engine


def _telemetry(table: Table, tables: Tables, faults: list[Fault]) -> TelemetryConfig | None:
    """[telemetry], its path absolute."""
    telemetry = tables.convert(table, TelemetryConfig, ("telemetry",), faults)
    if not isinstance(telemetry, TelemetryConfig):
        return None
    faults.extend(telemetry_faults(telemetry, ("telemetry",)))
    if telemetry.prometheus_file:
        file = str(tables.absolute(telemetry.prometheus_file))
        telemetry = msgspec.structs.replace(telemetry, prometheus_file=file)
    return telemetry
