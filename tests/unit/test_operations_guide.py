"""docs/operations.md says what the code does: its tables are compared with the code."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import typer

from bronze_engine.cli.main import app
from bronze_engine.config.api import Api
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.model.garbage import Kind
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry import events
from tests.documents import GUIDE, exit_statuses, statuses_shown

pytestmark = pytest.mark.unit


def test_every_code_stands_in_the_table_with_its_exit_status() -> None:
    assert statuses_shown(GUIDE.section("Exit codes and what to do")) == exit_statuses()


def test_what_must_not_be_retried_is_the_same_in_table_and_examples() -> None:
    table = GUIDE.section("Exit codes and what to do")
    never = re.findall(r"^\| (\d+) \|[^|]*\|[^|]*\| \*\*never\*\*", table, re.MULTILINE)
    assert never == ["2", "3", "8"]
    schedulers = GUIDE.section("Schedulers")
    assert "returncode in (2, 3, 8)" in schedulers
    assert "values: [2, 3, 8]" in schedulers


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("retry.attempts", lambda api: f"| {api.retry.attempts} |"),
        ("retry.backoff", lambda api: f"| {api.retry.backoff:g} s x 2^(n-1)"),
        ("retry.max_wait", lambda api: f"| {api.retry.max_wait / 60:g} min for one request"),
        (
            "circuit_breaker.failures",
            lambda api: f"| after {api.circuit_breaker.failures} failures in a row",
        ),
        ("circuit_breaker.cooldown", lambda api: f"| after {api.circuit_breaker.cooldown:g} s,"),
        (
            "timeout.connect",
            lambda api: (
                f"| {api.timeout.connect:g} s, {api.timeout.read:g} s, {api.timeout.total:g} s |"
            ),
        ),
    ],
)
def test_the_resilience_table_shows_the_defaults_of_the_code(key: str, shown: object) -> None:
    assert callable(shown)
    rows = [
        line for line in GUIDE.section("Resilience defaults").splitlines() if f"`{key}`" in line
    ]
    assert len(rows) == 1
    assert shown(Api(base_url="http://localhost")) in rows[0]


def test_the_largest_page_is_the_default_of_the_code() -> None:
    size = HttpSourceConfig.__struct_fields__.index("max_page_bytes")
    default = HttpSourceConfig.__struct_defaults__[size - len(HttpSourceConfig.__struct_fields__)]
    assert f"| {default // 1024**2} MiB | `source.max_page_bytes` |" in GUIDE.text


def test_fields_and_events_that_the_guide_names_exist() -> None:
    monitoring = GUIDE.section("Monitoring")
    named = set(re.findall(r"`([a-z_]+)`", monitoring))
    assert named <= set(RunReport.__struct_fields__)
    assert set(re.findall(r"`([A-Z]\w+)`", monitoring)) <= set(events.__all__)


def test_every_kind_of_garbage_is_explained() -> None:
    rows = re.findall(r"^\| (`.+?) \|", GUIDE.section("Garbage"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(get_args(Kind))


def test_commands_and_options_that_the_guide_names_exist() -> None:
    root: Any = typer.main.get_command(app)
    commands = {name: root.get_command(None, name) for name in root.list_commands(None)}
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", GUIDE.text, re.DOTALL))
    used = set(re.findall(r"(?<![\w/.-])bronze ([a-z-]+)", code))
    assert {"run", "check", "plan", "verify", "schema"} <= used <= set(commands)
    every = [*commands.values()]
    every += [
        each for group in commands.values() for each in getattr(group, "commands", {}).values()
    ]
    flags = {flag for each in every for param in each.params for flag in param.opts}
    lines = [line for line in code.splitlines() if "bronze run" in line]
    assert set(re.findall(r"(?<!\S)(--[a-z-]+)", " ".join(lines))) <= flags
    assert {"--wait", "--adopt", "--json-log"} <= flags
