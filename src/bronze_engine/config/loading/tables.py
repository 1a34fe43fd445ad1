"""Tables of the file as they become Structs, and the secrets that are met on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, final

from bronze_engine.config.loading.convert import convert
from bronze_engine.config.loading.expand import Expander
from bronze_engine.config.loading.fault import Fault, KeyPath, config_error
from bronze_engine.config.loading.sensitive import (
    of_api_table,
    of_catalog_table,
    of_connection_table,
    of_engine_table,
    of_store_table,
    of_variables,
    worth_hiding,
)
from bronze_engine.config.plugins import Structs
from bronze_engine.errors import ConfigError

__all__ = ["Tables"]

_TEMPLATES: Final = tuple(
    (key,) for key in ("path", "params", "json", "export", "query", "where", "url")
)
"""Keys of a source in whose texts braces mean something."""


@final
class Tables:
    """Converts tables of one pipelines.toml, and remembers what in them is secret."""

    def __init__(
        self,
        path: Path,
        variables: Mapping[str, str],
        read_file: Callable[[Path], str],
        structs: Structs,
    ) -> None:
        self.path: Final = path
        self.variables: Final = variables
        self.structs: Final = structs
        self.read: Final = read_file
        """The text of a file. Raises OSError, or ValueError for what is no text."""
        self.variable_secrets: Final[set[str]] = set()
        """Those that came from the environment and from files."""
        self._secrets: set[str] = set()
        self._met: dict[str, frozenset[str]] = {}
        """By owner, what runs have met that no log may hold: tokens."""
        self._unexpanded: set[Fault] = set()
        """What could not be expanded: a missing variable, for one."""
        self._renewable: list[Expander] = []
        """What may yet read a secret anew."""

    @property
    def secrets(self) -> frozenset[str]:
        """Every value met so far that must not be printed; grows as pipelines are resolved.

        Also holds what stood in a configuration that was then refused.
        """
        renewed = (value for each in self._renewable for value in of_variables(each.found))
        return frozenset(self._secrets.union(renewed, *tuple(self._met.values())))

    def hide(self, secrets: Iterable[str]) -> None:
        """Count these among `secrets`."""
        self._secrets.update(secrets)

    def hide_for(self, owner: str, secrets: Iterable[str]) -> None:
        """Count these among `secrets` from now on, in place of what the owner hid before."""
        self._met[owner] = frozenset(value for each in secrets for value in worth_hiding(each))

    def convert(self, table: Any, kind: Any, path: KeyPath, faults: list[Fault]) -> Any:
        """Expand and convert one table, and remember what in it is secret."""
        expander = Expander(self.variables, self._read_file, is_template=_is_template)
        before = len(faults)
        expanded = expander.expand(table, path, faults)
        self._unexpanded.update(faults[before:])
        values = set(of_variables(expander.found))
        self.variable_secrets.update(values)
        self._secrets |= values
        if expander.has_files:
            self._renewable.append(expander)
        # Also of a table that is refused below.
        if path[0] == "apis":
            self._secrets.update(of_api_table(expanded))
        elif path[0] == "connections":
            self._secrets.update(of_connection_table(expanded))
        elif path[0] == "catalogs":
            self._secrets.update(of_catalog_table(expanded))
        elif path[0] == "engine":
            self._secrets.update(of_engine_table(expanded))
        elif path[0] == "stores":
            self._secrets.update(of_store_table(expanded))
        return convert(expanded, kind, path, faults, self.structs)

    def absolute(self, name: str) -> Path:
        """A path of the file: `~` is the home, and relative means beside pipelines.toml.

        Raises ConfigError for a relative one where the file lies on another machine.
        """
        home = self.variables.get("HOME")
        if home and (name == "~" or name.startswith("~/")):
            name = home + name[1:]
        if not self.path.is_absolute() and not Path(name).is_absolute():
            raise ConfigError(
                f"{self.path}: {name!r} is relative to a directory that this machine does not"
                " have; write a URL, or an absolute path that all machines share",
                file=self.path.name,
            )
        return Path(os.path.normpath(self.path.parent / name))

    def refusal(self, file: str | None, faults: list[Fault], **context: object) -> ConfigError:
        """The error for these faults. A value that a message quotes may hold a variable."""
        shown: list[Fault] = []
        unknown = {fault.path for fault in faults if fault in self._unexpanded}
        for fault in faults:
            if fault.path in unknown and fault not in self._unexpanded:
                continue  # of the nothing that stands where a variable is missing
            message = fault.message
            for secret in sorted(self._secrets, key=len, reverse=True):
                for form in (secret, json.dumps(secret)[1:-1]):
                    message = message.replace(form, "***")
            shown.append(Fault(fault.path, message))
        return config_error(file or self.path.name, shown, **context)

    def _read_file(self, name: str) -> str:
        return self.read(self.absolute(name))


def _is_template(path: KeyPath) -> bool:
    if path[0] == "notify":
        return path[2:3] == ("body",)
    return path[0] == "pipelines" and path[3:4] == ("source",) and path[4:5] in _TEMPLATES
