"""A loaded pipelines.toml: names on one side, valid Structs on the other."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar, final

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.auths.token_place import token_faults, with_token_place
from bronze_engine.config.connection import Connection, PostgresConnection
from bronze_engine.config.database.variables import with_libpq_variables
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.file.convert import UNRESOLVED, convert
from bronze_engine.config.file.document import Document
from bronze_engine.config.file.expand import Expander
from bronze_engine.config.file.fault import Fault, KeyPath, config_error, nearest
from bronze_engine.config.file.identity import config_hash
from bronze_engine.config.file.merge import inherit, merge
from bronze_engine.config.file.names import check_path_part
from bronze_engine.config.file.sensitive import (
    of_api,
    of_api_table,
    of_connection,
    of_connection_table,
    of_source,
    of_store,
    of_store_table,
    of_url,
    of_variables,
    worth_hiding,
)
from bronze_engine.config.file.variables import default_rate, log_level
from bronze_engine.config.incremental import Incremental, with_instant
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.api import api_faults, sends_secrets_in_clear
from bronze_engine.config.rules.chain import circle_fault, parent_faults
from bronze_engine.config.rules.connection import connection_faults
from bronze_engine.config.rules.http_source import http_source_faults
from bronze_engine.config.rules.pipeline import engine_faults, pipeline_faults
from bronze_engine.config.rules.rate import group_faults, with_default_rate
from bronze_engine.config.rules.store import is_in_clear, store_faults, store_of_url
from bronze_engine.config.source import HttpSourceConfig, Parent
from bronze_engine.config.stores.place import place_of
from bronze_engine.config.stores.store import LocalStoreConfig, RemoteStoreConfig, StoreConfig
from bronze_engine.config.stores.variables import with_variables
from bronze_engine.errors import ConfigError

__all__ = ["Config"]

Table = dict[str, Any]
_Files = TypeVar("_Files", bound=Api | RemoteStoreConfig | PostgresConnection)

_TEMPLATES: Final = tuple((key,) for key in ("path", "params", "json", "export", "query", "where"))
"""Keys of a source in whose texts braces mean something."""

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
    ) -> None:
        self.path: Final = path
        self._read = read_file
        self._document = document
        self._selected = selected
        self._variables = variables
        self._secrets: set[str] = set()
        self._variable_secrets: set[str] = set()
        self._met: dict[str, frozenset[str]] = {}
        """By owner, what runs have met that no log may hold: tokens."""
        self._renewable: list[Expander] = []
        """What may yet read a secret anew."""
        self._apis: dict[str, Api] = {}
        self._connections: dict[str, Connection] = {}
        self._stores: dict[str, StoreConfig] = {}
        """By name or URL."""
        self._pipelines: dict[str, Pipeline] = {}
        self.names: Final = tuple(sorted(document.pipelines))
        self.api_names: Final = tuple(sorted(document.apis))
        self.connection_names: Final = tuple(sorted(document.connections))
        self.store_names: Final = tuple(sorted(document.stores))
        faults: list[Fault] = []
        engine = self._convert(document.engine, EngineConfig, ("engine",), faults)
        if isinstance(engine, EngineConfig):
            faults.extend(engine_faults(engine, ("engine",)))
            if engine.log_dir:
                log_dir = str(self._absolute(engine.log_dir))
                engine = msgspec.structs.replace(engine, log_dir=log_dir)
        self.log_level: Final = log_level(variables, faults)
        self._default_rate = default_rate(variables, faults)
        if faults or not isinstance(engine, EngineConfig):
            raise self._refusal(path.name, faults)
        self.engine: Final = engine

    def __repr__(self) -> str:
        return f"Config({str(self.path)!r}, {len(self.names)} pipelines)"

    @property
    def secrets(self) -> frozenset[str]:
        """Every value met so far that must not be printed; grows as pipelines are resolved.

        Also holds what stood in a configuration that was then refused.
        """
        renewed = (value for each in self._renewable for value in of_variables(each.found))
        return frozenset(self._secrets.union(renewed, *tuple(self._met.values())))

    def hide(self, owner: str, secrets: Iterable[str]) -> None:
        """Count these among `secrets` from now on, in place of what the owner hid before."""
        self._met[owner] = frozenset(value for each in secrets for value in worth_hiding(each))

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
            raise self._refusal(file, faults, pipeline=name)
        self._pipelines[name] = pipeline
        return pipeline

    def api(self, name: str) -> Api:
        """An entry of [apis]. Raises ConfigError."""
        faults: list[Fault] = []
        api = self._api(name, ("apis", name), faults)
        if faults or not isinstance(api, Api):
            raise self._refusal(self._document.origin("apis", name), faults)
        return api

    def connection(self, name: str) -> Connection:
        """An entry of [connections]. Raises ConfigError."""
        faults: list[Fault] = []
        connection = self._connection(name, ("connections", name), faults)
        if faults or not isinstance(connection, Connection):
            raise self._refusal(self._document.origin("connections", name), faults)
        return connection

    def store(self, name: str) -> StoreConfig:
        """An entry of [stores], its path absolute. Raises ConfigError."""
        faults: list[Fault] = []
        store = self._store(name, ("stores", name), faults)
        if faults or not isinstance(store, StoreConfig):
            raise self._refusal(self._document.origin("stores", name), faults)
        return store

    def place(self, text: str) -> StoreConfig:
        """A store by its name in [stores], by a URL, or by the path of a directory.

        Raises ConfigError.
        """
        faults: list[Fault] = []
        store = self._place(text, ("target",), faults)
        if faults or not isinstance(store, StoreConfig):
            raise self._refusal(None, faults)
        return store

    def check_all(self) -> list[ConfigError]:
        """Resolve every pipeline, API, connection and store; one error for each that is wrong."""
        errors: list[ConfigError] = []
        checks: list[tuple[Callable[[str], object], Sequence[str]]] = [
            (self.pipeline, self.names),
            (self.api, self.api_names),
            (self.connection, self.connection_names),
            (self.store, self.store_names),
        ]
        for check, names in checks:
            for name in names:
                try:
                    check(name)
                except ConfigError as exc:
                    if str(exc) not in map(str, errors):
                        errors.append(exc)
        return errors

    def _refusal(self, file: str | None, faults: list[Fault], **context: object) -> ConfigError:
        """The error for these faults. A value that a message quotes may hold a variable."""
        shown: list[Fault] = []
        for fault in faults:
            message = fault.message
            for secret in sorted(self._secrets, key=len, reverse=True):
                for form in (secret, json.dumps(secret)[1:-1]):
                    message = message.replace(form, "***")
            shown.append(Fault(fault.path, message))
        return config_error(file or self.path.name, shown, **context)

    def _convert(self, table: Any, kind: Any, path: KeyPath, faults: list[Fault]) -> Any:
        """Expand and convert one table, and remember what in it is secret."""
        expander = Expander(self._variables, self._read_file, is_template=_is_template)
        expanded = expander.expand(table, path, faults)
        values = set(of_variables(expander.found))
        self._variable_secrets |= values
        self._secrets |= values
        if expander.has_files:
            self._renewable.append(expander)
        # Also of a table that is refused below.
        if path[0] == "apis":
            self._secrets.update(of_api_table(expanded))
        elif path[0] == "connections":
            self._secrets.update(of_connection_table(expanded))
        elif path[0] == "stores":
            self._secrets.update(of_store_table(expanded))
        return convert(expanded, kind, path, faults)

    def _read_file(self, name: str) -> str:
        return self._read(self._absolute(name))

    def _absolute(self, name: str) -> Path:
        """A path of the file: `~` is the home, and relative means beside pipelines.toml."""
        home = self._variables.get("HOME")
        if home and (name == "~" or name.startswith("~/")):
            name = home + name[1:]
        return Path(os.path.normpath(self.path.parent / name))

    def _resolve(self, name: str, faults: list[Fault]) -> Pipeline | None:
        path = ("pipelines", *name.split(".", 1))
        table = self._table(name, faults, selected=True)
        target = table.get("target", self.engine.target)
        table["target"] = self._place(target, (*path, "target"), faults)
        source = table.get("source")
        if isinstance(source, dict):
            self._refer(source, path, faults, (name,))
        pipeline = self._convert(table, Pipeline, path, faults)
        state = (
            None
            if self.engine.state is None
            else self._place(self.engine.state, ("engine", "state"), faults)
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
            state=state,
            incremental=with_instant(pipeline.incremental),
        )
        self._secrets.update(of_source(pipeline.source))
        check_path_part(pipeline.system, (*path, "system"), faults)
        check_path_part(pipeline.entity, (*path, "entity"), faults)
        faults.extend(pipeline_faults(pipeline, path))
        faults.extend(self._owners(name, pipeline, path))
        targets = {str(target) for claims in self._claims.values() for _, target in claims}
        faults.extend(token_faults(pipeline, self._document.stores, self._place, targets))
        if faults:
            return None
        return msgspec.structs.replace(
            pipeline, config_hash=config_hash(pipeline, self._variable_secrets)
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
            found = self._connection(source.get("connection"), here, faults)
            source["connection"] = found
            if isinstance(found, Connection) and _tag(found) != kind:
                faults.append(
                    Fault(here, f'is of type "{_tag(found)}", and the source of "{kind}"')
                )
        if kind != "http":
            return
        source["api"] = self._api(source.get("api"), (*path, "source", "api"), faults)
        if "parent" in source:
            here = (*path, "source", "parent")
            source["parent"] = self._parent(source["parent"], here, faults, below)

    def _parent(
        self, text: Any, path: KeyPath, faults: list[Fault], below: tuple[str, ...]
    ) -> object:
        name = self._convert(text, str, path, faults)
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
        read = self._convert(source, HttpSourceConfig, (*here, "source"), faults)
        rows = table.get("incremental")
        if rows is not None:
            rows = self._convert(rows, Incremental, (*here, "incremental"), faults)
        if len(faults) > before or not isinstance(read, HttpSourceConfig):
            return UNRESOLVED
        self._secrets.update(of_source(read))
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
            place = self._place(target, ("pipelines",), [])
            if not isinstance(place, StoreConfig) or place_of(place) == place_of(pipeline.target):
                yield Fault(
                    (*path, "entity"),
                    f"{pipeline.system}/{pipeline.entity} belongs to pipelines.{other} too; "
                    "give one of the two another system, entity or target",
                )

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

    def _api(self, name: Any, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.apis
        if name is None:
            faults.append(
                Fault(path, f"missing; it names an entry of [apis]: {nearest('', known)}")
            )
            return UNRESOLVED
        name = self._convert(name, str, path, faults)
        if not isinstance(name, str):  # a fault already
            return UNRESOLVED
        if name not in known:
            faults.append(Fault(path, f'there is no API "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._apis:
            return self._apis[name]
        here = ("apis", name)
        found: list[Fault] = []
        api = self._convert(known[name], Api, here, found)
        if isinstance(api, Api):
            self._secrets.update(of_api(api))
            found.extend(api_faults(api, here))
            api, missing = self._with_files(api, here)
            found.extend(missing)
            stores = self._document.stores
            api = with_token_place(api, name, stores, self._place, self._absolute, found)
            rate = with_default_rate(api.rate_limit, self._default_rate)
            api = msgspec.structs.replace(api, name=name, rate_limit=rate)
            found.extend(group_faults(api, self._apis.values(), here))
        if found or not isinstance(api, Api):
            faults.extend(found)
            return UNRESOLVED
        if sends_secrets_in_clear(api):
            _log.warning(
                "apis.%s: base_url or token_url is http: its credentials can be read on the way; "
                "use https",
                name,
            )
        self._apis[name] = api
        return api

    def _connection(self, name: Any, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.connections
        if name is None:
            hint = nearest("", known)
            faults.append(Fault(path, f"missing; it names an entry of [connections]: {hint}"))
            return UNRESOLVED
        name = self._convert(name, str, path, faults)
        if not isinstance(name, str):  # a fault already
            return UNRESOLVED
        if name not in known:
            faults.append(Fault(path, f'there is no connection "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._connections:
            return self._connections[name]
        here = ("connections", name)
        found: list[Fault] = []
        connection = self._convert(known[name], Connection, here, found)
        if isinstance(connection, Connection):
            connection = msgspec.structs.replace(connection, name=name)
            connection = with_libpq_variables(connection, self._variables)
            self._secrets.update(of_connection(connection))
            found.extend(connection_faults(connection, here))
            if isinstance(connection, PostgresConnection):
                connection, missing = self._with_files(connection, here)
                found.extend(missing)
        if found or not isinstance(connection, Connection):
            faults.extend(found)
            return UNRESOLVED
        self._connections[name] = connection
        return connection

    def _with_files(self, table: _Files, path: KeyPath) -> tuple[_Files, list[Fault]]:
        """An API, a store or a database with the absolute paths of its certificates, and a
        fault for each that can't be read."""
        files: dict[str, str] = {}
        faults: list[Fault] = []
        for key in ("ca_file", "client_cert", "client_key"):
            name = getattr(table, key)
            if name is None:
                continue
            files[key] = str(self._absolute(name))
            try:
                self._read(Path(files[key]))
            except (OSError, ValueError) as exc:
                reason = exc.strerror if isinstance(exc, OSError) else "it is not PEM text"
                faults.append(Fault((*path, key), f"{files[key]} can't be read: {reason}"))
        return msgspec.structs.replace(table, **files), faults

    def _store(self, name: str, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.stores
        if name not in known:
            faults.append(Fault(path, f'there is no store "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._stores:
            return self._stores[name]
        here = ("stores", name)
        store = self._convert(known[name], StoreConfig, here, faults)
        if not isinstance(store, StoreConfig):
            return UNRESOLVED
        return self._finished(name, msgspec.structs.replace(store, name=name), here, faults)

    def _finished(self, key: str, store: StoreConfig, path: KeyPath, faults: list[Fault]) -> object:
        """A store with its paths absolute and the vendor's variables filled in, kept by what
        it was asked for: its name or its URL."""
        if isinstance(store, LocalStoreConfig):
            store = msgspec.structs.replace(store, path=str(self._absolute(store.path)))
        else:
            store = with_variables(store, self._variables)
            self._secrets.update(of_store(store))
            found = list(store_faults(store, path))
            store, missing = self._with_files(store, path)
            faults.extend([*found, *missing])
            if found or missing:
                return UNRESOLVED
        if is_in_clear(store):
            _log.warning(
                "%s is reached over http: what lands there can be read and changed on the way; "
                "use https",
                key,
            )
        self._stores[key] = store
        return store

    def _place(self, text: Any, path: KeyPath, faults: list[Fault]) -> object:
        """A store, from its name, from a URL, or from the path of a directory.

        A bare word is a store's name as soon as there are stores: a typing error must not
        become a directory.
        """
        before = len(faults)
        place = self._convert(text, str, path, faults)
        if len(faults) > before or not isinstance(place, str):
            return UNRESOLVED
        if not place.strip():
            faults.append(Fault(path, "is empty; write a store's name or a path"))
            return UNRESOLVED
        if place in self._document.stores:
            return self._store(place, path, faults)
        if place in self._stores:
            return self._stores[place]
        if "://" in place:
            self._secrets.update(of_url(place))
            try:
                store = store_of_url(place)
            except ValueError as exc:
                faults.append(Fault(path, str(exc)))
                return UNRESOLVED
            return self._finished(place, store, path, faults)
        if self._document.stores and place.replace("-", "").replace("_", "").isalnum():
            hint = nearest(place, self._document.stores)
            faults.append(
                Fault(path, f'there is no store "{place}"; {hint} (a directory is "./{place}")')
            )
            return UNRESOLVED
        return LocalStoreConfig(path=str(self._absolute(place)))


def _is_template(path: KeyPath) -> bool:
    return path[0] == "pipelines" and path[3:4] == ("source",) and path[4:5] in _TEMPLATES


def _tag(table: msgspec.Struct) -> str:
    """The `type` of a table."""
    return str(table.__struct_config__.tag)
