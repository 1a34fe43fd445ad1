"""The hash of what changes a pipeline's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from bronze_engine.config.cdc import Cdc
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fields import fields_of_table
from bronze_engine.config.loading.references import refers_to
from bronze_engine.config.loading.sensitive import is_credential_name
from bronze_engine.config.output import Output
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.quality import Quality
from bronze_engine.config.quality_rule import refuses_rows
from bronze_engine.config.source import (
    CustomSource,
    DatabaseSourceConfig,
    FilesSourceConfig,
    HttpSourceConfig,
    SourceConfig,
)
from bronze_engine.config.units import Secret

__all__ = ["config_hash"]


def config_hash(pipeline: Pipeline, hidden: Collection[str]) -> str:
    """SHA-256 over what decides which rows land, and how.

    Left out: credentials, limits, timeouts, file sizes, names. `hidden` are values from
    the environment; a parameter that holds one counts by its name alone, so that a hash
    in a manifest helps nobody to guess a secret, and a rotated key is no new configuration.
    """
    source = pipeline.source
    identity = {
        "source": _source(source, hidden),
        "load": pipeline.load,
        "primary_key": pipeline.primary_key,
        "incremental": _window(pipeline.incremental, pipeline.timezone),
        "schema": pipeline.schema,
        "drops_duplicates": pipeline.quality.duplicates == "drop",
        "load_columns": pipeline.output.load_columns,
        "extracted_at": pipeline.output.extracted_at,
        **_refusals(pipeline.quality),
        **_folders(pipeline.output),
        **_operations(pipeline.cdc),
    }
    # msgspec takes no subclass of float, which Duration is.
    encoded = msgspec.json.encode(identity, order="sorted", enc_hook=float)
    return hashlib.sha256(encoded).hexdigest()


def _source(source: SourceConfig, hidden: Collection[str]) -> dict[str, Any]:
    if isinstance(source, HttpSourceConfig):
        return _http(source, hidden)
    if isinstance(source, FilesSourceConfig):
        return _files(source, hidden)
    if isinstance(source, CustomSource):
        return _custom(source, hidden)
    return _database(source, hidden)


def _folders(output: Output) -> dict[str, Any]:
    """Which files rows lie in below the run date; nothing where all are together."""
    return {"partition_by": output.partition_by} if output.partition_by else {}


def _operations(cdc: Cdc | None) -> dict[str, Any]:
    """Which changes land; nothing where rows are none."""
    if cdc is None:
        return {}
    codes = sorted([*cdc.insert, *cdc.update, *cdc.delete])
    return {"operation": cdc.operation, "codes": codes}


def _refusals(quality: Quality) -> dict[str, Any]:
    """The rules that keep rows out; nothing where none does."""
    rules = [msgspec.structs.replace(rule, name="") for rule in quality.rules if refuses_rows(rule)]
    return {"rules": rules} if rules else {}


def _http(source: HttpSourceConfig, hidden: Collection[str]) -> dict[str, Any]:
    url = urlsplit(source.api.base_url)
    paginator = msgspec.to_builtins(source.paginator)
    paginator.pop("parallel", None)
    return {
        "type": "http",
        "base_url": f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}",
        "headers": sorted(name.lower() for name in source.api.headers),
        "path": _masked(source.path, hidden),
        "method": source.method,
        "params": _masked(source.params, hidden),
        "json": _masked(source.json, hidden),
        **_own_headers(source, hidden),
        "records": source.records,
        "null_records": source.null_records,
        **_shape(source),
        **_chains(source, hidden),
        "paginator": paginator,
    }


def _own_headers(source: HttpSourceConfig, hidden: Collection[str]) -> dict[str, Any]:
    """Those of the request; nothing where it has none."""
    return {"own_headers": _masked(source.headers, hidden)} if source.headers else {}


_HOW: Final = ("connection", "partitions", "partition_column", "parallel", "chunk_rows")
"""Keys of a database's source that say how it is read, not what."""


def _database(source: DatabaseSourceConfig, hidden: Collection[str]) -> dict[str, Any]:
    """The connection counts by its name: a database that has moved holds the same rows."""
    found: dict[str, Any] = {
        "type": source.__struct_config__.tag,
        "connection": source.connection.name,
    }
    for field in fields_of_table(type(source)):
        value = getattr(source, field.name)
        if field.name not in (*_HOW, "batch_rows") and value:
            found[field.name] = _masked(value, hidden)
    return found


