"""A pipeline drafted from where files lie, as tables of pipelines.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, final
from urllib.parse import parse_qsl, unquote, urlsplit

from bronze_engine.errors import ConfigError
from bronze_engine.inspection.file_kind import FileKind, NamedDate
from bronze_engine.inspection.toml import as_value, render
from bronze_engine.inspection.variables import Variables, is_secret

__all__ = ["FileDraft"]

_NAME_PART: Final = re.compile(r"[^A-Za-z0-9_-]+")
_NO_WORD: Final = re.compile(r"[\d_.-]*")
_LONGEST_PLAIN: Final = 24
"""A longer value of a query is taken for a signature."""


@final
class FileDraft:
    """The pipeline's table, and the comments that stand in it."""

    def __init__(
        self,
        url: str,
        variables: Variables,
        *,
        api: str | None = None,
        name: str | None = None,
        taken: Sequence[str] = (),
    ) -> None:
        """`taken` are names that pipelines have. Raises ConfigError for what is no name."""
        self.variables = variables
        self.team, self.entity = _name(url, name, taken)
        self.source: dict[str, Any] = {"type": "files", "url": _templated(url, variables)}
        if api is not None:
            self.source["api"] = api
        self.primary_key: str | None = None
        self.types: dict[str, str] = {}
        self._comments: list[str] = []

    @property
    def name(self) -> str:
        return f"{self.team}.{self.entity}"

    def text(self, **changes: Any) -> str:
        """As pipelines.toml has it; `changes` are laid over the source."""
        key = {} if self.primary_key is None else {"primary_key": [self.primary_key]}
        source = {**self.source, **changes}
        pipeline: dict[str, Any] = {"load": "full", **key, "source": source}
        if self.types:
            pipeline["schema"] = {"columns": self.types}
        path = ("pipelines", self.team, self.entity)
        comments: dict[tuple[str, ...], list[str]] = {(*path, "source"): self._comments}
        if names := ", ".join(self.variables.missing):
            comments[path] = [f"# To be set in the environment, or in .env beside this: {names}"]
        return render({"pipelines": {self.team: {self.entity: pipeline}}}, comments)

    def take(self, kind: FileKind) -> None:
        """Set how the files are read."""
        self.source |= {"format": kind.format, **kind.settings}

    def tell_news(self, named: NamedDate | None, *, has_times: bool) -> None:
        """Say in a comment how only new files would be read."""
        table = f"# [pipelines.{self.team}.{self.entity}.incremental]"
        if named is not None:
            self._comments += [
                '# Only new files, by the date in their names: set load = "incremental", and add:',
                f"# name_pattern = {as_value(named.pattern)}",
                table,
                '# cursor = "day"',
                '# cursor_type = "date"',
            ]
        elif has_times:
            self._comments += [
                '# Only new files, by when they were modified: set load = "incremental", and add:',
                table,
                '# cursor = "_modified"',
                '# lag = "2m"  # younger ones may still be written',
            ]


def _name(url: str, given: str | None, taken: Sequence[str]) -> tuple[str, str]:
    if given is not None:
        team, dot, entity = given.partition(".")
        if not dot or _plain(team) != team or _plain(entity) != entity:
            raise ConfigError(f"--name {given!r} is no name of a pipeline; write team.name")
        return team, entity
    path = urlsplit(url).path if url.lower().startswith(("http:", "https:")) else url
    parts = unquote(path).rpartition("://")[2].split("/")
    entity = _word(parts[-1].partition(".")[0])
    team = next((word for part in reversed(parts[:-1]) if (word := _word(part))), "") or "files"
    entity = entity or team
    free, number = entity, 2
    known = {each.lower() for each in taken}
    while f"{team}.{free}".lower() in known:
        free, number = f"{entity}_{number}", number + 1
    return team, free


def _word(part: str) -> str:
    """A part of a path as a name, without the numbers at its end; empty where nothing is left."""
    plain = re.sub(r"[\d_-]+$", "", _plain(part)) or ""
    return "" if _NO_WORD.fullmatch(plain) else plain


def _plain(text: str) -> str:
    return _NAME_PART.sub("_", text).strip("_-")[:64]


def _templated(url: str, variables: Variables) -> str:
    """As a template that means the URL itself; what is secret in its query is a variable."""
    is_http = url.lower().startswith(("http:", "https:"))
    bare, mark, query = url.partition("?") if is_http else (url, "", "")
    shown = f"{_escaped(bare)}{mark}{_escaped(query)}"
    for name, value in parse_qsl(query):
        if not is_secret(name) and len(value) <= _LONGEST_PLAIN:
            continue
        written = re.search(rf"(?<=[?&]){re.escape(name)}=([^&#]*)", f"?{query}")
        if written is not None:
            reference = variables.reference(name, written[1])
            shown = shown.replace(_escaped(written[1]), reference)
    return shown


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").replace("${{", "$${{")
