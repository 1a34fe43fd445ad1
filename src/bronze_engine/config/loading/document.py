"""pipelines.toml and the files that it includes, as one set of tables.

Only the shape is judged here: which tables there are and who may define what. What is
in them is judged when a pipeline is resolved.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final, final

from bronze_engine.config.loading.fault import Fault, KeyPath, config_error
from bronze_engine.config.loading.merge import inherit, merge
from bronze_engine.config.loading.names import check_name
from bronze_engine.model.nearest import nearest

__all__ = ["Document", "parse_toml"]

Table = dict[str, Any]

_SHARED: Final = ("templates", "stores", "apis", "connections", "catalogs", "notify", "pipelines")
_MAIN_ONLY: Final = ("engine", "telemetry", "defaults", "include")
_SINGLE: Final = ("engine", "telemetry", "defaults")
_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_TWICE = re.compile(r"Cannot declare \((.*?),?\) twice")
_QUOTES: Final = 'a text is written "in quotes"'
_HINTS: Final = {
    "Invalid value": f"{_QUOTES}, and true and false in small letters",
    "Expected newline or end of document after a statement": f"{_QUOTES}, as sizes and times are",
    "Expected '=' after a key in a key/value pair": "write key = value",
    "Cannot overwrite a value": "this key has its value already",
    "Illegal character '\\n'": "the quote that closes the text is missing",
    "Unescaped '\\' in a string": r"write \\ for a backslash, or the text in 'single quotes'",
}
"""What to do about a text of tomllib. Those of other versions of Python may have no hint."""


def parse_toml(text: str, file: str) -> Table:
    """The tables of a file. A syntax error is a ConfigError with file, line and column."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise config_error(file, [Fault((), "nested too deeply")]) from None
    except ValueError as exc:
        match = _PLACE.fullmatch(str(exc))
        if match is None:
            # Of a number with thousands of digits; the text would quote it.
            raise config_error(file, [Fault((), "no valid TOML")]) from None
        what, line, column = match.groups()
        if line is None:
            lines = text.splitlines() or [""]
            line, column = str(len(lines)), str(len(lines[-1]) + 1)
        twice = _TWICE.fullmatch(what)
        if twice is not None:
            key = ".".join(part.strip().strip("'\"") for part in twice[1].split(","))
            what = f"duplicate: [{key}] stands here a second time"
        elif what in _HINTS:
            what = f"{what}; {_HINTS[what]}"
        raise config_error(f"{file}:{line}:{column}", [Fault((), what)]) from None


@final
class Document:
    """All tables, with the file that each named one came from."""

    def __init__(self) -> None:
        self.engine: Table = {}
        self.telemetry: Table = {}
        self.defaults: Table = {}
        self.templates: dict[str, Table] = {}
        self.stores: dict[str, Table] = {}
        self.apis: dict[str, Table] = {}
        self.connections: dict[str, Table] = {}
        self.catalogs: dict[str, Table] = {}
        self.notify: dict[str, Table] = {}
        self.pipelines: dict[str, Table] = {}
        self.include: list[str] = []
        self._origins: dict[KeyPath, str] = {}

    def origin(self, kind: str, name: str) -> str | None:
        """The file that defines an entry."""
        return self._origins.get((kind, name))

    def pipeline(self, name: str, faults: list[Fault], *, over: Table | None = None) -> Table:
        """A pipeline's own table, `over` laid on it, over what it inherits; unexpanded."""
        own = self.pipelines[name]
        return inherit(
            own if over is None else merge(own, over),
            ("pipelines", *name.split(".", 1)),
            defaults=self.defaults,
            templates=self.templates,
            pipelines=self.pipelines,
            faults=faults,
        )

    def add(self, raw: Table, file: str, faults: list[Fault], *, is_main: bool) -> None:
        """Take in one file. Faults: unknown tables, wrong shapes, names that are taken."""
        for key, value in raw.items():
            if key in _MAIN_ONLY and not is_main:
                faults.append(Fault((key,), f"belongs into the main file, not into {file}"))
            elif key == "include":
                if isinstance(value, list) and all(isinstance(item, str) for item in value):
                    self.include = value
                else:
                    faults.append(Fault((key,), 'expected an array: ["pipelines/*.toml"]'))
            elif key not in _SHARED and key not in _MAIN_ONLY:
                known = [*_SHARED, *_MAIN_ONLY]
                faults.append(Fault((key,), f"unknown table; {nearest(key, known)}"))
            elif not isinstance(value, dict):
                faults.append(Fault((key,), f"expected a table: [{key}]"))
            elif key in _SINGLE:
                setattr(self, key, value)
            else:
                self._add_entries(key, value, file, faults)

    def _add_entries(self, kind: str, value: Table, file: str, faults: list[Fault]) -> None:
        entries = _pipelines(value, faults) if kind == "pipelines" else list(value.items())
        tables: dict[str, Table] = getattr(self, kind)
        for name, table in entries:
            path = (kind, *name.split(".", 1)) if kind == "pipelines" else (kind, name)
            for part in path[1:]:
                check_name(part, path, faults)
            if not isinstance(table, dict):
                faults.append(Fault(path, f"expected a table: [{'.'.join(path)}]"))
            elif name in tables:
                other = self._origins[kind, name]
                where = f" in {other} and in {file}" if other != file else ""
                faults.append(Fault(path, f"duplicate: it is defined twice{where}"))
            else:
                tables[name] = table
                self._origins[kind, name] = file

    def override(self, tree: Table, faults: list[Fault]) -> Table:
        """Lay `--set` over the tables; returns what is meant for the selected pipelines."""
        for kind, value in tree.items():
            if kind not in _SHARED and kind not in _MAIN_ONLY:
                continue
            if not isinstance(value, dict):
                faults.append(Fault(("--set", kind), "name a key within this table"))
                continue
            if kind in _SINGLE:
                setattr(self, kind, merge(getattr(self, kind), value))
                continue
            tables: dict[str, Table] = getattr(self, kind)
            entries = _pipelines(value, faults) if kind == "pipelines" else list(value.items())
            for name, table in entries:
                path = (kind, *name.split(".", 1))
                if name not in tables:
                    faults.append(
                        Fault(path, f"--set: there is no such entry; {nearest(name, tables)}")
                    )
                elif isinstance(table, dict):
                    tables[name] = merge(tables[name], table)
                else:
                    faults.append(Fault(path, "--set: name a key within this table"))
        return {key: value for key, value in tree.items() if key not in (*_SHARED, *_MAIN_ONLY)}


def _pipelines(value: Table, faults: list[Fault]) -> list[tuple[str, Any]]:
    """Entries named `team.name`, out of `[pipelines.team.name]` and `[pipelines."team.name"]`."""
    entries: list[tuple[str, Any]] = []
    for key, table in value.items():
        path = ("pipelines", key)
        if key.count(".") == 1:
            entries.append((key, table))
        elif "." in key:
            faults.append(Fault(path, "a pipeline's name has two parts: team.name"))
        elif not isinstance(table, dict):
            faults.append(Fault(path, f"expected tables: [pipelines.{key}.NAME]"))
        elif isinstance(table.get("source"), dict) and "type" in table["source"]:
            faults.append(
                Fault(path, f"a pipeline's name has two parts; write [pipelines.TEAM.{key}]")
            )
        else:
            for name, inner in table.items():
                if "." in name:
                    faults.append(
                        Fault((*path, name), "a pipeline's name has two parts: team.name")
                    )
                else:
                    entries.append((f"{key}.{name}", inner))
    return entries
