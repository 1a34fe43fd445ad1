"""The JSON Schema of pipelines.toml, for editors (`bronze schema`).

Made from the Structs that the file is converted to, so it can't disagree with them; their
docstrings become the descriptions, that of a Struct also of each key without one that holds it.
It says what one file may hold: a key that a pipeline may inherit is not required, and a number
may be a text with a `${VAR}` in it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any, Final, Union, final, get_args, get_origin

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.connection import Connection
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.loading.convert import (
    MAY_LACK_TYPE,
    hidden_fields,
    is_array_of_tables,
    is_struct,
    options_of,
    tag_field_of,
)
from bronze_engine.config.loading.references import refers_to
from bronze_engine.config.notify import Notify
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.plugins import BASES, ENTRY_POINTS
from bronze_engine.config.source import (
    AdbcSourceConfig,
    FilesSourceConfig,
    HttpSourceConfig,
    PostgresSourceConfig,
)
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.telemetry import TelemetryConfig
from bronze_engine.config.units import ByteSize, Duration, Secret

__all__ = ["json_schema"]

Schema = dict[str, Any]

_REFERENCE: Final = {"type": "string", "pattern": r"\$\{"}
_NAMED: Final = {
    (Pipeline, "target"): {"type": "string"},
    (HttpSourceConfig, "api"): {"type": "string"},
    (HttpSourceConfig, "parent"): {"type": "string"},
    (PostgresSourceConfig, "connection"): {"type": "string"},
    (AdbcSourceConfig, "connection"): {"type": "string"},
    (FilesSourceConfig, "store"): {"type": "string"},
    (FilesSourceConfig, "api"): {"type": "string"},
}
"""Fields that hold a name in the file, and what it names behind the loader."""

_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9_-]*$"
_PIPELINE_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9_-]*[.][A-Za-z0-9][A-Za-z0-9_-]*$"


@final
class _Definitions(dict[str, Schema]):
    """Schemas of Structs by their names: two third parties' may have the same."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[Any, str] = {}

    def name_of(self, struct: Any) -> str:
        """Its own, or that of its module before it where another one has taken that."""
        if struct not in self._names:
            is_taken = struct.__name__ in self._names.values()
            whole = f"{struct.__module__}.{struct.__name__}"
            self._names[struct] = whole if is_taken else struct.__name__
        return self._names[struct]


