"""Plain TOML values to Structs, with every fault of a table reported, not only the first.

msgspec converts the leaves; the tables are walked here, because its errors name neither
the keys of a mapping nor more than one fault, and quote values that may be secret.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.connection import AdbcConnection, PostgresConnection
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.loading.elsewhere import meant
from bronze_engine.config.loading.expand import Expanded
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.loading.fields import fields_of_table
from bronze_engine.config.notify import CommandNotify, WebhookNotify
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.plugins import BASES, ENTRY_POINTS, Structs
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    CustomStore,
    LocalStoreConfig,
    S3StoreConfig,
    implied_type,
)
from bronze_engine.config.units import ByteSize, Duration, Secret, decode_unit
from bronze_engine.errors import ConfigError
from bronze_engine.model.nearest import nearest

__all__ = [
    "MAY_LACK_TYPE",
    "UNRESOLVED",
    "convert",
    "hidden_fields",
    "is_array_of_tables",
    "is_struct",
    "kind_of",
    "options_of",
    "tag_field_of",
]

_SET_ON_LOADING: Final[Mapping[type, frozenset[str]]] = {
    Pipeline: frozenset({"name", "state", "timezone", "catalogs", "config_hash"}),
    Catalog: frozenset({"name"}),
    Api: frozenset({"name"}),
    PostgresConnection: frozenset({"name"}),
    AdbcConnection: frozenset({"name"}),
    LocalStoreConfig: frozenset({"name"}),
    S3StoreConfig: frozenset({"name"}),
    AzureStoreConfig: frozenset({"name"}),
    CustomStore: frozenset({"name"}),
    FilesSourceConfig: frozenset({"places"}),
    WebhookNotify: frozenset({"name"}),
    CommandNotify: frozenset({"name"}),
}
"""Fields that are no keys of the file."""

MAY_LACK_TYPE: Final = frozenset({LocalStoreConfig, S3StoreConfig, AzureStoreConfig})
"""Structs whose other keys tell their `type` where it is left out (`implied_type`)."""

UNRESOLVED: Final = object()
"""In the place of a table that something refers to and that has faults of its own."""


def convert(
    value: Any, kind: Any, path: KeyPath, faults: list[Fault], structs: Structs = ENTRY_POINTS
) -> Any:
    """`value` as `kind`; where it is wrong, faults are added and the result means nothing.

    A Struct within `value` is taken as it is: a name that was resolved before. `structs` are
    those of third parties.
    """
    if isinstance(value, msgspec.Struct) or value is UNRESOLVED:
        return value
    options = options_of(kind)
    members = [option for option in options if is_struct(option)]
    if members:
        if not isinstance(value, dict):
            faults.append(Fault(path, f"expected a table, got {kind_of(value)}"))
            return None
        return _table(value, members, path, faults, structs)
    if is_array_of_tables(options[0]):
        if not isinstance(value, list):
            faults.append(Fault(path, f"expected an array of tables, got {kind_of(value)}"))
            return None
        item_kind = get_args(options[0])[0]
        return tuple(
            convert(item, item_kind, (*path, str(place)), faults, structs)
            for place, item in enumerate(value)
        )
    if get_origin(options[0]) is dict:
        if not isinstance(value, dict):
            faults.append(Fault(path, f"expected a table, got {kind_of(value)}"))
            return None
        item_kind = get_args(options[0])[1]
        return {
            key: convert(item, item_kind, (*path, key), faults, structs)
            for key, item in value.items()
        }
    return _leaf(value, kind, options, path, faults)


def kind_of(value: Any) -> str:
    """What a TOML value is, without showing it."""
    match value:
        case Expanded():
            return "a text from a variable"
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case date() | time():
            return "a date"
        case list():
            return "an array"
        case _:
            return "a table"


def options_of(kind: Any) -> Sequence[Any]:
    """The members of a union, without None; a type that is none is its only member."""
    if get_origin(kind) in (Union, types.UnionType):
        return [option for option in get_args(kind) if option is not type(None)]
    return [kind]


def is_struct(kind: Any) -> bool:
    """Whether a type is a table of its own."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def is_array_of_tables(kind: Any) -> bool:
    """Whether a type is `tuple[Struct, ...]`: what [[double brackets]] write."""
    return get_origin(kind) is tuple and all(map(is_struct, options_of(get_args(kind)[0])))


def tag_field_of(struct: Any) -> str:
    """The key that tells which Struct of a union a table is."""
    return struct.__struct_config__.tag_field or "type"


def hidden_fields(struct: Any) -> frozenset[str]:
    """The fields of a Struct that are no keys of the file: they are set on loading."""
    owners = (_SET_ON_LOADING[each] for each in struct.__mro__ if each in _SET_ON_LOADING)
    return next(owners, frozenset())


