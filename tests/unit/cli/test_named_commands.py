"""Commands that messages name, as their next step: each of them is there, with these options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

import bronze_engine
from bronze_engine.cli.main import app

pytestmark = pytest.mark.unit

SOURCE: Final = Path(bronze_engine.__file__).parent
NAMED: Final = re.compile(r"`bronze ([a-z][^`]*)`")


def named(text: str) -> Iterator[str]:
    """What stands in backticks after `bronze`; what is filled in is `?`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else "?" for each in node.values)
            yield from NAMED.findall("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from NAMED.findall(node.value)


def faults_of(line: str, group: Any, context: Any) -> Iterator[str]:
    """Commands and options that are not there."""
    command, words = group, line.split()
    while words and hasattr(command, "get_command"):
        command = command.get_command(context, words[0].removesuffix("?"))
        if command is None:
            yield f"`bronze {line}`: there is no {words[0]}"
            return
        del words[0]
    known = {option for each in command.params for option in each.opts}
    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in known:
            yield f"`bronze {line}`: it has no {word}"


def test_every_command_that_a_message_names_is_there() -> None:
    group: Any = typer.main.get_command(app)
    context = group.make_context("bronze", ["list"], resilient_parsing=True)
    lines = {
        line
        for path in SOURCE.rglob("*.py")
        if "`bronze " in (text := path.read_text(encoding="utf-8"))
        for line in named(text)
        if not line.startswith("team.name")  # short for `bronze run team.name`
    }
    assert len(lines) > 20
    assert [fault for line in sorted(lines) for fault in faults_of(line, group, context)] == []


@pytest.mark.parametrize("line", ["runn ? --date ?", "run ? --day ?", "state shows ?"])
def test_one_that_is_not_there_is_found(line: str) -> None:
    group: Any = typer.main.get_command(app)
    context = group.make_context("bronze", ["list"], resilient_parsing=True)
    assert list(faults_of(line, group, context))
