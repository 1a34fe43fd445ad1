"""Groups of which some columns drift: those are judged value by value, the others in C++.

A column that has drifted once tends to drift in every group. Its values are cut out as texts
and go through the exact path alone, as records of their own; the rest of the lines goes the
fast way. A record costs a quarter of what it costs whole (measured, one column of ten).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.decode.exact import decode_exact
from bronze_engine.decode.reader import Read, Reader
from bronze_engine.decode.rules import Rules
from bronze_engine.decode.texts import Cutter
from bronze_engine.model.block import Block
from bronze_engine.model.layout import MAX_NEW_COLUMNS, Column, Layout
from bronze_engine.model.path import key_path, outer_keys

__all__ = ["DriftReader"]


@final
class DriftReader:
    """Reads groups of one settled layout some of whose columns have drifted before."""

    def __init__(self, layout: Layout, rules: Rules) -> None:
        columns = layout.columns()
        self.layout = layout
        self._drifting = _drifting(layout, columns, rules)
        names = {column.name for column in self._drifting}
        self._paths = {
            column.name: _path(column.key, rules)
            for column in self._drifting
            if column.key is not None
        }
        self._cutter = Cutter(self._paths)
        self._flatten = rules.flatten
        self.reader = Reader(_without(layout, columns, names), rules)
        """Of the other columns; where those that drift were, it sees integers."""
        judged = [column for column in columns if column.name in names or column.of in names]
        self._layout = Layout(
            version=layout.version,
            schema=pa.schema([column.field() for column in judged]),
            is_settled=True,
            grown=MAX_NEW_COLUMNS,
            known=layout.known,
        )
        typed = {
            column.key: rules.type_of(column.key)
            for column in self._drifting
            if column.key is not None
        }
        self._rules = msgspec.structs.replace(
            rules,
            types={key: kind for key, kind in typed.items() if kind is not None},
            flatten=None,
            raw=False,
        )

    @property
    def is_of_use(self) -> bool:
        return bool(self._drifting)

    def read(self, data: bytes, rows: int) -> Read:
        """Records as they came; `Read.data` and `reader` are for the number guard.

        Raises pa.ArrowInvalid where anything but a value of a drifting column is unexpected,
        and where one of those asks for more than its variant column.
        """
        try:
            data, texts = self._cutter.cut(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
            raise pa.ArrowInvalid(str(exc)) from exc
        self._refuse_objects(texts)
        others, data = self.reader.read(data, rows)
        judged = decode_exact(
            [Block(data=self._lines(texts), records=rows, page=1)], self._layout, self._rules
        )
        if judged.rejects or judged.layout is not self._layout:
            raise pa.ArrowInvalid("a value that a variant column is not enough for")
        own = {name: judged.batch.column(name) for name in judged.batch.schema.names}
        arrays = [
            own[name] if name in own else others.column(name) for name in self.layout.schema.names
        ]
        return Read(pa.RecordBatch.from_arrays(arrays, schema=self.layout.schema), data)

    def _lines(self, texts: dict[str, list[bytes]]) -> bytes:
        """The values cut out, as records by the same keys."""
        members: list[Iterable[bytes]] = []
        for column in self._drifting:
            begin = msgspec.json.encode(column.key) + b":"
            members.append([begin + text if text else b"" for text in texts[column.name]])
        lines = [b"{" + b",".join(filter(None, each)) + b"}" for each in zip(*members, strict=True)]
        return b"\n".join([*lines, b""])

    def _refuse_objects(self, texts: dict[str, list[bytes]]) -> None:
        """Objects that `flatten` would take apart are no values of their column."""
        flatten = self._flatten
        if flatten is None:
            return
        for name, path in self._paths.items():
            if flatten.opens(path) and any(text[:1] == b"{" for text in texts[name]):
                raise pa.ArrowInvalid(f"an object in {name!r}, which is taken apart")


def _drifting(layout: Layout, columns: list[Column], rules: Rules) -> list[Column]:
    """The columns that have a variant column by now; none where misfits do not go there."""
    if not layout.is_settled or rules.on_drift not in ("variant", "widen"):
        return []
    drifted = {column.of for column in columns}
    opened = {
        outer for column in columns if column.key is not None for outer in outer_keys(column.key)
    }
    return [
        column
        for column in columns
        if column.name in drifted
        and column.key is not None
        and column.key not in opened
        and Cutter.takes(_path(column.key, rules))
    ]


def _path(key: str, rules: Rules) -> tuple[str, ...]:
    return (key,) if rules.flatten is None else key_path(key)


def _without(layout: Layout, columns: list[Column], names: set[str]) -> Layout:
    kept = [
        Column(name=column.name, type=pa.int64(), key=column.key)
        if column.name in names
        else column
        for column in columns
        if column.of not in names
    ]
    schema = pa.schema([column.field() for column in kept])
    return msgspec.structs.replace(layout, schema=schema)
