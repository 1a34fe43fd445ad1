"""What pipelines refer to by name: APIs, connections, stores, catalogs. Each is converted once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, TypeVar, final

import msgspec

from bronze_engine.config.api import Api, RateLimit
from bronze_engine.config.auths.token_place import with_token_place
from bronze_engine.config.catalog import Catalog, with_absolute_paths
from bronze_engine.config.connection import Connection, PostgresConnection
from bronze_engine.config.database.variables import with_libpq_variables
from bronze_engine.config.loading.convert import UNRESOLVED, options_of
from bronze_engine.config.loading.document import Document
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.loading.references import refers_to
from bronze_engine.config.loading.sensitive import (
    of_api,
    of_catalog,
    of_connection,
    of_store,
    of_url,
)
from bronze_engine.config.loading.tables import Tables
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.api import api_faults, sends_secrets_in_clear
from bronze_engine.config.rules.catalog import catalog_faults
from bronze_engine.config.rules.connection import connection_faults
from bronze_engine.config.rules.rate import group_faults, with_default_rate
from bronze_engine.config.rules.store import is_in_clear, store_faults, store_of_url
from bronze_engine.config.source import CustomSource
from bronze_engine.config.stores.store import (
    BUILT_IN,
    CustomStore,
    LocalStoreConfig,
    RemoteStoreConfig,
    StoreConfig,
)
from bronze_engine.config.stores.variables import with_variables
from bronze_engine.errors import ConfigError
from bronze_engine.model.nearest import nearest

__all__ = ["Entries"]

_Files = TypeVar("_Files", bound=Api | RemoteStoreConfig | PostgresConnection)

_log = logging.getLogger("bronze_engine.config")


@final
class Entries:
    """Each method returns the Struct of an entry, or UNRESOLVED with its faults added."""

    def __init__(self, document: Document, tables: Tables, default_rate: RateLimit | None) -> None:
        self._document = document
        self._tables = tables
        self._default_rate = default_rate
        self._apis: dict[str, Api] = {}
        self._connections: dict[str, Connection] = {}
        self._catalogs: dict[str, Catalog] = {}
        self._stores: dict[str, StoreConfig] = {}
        """By name or URL."""
        self._wrapping: list[str] = []
        """Stores of third parties that are being resolved, each within the one before."""

    def api(self, name: Any, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.apis
        if name is None:
            faults.append(
                Fault(path, f"missing; it names an entry of [apis]: {nearest('', known)}")
            )
            return UNRESOLVED
        name = self._tables.convert(name, str, path, faults)
        if not isinstance(name, str):  # a fault already
            return UNRESOLVED
        if name not in known:
            faults.append(Fault(path, f'there is no API "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._apis:
            return self._apis[name]
        here = ("apis", name)
        found: list[Fault] = []
        api = self._tables.convert(known[name], Api, here, found)
        if isinstance(api, Api):
            self._tables.hide(of_api(api))
            found.extend(api_faults(api, here))
            api, missing = self._with_files(api, here)
            found.extend(missing)
            stores = self._document.stores
            api = with_token_place(api, name, stores, self.place, self._tables.absolute, found)
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

    def connection(self, name: Any, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.connections
        if name is None:
            hint = nearest("", known)
            faults.append(Fault(path, f"missing; it names an entry of [connections]: {hint}"))
            return UNRESOLVED
        name = self._tables.convert(name, str, path, faults)
        if not isinstance(name, str):  # a fault already
            return UNRESOLVED
        if name not in known:
            faults.append(Fault(path, f'there is no connection "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._connections:
            return self._connections[name]
        here = ("connections", name)
        found: list[Fault] = []
        connection = self._tables.convert(known[name], Connection, here, found)
        if isinstance(connection, Connection):
            connection = msgspec.structs.replace(connection, name=name)
            connection = with_libpq_variables(connection, self._tables.variables)
            self._tables.hide(of_connection(connection))
            found.extend(connection_faults(connection, here))
            if isinstance(connection, PostgresConnection):
                connection, missing = self._with_files(connection, here)
                found.extend(missing)
                if connection.passfile is not None:
                    passfile = str(self._tables.absolute(connection.passfile))
                    connection = msgspec.structs.replace(connection, passfile=passfile)
        if found or not isinstance(connection, Connection):
            faults.extend(found)
            return UNRESOLVED
        self._connections[name] = connection
        return connection

    def catalog(self, name: str, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.catalogs
        if name not in known:
            faults.append(Fault(path, f'there is no catalog "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._catalogs:
            return self._catalogs[name]
        here = ("catalogs", name)
        found: list[Fault] = []
        catalog = self._tables.convert(known[name], Catalog, here, found)
        if isinstance(catalog, Catalog):
            self._tables.hide(of_catalog(catalog))
            found.extend(catalog_faults(catalog, here))
        if found or not isinstance(catalog, Catalog):
            faults.extend(found)
            return UNRESOLVED
        catalog = with_absolute_paths(catalog, self._tables.absolute)
        self._catalogs[name] = msgspec.structs.replace(catalog, name=name)
        return self._catalogs[name]

    def catalogs_of(
        self, pipeline: Pipeline, path: KeyPath, faults: list[Fault]
    ) -> dict[str, Catalog]:
        """Those that the tables of a pipeline are in, by their names."""
        found: dict[str, Catalog] = {}
        for output, key in pipeline.table_outputs:
            if output.catalog is not None:
                catalog = self.catalog(output.catalog, (*path, *key, "catalog"), faults)
                if isinstance(catalog, Catalog):
                    found[output.catalog] = catalog
        return found

    def store(self, name: str, path: KeyPath, faults: list[Fault]) -> object:
        known = self._document.stores
        if name not in known:
            faults.append(Fault(path, f'there is no store "{name}"; {nearest(name, known)}'))
            return UNRESOLVED
        if name in self._stores:
            return self._stores[name]
        here = ("stores", name)
        if name in self._wrapping:
            circle = " -> ".join([*self._wrapping, name])
            faults.append(Fault(here, f"lies within itself: {circle}; name another store"))
            return UNRESOLVED
        table = dict(known[name])
        if isinstance(table.get("type"), str) and table["type"] not in BUILT_IN:
            self._wrapping.append(name)
            try:
                self.refer(table, CustomStore, table["type"], here, faults)
            finally:
                self._wrapping.remove(name)
        store = self._tables.convert(table, StoreConfig, here, faults)
        if not isinstance(store, StoreConfig):
            return UNRESOLVED
        return self._finished(name, msgspec.structs.replace(store, name=name), here, faults)

    def place(self, text: Any, path: KeyPath, faults: list[Fault]) -> object:
        """A store, from its name, from a URL, or from the path of a directory.

        A bare word is a store's name as soon as there are stores: a typing error must not
        become a directory.
        """
        before = len(faults)
        place = self._tables.convert(text, str, path, faults)
        if len(faults) > before or not isinstance(place, str):
            return UNRESOLVED
        if not place.strip():
            faults.append(Fault(path, "is empty; write a store's name or a path"))
            return UNRESOLVED
        if place in self._document.stores:
            return self.store(place, path, faults)
        if place in self._stores:
            return self._stores[place]
        if "://" in place:
            self._tables.hide(of_url(place))
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
        return LocalStoreConfig(path=str(self._tables.absolute(place)))

    def refer(
        self,
        table: dict[str, Any],
        base: type[CustomSource | CustomStore],
        tag: str,
        path: KeyPath,
        faults: list[Fault],
    ) -> None:
        """Put what a third party's table names in the place of the names."""
        try:
            struct = self._tables.structs.of(base, tag)
        except ConfigError:  # told where the table is converted
            return
        for field in () if struct is None else msgspec.structs.fields(struct):
            key = field.encode_name
            kind = refers_to(field.type)
            if kind is None or (key not in table and not field.required):
                continue
            find = {"api": self.api, "connection": self.connection, "store": self.place}[kind]
            before = len(faults)
            found: object = UNRESOLVED
            if key not in table:
                text = f"missing; it names an entry of [{kind}s]"
                faults.append(Fault((*path, key), text))
            else:
                found = find(table[key], (*path, key), faults)
            if len(faults) == before and not isinstance(found, tuple(options_of(field.type))):
                faults.append(Fault((*path, key), f"names no {kind} of a kind that {tag} takes"))
            table[key] = UNRESOLVED if len(faults) > before else found

    def _finished(self, key: str, store: StoreConfig, path: KeyPath, faults: list[Fault]) -> object:
        """A store with its paths absolute and the vendor's variables filled in, kept by what
        it was asked for: its name or its URL."""
        if isinstance(store, LocalStoreConfig):
            store = msgspec.structs.replace(store, path=str(self._tables.absolute(store.path)))
        elif isinstance(store, CustomStore):
            store = store.resolved(lambda text: str(self._tables.absolute(text)))
            self._tables.hide(of_store(store))
            found = list(store_faults(store, path))
            faults.extend(found)
            if found:
                return UNRESOLVED
        else:
            store = with_variables(store, self._tables.variables)
            self._tables.hide(of_store(store))
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

    def _with_files(self, table: _Files, path: KeyPath) -> tuple[_Files, list[Fault]]:
        """An API, a store or a database with the absolute paths of its certificates, and a
        fault for each that can't be read."""
        files: dict[str, str] = {}
        faults: list[Fault] = []
        for key in ("ca_file", "client_cert", "client_key"):
            name = getattr(table, key)
            if name is None:
                continue
            files[key] = str(self._tables.absolute(name))
            try:
                self._tables.read(Path(files[key]))
            except (OSError, ValueError) as exc:
                reason = exc.strerror if isinstance(exc, OSError) else "it is not PEM text"
                faults.append(Fault((*path, key), f"{files[key]} can't be read: {reason}"))
        return msgspec.structs.replace(table, **files), faults
