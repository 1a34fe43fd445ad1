"""`${VAR}` in the texts of pipelines.toml.

    ${VAR}               the variable; a missing one is a fault
    ${VAR:-default}      the default where the variable is missing or empty; it holds no brace
    ${file:/run/s/x}     the file's text without its last line end
    $${                  a literal ${

What comes in is not looked at again: a `${` inside a variable's value stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Self, final

from bronze_engine.config.loading.fault import Fault, KeyPath

__all__ = ["Expanded", "Expander"]

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?")


@final
class Expanded(str):
    """A text that a variable is part of. Messages never show it, and it may stand where a
    number is meant: `page_size = "${PAGE_SIZE:-100}"`."""

    __slots__ = ("read_again",)

    def __init__(self, _: str, read_again: Callable[[], str] | None = None) -> None:
        self.read_again = read_again
        """Expands it anew where a file is part of it; raises OSError where that can't be read."""

    def __new__(cls, text: str, _: Callable[[], str] | None = None) -> Self:
        return super().__new__(cls, text)


@final
class Expander:
    """Replaces references, and remembers what the environment and files gave.

    `read_file` returns a file's text or raises OSError or ValueError. `is_template` tells
    of a key whether braces in its text mean something later; there, braces that come out
    of a variable are doubled, so that they mean themselves.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        read_file: Callable[[str], str],
        *,
        is_template: Callable[[KeyPath], bool] = lambda _: False,
    ) -> None:
        self.found: list[tuple[KeyPath, str]] = []
        """Each value that came from outside the file, with the key that it went to; grows when
        a file is read again."""
        self.has_files = False
        self._variables = variables
        self._read_file = read_file
        self._is_template = is_template

    def expand(self, value: Any, path: KeyPath, faults: list[Fault]) -> Any:
        """The value with every text in it expanded, at any depth; keys are left alone."""
        match value:
            case dict():
                return {key: self.expand(item, (*path, key), faults) for key, item in value.items()}
            case list():
                return [self.expand(item, path, faults) for item in value]
            case str() if "${" in value:
                return self._expand_text(value, path, faults)
            case _:
                return value

    def _expand_text(self, text: str, path: KeyPath, faults: list[Fault]) -> str:
        has_value = False

        def replace(match: re.Match[str]) -> str:
            nonlocal has_value
            if match[0] == "$${":
                return "${"
            has_value = True
            value = self._look_up(match[1], path, faults)
            if self._is_template(path):
                value = value.replace("{", "{{").replace("}", "}}")
            return value

        result = _REFERENCE.sub(replace, text)
        if not has_value:
            return result
        if "${file:" not in text:
            return Expanded(result)
        self.has_files = True
        return Expanded(result, lambda: self._read_again(text, path))

    def _read_again(self, text: str, path: KeyPath) -> str:
        faults: list[Fault] = []
        result = self._expand_text(text, path, faults)
        if faults:
            raise OSError(faults[0].message)
        return str(result)

    def _look_up(self, reference: str | None, path: KeyPath, faults: list[Fault]) -> str:
        if reference is None:
            faults.append(Fault(path, "`${` without `}`; write `$${` where it means itself"))
            return ""
        if reference.startswith("file:"):
            return self._look_into(reference.removeprefix("file:"), path, faults)
        match = _VARIABLE.fullmatch(reference)
        if match is None:
            faults.append(
                Fault(
                    path,
                    f"`${{{reference}}}` is no reference; write `${{NAME}}`, "
                    "`${NAME:-default}` or `${file:/path}`, and `$${` where it means itself",
                )
            )
            return ""
        name, default = match.groups()
        value = self._variables.get(name)
        if default is not None and not value:
            return str(default)
        if value is None:
            faults.append(
                Fault(
                    path,
                    f"the environment variable {name} is not set; set it, put it into .env "
                    f"beside the file, or give a default: ${{{name}:-...}}",
                )
            )
            return ""
        self.found.append((path, value))
        return value

    def _look_into(self, name: str, path: KeyPath, faults: list[Fault]) -> str:
        try:
            text = self._read_file(name)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
            faults.append(Fault(path, f"the file {name} can't be read: {reason}"))
            return ""
        text = text.removesuffix("\n").removesuffix("\r")
        self.found.append((path, text))
        return text
