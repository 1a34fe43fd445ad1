"""What a statement has to say of a table: where it lies, its columns, its folders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from urllib.parse import unquote

import msgspec
import pyarrow as pa

from bronze_engine.contracts import Store, TablePlace
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.arrow import DataType, Field
from bronze_engine.model.manifest import MANIFEST_NAME, run_date_of
from bronze_engine.model.part import DataFile
from bronze_engine.model.types.widening import wider
from bronze_engine.tables.content import DATE_COLUMN, Content, Shown, read_contents

__all__ = [
    "Described",
    "LeftOut",
    "Typed",
    "check_path",
    "describe",
    "folder_type",
    "header",
    "typed",
]


class LeftOut(msgspec.Struct, frozen=True):
    """A column that an engine can't be shown, and why."""

    column: str
    why: str


class Typed(msgspec.Struct, frozen=True):
    """The columns that it can be shown, with its own names of their types."""

    columns: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A table as its manifests have it now."""

    schema: str
    name: str
    """What to call it: system and entity, of Silver with `_silver` behind it."""
    place: TablePlace
    location: str
    """The URL, or the path, of its root."""
    columns: pa.Schema
    """Of all dates together."""
    levels: tuple[str, ...]
    """The keys of folders below a run date, or below a table."""
    files: tuple[Shown, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """All keys of folders, from the root."""
        return (DATE_COLUMN, *self.levels) if self.place.is_dated else self.levels


async def describe(
    store: Store, place: TablePlace, *, schema: str, name: str, location: str
) -> Described:
    """Read the manifests of a place. Raises StateError, StoreError."""
    root = place.root
    partitions = [root]
    if place.is_dated:
        keys = [info.key async for info in store.scan(f"{root}/")]
        folders = [key.removesuffix(f"/{MANIFEST_NAME}") for key in keys if _is_manifest(key)]
        partitions = [each for each in folders if run_date_of(each.removeprefix(f"{root}/"))]
    contents = await read_contents(store, root, partitions)
    if not place.is_dated and contents[0].manifest is None:
        raise StateError(
            f"{store.url}/{root} has no table yet; make it first (`bronze silver NAME`)", table=root
        )
    files = tuple(shown for content in contents for shown in content.files)
    return Described(
        schema=schema,
        name=name,
        place=place,
        location=location,
        columns=_united(contents),
        levels=next((_levels(each.file) for each in files if each.file.values), ()),
        files=files,
    )


def _levels(file: DataFile) -> tuple[str, ...]:
    """The keys of a file's folders, as they lie in each other: a manifest has its values by name,
    in the order of the alphabet."""
    folders = file.name.split("/")[:-1]
    return tuple(unquote(folder.partition("=")[0]) for folder in folders)


def _is_manifest(key: str) -> bool:
    return key.endswith(f"/{MANIFEST_NAME}")


def _united(contents: Sequence[Content]) -> pa.Schema:
    """The columns of all contents, each of the least type that holds its values everywhere."""
    found: dict[str, DataType] = {}
    for content in contents:
        for field in content.schema or ():
            known = found.get(field.name)
            found[field.name] = field.type if known is None else wider(known, field.type)
    return pa.schema(list(found.items()))


def typed(
    described: Described, type_of: Callable[[DataType], str | None], *, hidden: Collection[str]
) -> Typed:
    """The columns of the files in an engine's words, without those in whose place it puts the
    `hidden` keys of folders."""
    columns: list[tuple[str, str]] = []
    left_out: list[LeftOut] = []
    keys = {key.casefold() for key in hidden}
    for field in described.columns:
        named = type_of(field.type)
        if field.name.casefold() in keys:
            if field.name not in described.levels:
                left_out.append(LeftOut(field.name, f"{field.name}= is a folder of the files"))
        elif named is None:
            left_out.append(LeftOut(field.name, f"there is no type for {field.type}"))
        else:
            columns.append((field.name, named))
    return Typed(tuple(columns), tuple(left_out))


def folder_type(described: Described, key: str) -> Field:
    """The column that the folders of a key make: a date, a column of the data, or a part of one."""
    if described.place.is_dated and key == DATE_COLUMN:
        return pa.field(key, pa.date32())
    index = described.columns.get_field_index(key)
    return pa.field(key, pa.string()) if index < 0 else described.columns.field(index)


def check_path(path: str, unsayable: str, engine: str, meaning: str) -> None:
    """Raise ConfigError (CFG001) for a path with a character that an engine takes for something
    else, and has no way to be told otherwise."""
    found = next((each for each in path if each in unsayable), None)
    if found is not None:
        raise ConfigError(
            f"{engine} can't be shown what lies at {path!r}: it takes the {found!r} for {meaning}."
            " Land into a target whose path has none, or take another dialect"
        )


def header(lines: Sequence[str], left_out: Sequence[LeftOut] = ()) -> str:
    """Comments before a statement; a name in them can't end its line."""
    said = [*lines, *(f"Left out: {each.column!r}: {each.why}." for each in left_out)]
    return "".join(f"-- {line}\n" for line in said)