def json_schema() -> Schema:
    """A JSON Schema (draft 2020-12) of a whole pipelines.toml."""
    definitions = _Definitions()
    # Pipelines first: what a table of theirs lacks may be inherited, so nothing is required.
    pipeline = _schema_of(Pipeline, definitions, is_partial=True)
    definitions["Pipeline"]["properties"]["extends"] = {
        "type": "string",
        "description": "A name of [templates], or of another pipeline, to build on.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipelines.toml of bronze-engine",
        "type": "object",
        "properties": {
            "include": {
                "description": "Files with more tables, relative to this one: pipelines/*.toml",
                "type": "array",
                "items": {"type": "string"},
            },
            "engine": _schema_of(EngineConfig, definitions),
            "telemetry": _schema_of(TelemetryConfig, definitions),
            "stores": _entries(
                "Where partitions land, and where files are read.",
                _schema_of(StoreConfig, definitions),
            ),
            "apis": _entries(
                "HTTP APIs, each with the limits that its pipelines share.",
                _schema_of(Api, definitions),
            ),
            "connections": _entries(
                "Databases, and how they are reached.", _schema_of(Connection, definitions)
            ),
            "catalogs": _entries(
                "Iceberg catalogs, which say where tables stand.", _schema_of(Catalog, definitions)
            ),
            "notify": _entries("Who is told of how runs ended.", _schema_of(Notify, definitions)),
            "defaults": {**pipeline, "description": "What all pipelines inherit."},
            "templates": _entries("What pipelines inherit that extend one of these.", pipeline),
            "pipelines": {
                "description": "What to land: [pipelines.TEAM.NAME].",
                "type": "object",
                "patternProperties": {
                    _PIPELINE_NAME: pipeline,
                    _NAME: _entries("Pipelines of one team.", pipeline),
                },
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "$defs": definitions,
    }


def _entries(description: str, schema: Schema) -> Schema:
    return {
        "description": description,
        "type": "object",
        "patternProperties": {_NAME: schema},
        "additionalProperties": False,
    }


def _schema_of(kind: Any, definitions: _Definitions, *, is_partial: bool = False) -> Schema:
    """The schema of one type; Structs are put into `definitions` and referred to."""
    options = options_of(kind)
    structs = [option for option in options if is_struct(option)]
    for base in [option for option in structs if option in BASES]:
        structs.remove(base)
        structs += filter(None, (ENTRY_POINTS.of(base, tag) for tag in ENTRY_POINTS.tags(base)))
    if structs:
        members: list[Schema] = []
        for struct in structs:
            name = definitions.name_of(struct)
            if name not in definitions:
                _define(struct, definitions, is_partial=is_partial)
            members.append({"$ref": f"#/$defs/{name}"})
        if type(None) in get_args(kind) and is_partial:
            members.append({"const": False, "description": "Takes an inherited table away."})
        schema = members[0] if len(members) == 1 else {"anyOf": members}
        if len(structs) == 1:
            schema["description"] = definitions[definitions.name_of(structs[0])]["description"]
        return schema
    is_list_of_tables = get_origin(options[0]) is list and is_struct(get_args(options[0])[0])
    if is_list_of_tables or is_array_of_tables(options[0]):
        item = _schema_of(get_args(options[0])[0], definitions, is_partial=is_partial)
        return {"type": "array", "items": item}
    if get_origin(options[0]) is dict:
        item = _schema_of(get_args(options[0])[1], definitions, is_partial=is_partial)
        return {"type": "object", "additionalProperties": item}
    # TOML has no null: a key that is off is left out.
    leaf = msgspec.json.schema(Union[tuple(options)], schema_hook=_unit_schema)  # noqa: UP007
    takes_any_text = leaf.get("type") in (None, "string", "array") and "enum" not in leaf
    if takes_any_text and "anyOf" not in leaf:
        return leaf
    return {"anyOf": [*leaf.get("anyOf", [leaf]), _REFERENCE]}


def _define(struct: Any, definitions: _Definitions, *, is_partial: bool) -> None:
    properties: dict[str, Schema] = {}
    definition: Schema = {
        "description": inspect.cleandoc(struct.__doc__ or ""),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    definitions[definitions.name_of(struct)] = definition
    required: list[str] = []
    tag = struct.__struct_config__.tag
    if tag is not None:
        # The tag decides which member of a union is meant, so no variable may stand for it.
        properties[tag_field_of(struct)] = {"const": tag}
        if not is_partial and struct not in MAY_LACK_TYPE:
            required.append(tag_field_of(struct))
    texts = _docstrings(struct)
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        if name in hidden_fields(struct):
            continue
        named = _NAMED.get((struct, name))
        if named is None and issubclass(struct, tuple(BASES)) and refers_to(field.type):
            named = {"type": "string"}
        schema = dict(named or _schema_of(field.type, definitions, is_partial=is_partial))
        if name in texts:
            schema["description"] = texts[name]
        match field.default:
            case bool() | str():
                schema["default"] = field.default
            case int():
                schema["default"] = int(field.default)
            case float():
                schema["default"] = float(field.default)
            case _:
                pass
        properties[name] = schema
        if field.required and not is_partial:
            required.append(name)
    if required:
        definition["required"] = required


def _unit_schema(kind: type[Any]) -> Schema:
    if kind is Duration:
        pattern = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$"
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": pattern}]}
    if kind is ByteSize:
        pattern = r"^\s*\d+(\.\d+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$"
        return {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": pattern}]
        }
    if kind is Secret:
        return {"type": "string"}
    raise NotImplementedError(kind)


def _docstrings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The string below each field, of the class and of those that it is built on."""
    found: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if not issubclass(owner, msgspec.Struct) or owner is msgspec.Struct:
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for node, after in pairwise(body):
            match node, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = " ".join(text.split())
    return found
