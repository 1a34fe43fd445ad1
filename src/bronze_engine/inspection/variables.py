"""Variables that stand for secrets in a drafted configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, final

from bronze_engine.config.loading.sensitive import is_credential_name
from bronze_engine.errors import ConfigError

__all__ = ["Variables", "is_secret"]

_SHORTEST: Final = 4
"""A shorter value may be that of any variable."""

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PAGING: Final = re.compile(r"page|next|continuation|pagination|cursor|sync", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a header, a parameter or a key of this name holds a credential; the tokens of
    pages are none."""
    return is_credential_name(name) and _PAGING.search(name) is None


@final
class Variables:
    """Gives each secret the variable that holds it, or a new one that is yet to be set."""

    def __init__(self, api: str, environ: Mapping[str, str]) -> None:
        self._api = api
        self._environ = environ
        self.missing: dict[str, str] = {}
        """Those that are not set where we run, with their values."""
        self.secrets: set[str] = set()
        """Every value met."""

    def reference(self, name: str, value: str) -> str:
        """`${VARIABLE}` for a secret; `name` is what it is called where it was given."""
        self.secrets.add(value)
        for known, held in sorted(self._environ.items()):
            if held == value and len(value) >= _SHORTEST and _NAME.fullmatch(known):
                return f"${{{known}}}"
        variable = re.sub(r"\W", "_", f"{self._api}_{name}", flags=re.ASCII).upper()
        variable = variable if variable[0].isalpha() else f"API_{variable}"
        while self.missing.get(variable, value) != value or variable in self._environ:
            variable += "_2"
        self.missing[variable] = value
        return f"${{{variable}}}"

    def known(self, variable: str) -> str:
        """`${VARIABLE}` for one that must be set. Raises ConfigError where it is not."""
        value = self._environ.get(variable)
        if not value:
            raise ConfigError(f"--bearer-env: the variable {variable} is not set")
        self.secrets.add(value)
        return f"${{{variable}}}"