_WHERE: Final = (
    "url",
    "places",
    "store",
    "api",
    "on_missing",
    "max_document_bytes",
    "max_sheet_bytes",
)
"""Keys of a source of files that are told in another way, or change no row."""


def _files(source: FilesSourceConfig, hidden: Collection[str]) -> dict[str, Any]:
    """A store and an API count by their names; what is as usual does not count."""
    found = {key: value for key, value in _set(source).items() if key not in _WHERE}
    if "excel" in found:
        excel = {key: value for key, value in found.pop("excel").items() if key not in _WHERE}
        found |= {"excel": excel} if excel else {}
    for key, named in (("store", source.store), ("api", source.api)):
        if named is not None:
            found[key] = named.name
    return {"type": "files", "url": _masked(source.urls, hidden), **found}


_LIMITS: Final = frozenset({"rate_limit", "retry"})


def _custom(source: CustomSource, hidden: Collection[str]) -> dict[str, Any]:
    """What a plug-in says changes rows; what it names counts by its name."""
    found = _set(source)
    for field in fields_of_table(type(source)):
        value = getattr(source, field.name)
        if field.name in source.no_rows | _LIMITS:
            found.pop(field.name, None)
        elif field.name in found and refers_to(field.type) is not None:
            found[field.name] = value.name or value.location
    return {"type": source.__struct_config__.tag, **_masked(found, hidden)}


def _set(table: msgspec.Struct) -> dict[str, Any]:
    """What is not as usual: a key that is added later changes no hash."""
    found: dict[str, Any] = {}
    for field in fields_of_table(type(table)):
        value = getattr(table, field.name)
        usual = field.default
        if usual is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            usual = field.default_factory()
        if value != usual:
            found[field.name] = _set_within(value)
    return found


def _set_within(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            return _set(value)
        case Secret():
            return "***"
        case list() | tuple():
            return [_set_within(each) for each in value]
        case dict():
            return {key: _set_within(each) for key, each in value.items()}
        case _:
            return value


_SHAPE: Final = (
    *("absent_records", "single_record", "record_set", "envelope", "record_kind"),
    *("record_keys", "format", "csv"),
)


def _shape(source: HttpSourceConfig) -> dict[str, Any]:
    """What else decides how records are read; nothing where nothing is set."""
    usual = {field.name: field.default for field in fields_of_table(type(source))}
    found = {key: getattr(source, key) for key in _SHAPE}
    return {key: value for key, value in found.items() if value and value != usual[key]}


def _chains(source: HttpSourceConfig, hidden: Collection[str]) -> dict[str, Any]:
    """What decides which chains a source has; nothing where it is one."""
    found: dict[str, Any] = {}
    if source.parent is not None:
        parent = source.parent.source
        found["carry"] = source.carry
        found["parent"] = {
            "path": _masked(parent.path, hidden),
            "method": parent.method,
            "params": _masked(parent.params, hidden),
            "json": _masked(parent.json, hidden),
            **_own_headers(parent, hidden),
            "records": parent.records,
            **_shape(parent),
            **_chains(parent, hidden),
        }
    if source.export is not None:
        create = source.export.create
        found["export"] = {
            "path": _masked(create.path, hidden),
            "params": _masked(create.params, hidden),
            "json": _masked(create.json, hidden),
            "files": source.export.files,
        }
    if source.on_not_found != "fail":
        found["on_not_found"] = source.on_not_found
    return found


def _window(incremental: Incremental | None, timezone: str) -> dict[str, Any] | None:
    """Which rows a window holds; how it is cut into steps changes none of them."""
    if incremental is None:
        return None
    fields = msgspec.structs.asdict(incremental)
    del fields["step"], fields["steps_per_slice"]
    for key, usual in (("lookback", None), ("low_open", True)):
        if fields[key] == usual:  # as if it were not there: hashes stay what they were
            del fields[key]
    if incremental.window == "date":
        fields["timezone"] = timezone  # it says when a day begins
    return fields


def _masked(value: Any, hidden: Collection[str], name: str = "") -> Any:
    match value:
        case dict():
            return {key: _masked(item, hidden, key) for key, item in value.items()}
        case list():
            return [_masked(item, hidden, name) for item in value]
        case str() if is_credential_name(name) or any(part in value for part in hidden):
            return "***"
        case _:
            return value