def _table(
    value: dict[str, Any],
    members: Sequence[Any],
    path: KeyPath,
    faults: list[Fault],
    structs: Structs,
) -> Any:
    struct = members[0]
    is_tagged = struct.__struct_config__.tag is not None
    if is_tagged:
        tags = {
            str(option.__struct_config__.tag): option for option in members if option not in BASES
        }
        base = next((option for option in members if option in BASES), None)
        tag_field = tag_field_of(struct)
        tag = value.get(tag_field)
        if tag is None and struct in MAY_LACK_TYPE:
            try:
                tag = implied_type(value)
            except ValueError as exc:
                faults.append(Fault((*path, "url"), str(exc)))
                return None
        if tag not in tags and base is not None:
            try:
                tags |= _of_third_parties(tag, base, structs)
            except ConfigError as exc:
                faults.append(Fault((*path, tag_field), exc.message))
                return None
        if tag not in tags:
            faults.append(Fault((*path, tag_field), _wrong_tag(tag, tags)))
            return None
        struct = tags[tag]
    hidden = hidden_fields(struct)
    fields = {
        field.encode_name: field
        for field in fields_of_table(struct)
        if field.encode_name not in hidden
    }
    before = len(faults)
    known = [*fields, tag_field_of(struct)] if is_tagged else list(fields)
    arguments: dict[str, Any] = {}
    for key, item in value.items():
        if key in fields:
            kind = fields[key].type
            arguments[fields[key].name] = convert(item, kind, (*path, key), faults, structs)
        elif key not in known:
            faults.append(Fault((*path, key), f"unknown key; {meant(key, known)}"))
    faults.extend(
        Fault((*path, key), f"missing; it is {_meaning(field.type)}")
        for key, field in fields.items()
        if field.required and key not in value
    )
    return struct(**arguments) if len(faults) == before else None


def _of_third_parties(tag: Any, base: Any, structs: Structs) -> dict[str, Any]:
    """The Struct of a third party's tag; of a wrong tag the names that there are."""
    is_name = isinstance(tag, str) and not isinstance(tag, Expanded)
    found = structs.of(base, tag) if is_name else None
    return {tag: found} if found is not None else dict.fromkeys(structs.tags(base))


def _wrong_tag(tag: Any, tags: Mapping[str, Any]) -> str:
    if tag is None:
        return f"missing; {nearest('', tags)}"
    if not isinstance(tag, str) or isinstance(tag, Expanded):
        return f"{kind_of(tag)} is no type; {nearest('', tags)}"
    return f"unknown type {json.dumps(tag)}; {meant(tag, tags)}"


def _leaf(value: Any, kind: Any, options: Sequence[Any], path: KeyPath, faults: list[Fault]) -> Any:
    plain = _plain(value)
    result = _try(plain, kind, strict=True)
    if result is UNRESOLVED and isinstance(value, Expanded):
        result = _try(plain, kind, strict=False)
    if result is UNRESOLVED or (isinstance(result, float) and not math.isfinite(result)):
        hint = ""
        literals = [text for text in _literals(kind) if isinstance(text, str)]
        if isinstance(value, str) and not isinstance(value, Expanded) and literals:
            hint = f"; {meant(value, literals)}"
        if isinstance(value, int | float) and _WORDS.get(options[0]) == "a string":
            hint = "; write it in quotes"
        faults.append(Fault(path, f"expected {_meaning(kind)}, got {_shown(value, options)}{hint}"))
        return None
    return result


def _try(value: Any, kind: Any, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict, dec_hook=decode_unit)
    except (msgspec.ValidationError, OverflowError):
        return UNRESOLVED


def _plain(value: Any) -> Any:
    """Dates as their text (no key of the file means a date), and plain strings, at any depth."""
    match value:
        case Expanded() if value.read_again is not None:
            return value  # a Secret takes that along
        case str():
            return str(value)
        case datetime():
            text = value.isoformat()
            return text[:-6] + "Z" if text.endswith("+00:00") else text
        case date() | time():
            return value.isoformat()
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value


def _shown(value: Any, options: Sequence[Any]) -> str:
    if Secret in options or isinstance(value, Expanded | dict | list):
        return kind_of(value)
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(_plain(value))


def _literals(kind: Any) -> list[Any]:
    return [
        value
        for option in options_of(kind)
        if get_origin(option) is Literal
        for value in get_args(option)
    ]


_WORDS: Final[Mapping[Any, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Duration: 'a duration ("500ms", "30s", "5m", "6h", "1d")',
    ByteSize: 'a size ("512KiB", "8MiB", "1GB", or bytes)',
    Secret: "a string",
}


def _meaning(kind: Any) -> str:
    """What a key takes, in words."""
    words = []
    for option in options_of(kind):
        origin = get_origin(option)
        if origin is Literal:
            words.append(" or ".join(json.dumps(value) for value in get_args(option)))
        elif origin is Annotated:
            base, *metas = get_args(option)
            words.append(_meaning(base) + "".join(_bounds(meta) for meta in metas))
        elif is_array_of_tables(option):
            words.append("an array of tables")
        elif origin in (tuple, list):
            item = next(iter(get_args(option)), str)
            listed = _meaning(item) if get_origin(item) is Literal else "strings"
            words.append(f"an array of {listed}")
        elif is_struct(option) or origin is dict:
            words.append("a table")
        else:
            words.append(_WORDS.get(option, "a value"))
    return " or ".join(dict.fromkeys(words))


def _bounds(meta: Any) -> str:
    if not isinstance(meta, msgspec.Meta):
        return ""
    named = ((meta.gt, "above"), (meta.ge, "at least"), (meta.lt, "below"), (meta.le, "at most"))
    texts = [f"{word} {bound:g}" for bound, word in named if bound is not None]
    return f" ({', '.join(texts)})" if texts else ""
