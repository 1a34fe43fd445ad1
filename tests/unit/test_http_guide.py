"""docs/http.md says what the code does: its keys, defaults, messages and tests exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest

from bronze_engine import errors
from bronze_engine.config.api import (
    Api,
    CircuitBreaker,
    RateLimit,
    RateLimitHeaders,
    Retry,
    Timeout,
)
from bronze_engine.config.auths.auth import Auth, CustomAuth
from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.config.http.export import CreateJob, Export, PollJob
from bronze_engine.config.http.paginator import Paginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.load import load_config
from bronze_engine.config.quality import Quality
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.limits.adaptive import INITIAL_LIMIT, MAX_LIMIT
from bronze_engine.model.layout import MAX_NEW_COLUMNS
from bronze_engine.sources.http.chains.convoy import parallel_of
from bronze_engine.sources.http.paging.chained import MAX_EMPTY
from tests.documents import HTTP, ROOT

pytestmark = pytest.mark.unit

AUTHS: Final = [each for each in get_args(Auth) if each is not CustomAuth]
PAGINATORS: Final = get_args(Paginator)
TABLES: Final = [
    *(HttpSourceConfig, *PAGINATORS, CsvFormat, Export, CreateJob, PollJob),
    *(Incremental, SchemaConfig, Quality, *AUTHS),
    *(Api, RateLimit, RateLimitHeaders, Retry, CircuitBreaker, Timeout),
]
BLOCKS: Final = HTTP.blocks("toml")
TEST: Final = re.compile(r"\[(tests/[\w/]+\.py)::(\w+)\]\(\.\./([\w/.]+)\)")


def rows(section: str) -> Iterator[list[str]]:
    """The cells of the tables of a section, of all rows but the headings."""
    before = ""
    for line in HTTP.section(section).splitlines():
        if line.startswith("|") and before.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        before = line


def tag(table: type[msgspec.Struct]) -> str:
    return str(table.__struct_config__.tag)


# The table of features.


@cache
def functions(path: str) -> frozenset[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))


def test_every_feature_has_a_test_and_every_test_exists() -> None:
    features = list(rows("Features and their tests"))
    assert len(features) > 80
    for feature, _, links in features:
        named = TEST.findall(links)
        assert named, feature
        assert len(named) == links.count("::"), feature
        for path, function, target in named:
            assert target == path
            assert function in functions(path), f"{path}::{function}"


def test_every_point_of_the_table_has_its_features() -> None:
    points = re.findall(r"^\*\*(.+)\*\*$", HTTP.section("Features and their tests"), re.MULTILINE)
    assert [point[:1] for point in points] == [*"12345678", "W"]


def test_keys_that_the_table_of_features_names_exist() -> None:
    known = {name for table in TABLES for name in table.__struct_fields__} | {"primary_key"}
    for _, keys, _ in rows("Features and their tests"):
        for code in re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", keys):
            if not code.startswith("bronze_engine."):
                assert set(code.split(".")) - {"source"} <= known, code


# The blocks of TOML.


def completed(text: str, folder: Path) -> str:
    """A block as a whole file: with the APIs and sources that it takes for granted."""
    parsed = tomllib.loads(text)
    for path in re.findall(r"\$\{file:([^}]+)\}", text):
        local = folder / Path(path).name
        local.write_text("from a file")
        text = text.replace(path, str(local))
    apis: dict[str, Any] = parsed.get("apis", {})
    pipelines: dict[str, Any] = parsed.get("pipelines", {}) or {"guide": {"probe": {}}}
    used = {
        entry.get("source", {}).get("api", next(iter(apis), "shop"))
        for team in pipelines.values()
        for entry in team.values()
    }
    for name in {*used, *apis}:
        if "base_url" not in apis.get(name, {}):
            text += f'\n[apis.{name}]\nbase_url = "https://api.example.com"\n'
    for team, entries in pipelines.items():
        for name, entry in entries.items():
            if "source" not in entry:
                api = next(iter(apis), "shop")
                text += f"\n[pipelines.{team}.{name}.source]\n"
                text += f'type = "http"\napi = "{api}"\npath = "/orders"\n'
    return text


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_configuration_of_the_guide_is_one(number: int, tmp_path: Path) -> None:
    text = BLOCKS[number]
    variables = set(re.findall(r"\$\{([A-Z_]+)\}", text))
    path = tmp_path / "pipelines.toml"
    path.write_text(completed(text, tmp_path), encoding="utf-8")
    config = load_config(path, environ=dict.fromkeys(variables, "from-the-environment"))
    assert config.check_all() == []
    assert config.names


def test_the_first_example_is_a_whole_file(tmp_path: Path) -> None:
    [text] = HTTP.blocks("toml", "An example")
    (tmp_path / "pipelines.toml").write_text(text, encoding="utf-8")
    config = load_config(tmp_path / "pipelines.toml", environ={})
    assert list(config.names) == ["myteam.orders"]
    assert config.check_all() == []


def test_commented_keys_exist() -> None:
    commented = re.findall(r"^# (\w+) = ", "\n".join(BLOCKS), re.MULTILINE)
    assert commented
    for key in commented:
        assert any(key in table.__struct_fields__ for table in TABLES), key


# The tables of keys.


def test_every_key_is_mentioned() -> None:
    code = " ".join([*BLOCKS, *re.findall(r"`([^`\n]+)`", HTTP.prose)])
    tour = (ROOT / "pipelines.toml").read_text(encoding="utf-8")
    for table in TABLES:
        for key in table.__struct_fields__:
            if table is Api and key == "name":  # no key of the file: that of its table
                continue
            shown = re.search(rf"\b{key}\b", code)
            assert shown or f"{key} = " in tour or f".{key}]" in tour, f"{table.__name__}.{key}"


def test_every_kind_of_paginator_has_its_row_with_its_keys() -> None:
    shown = {row[0].strip("`"): row for row in rows("Paginators") if len(row) == 4}
    assert set(shown) == {tag(table) for table in PAGINATORS}
    shared = {row[0].strip("`"): row[1] for row in rows("Paginators") if len(row) == 3}
    for table in PAGINATORS:
        keys = {*table.__struct_fields__} - {*shared}
        assert set(re.findall(r"`(\w+)`", shown[tag(table)][2])) == keys
        needed = set(re.findall(r"\*\*`(\w+)`\*\*", shown[tag(table)][2]))
        required = {each.name for each in msgspec.structs.fields(table) if each.required}
        assert needed == required
    for key, kinds in shared.items():
        having = {tag(table) for table in PAGINATORS if key in table.__struct_fields__}
        named = set(re.findall(r"`(\w+)`", kinds))
        everyone = {tag(table) for table in PAGINATORS}
        expected = everyone - named if kinds.startswith("all") else named
        assert having == expected, key


def test_every_kind_of_auth_is_shown_with_what_it_needs() -> None:
    tables = [tomllib.loads(block)["apis"] for block in HTTP.blocks("toml", "Auth")]
    shown = [auth for apis in tables for api in apis.values() for auth in [api["auth"]]]
    assert [auth["type"] for auth in shown] == [tag(table) for table in AUTHS]
    for auth, table in zip(shown, AUTHS, strict=True):
        required = {each.name for each in msgspec.structs.fields(table) if each.required}
        assert required <= auth.keys()


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    text = " ".join(HTTP.text.split())
    assert f"begins at {INITIAL_LIMIT}, climbs" in text
    assert f"never passes {MAX_LIMIT}." in text
    assert f"{MAX_EMPTY:,} empty ones in a row are `PAGE001`" in text
    assert f"a new column; {MAX_NEW_COLUMNS} after the first file has opened" in text
    defaults = dict(
        zip(
            reversed(HttpSourceConfig.__struct_fields__),
            reversed(HttpSourceConfig.__struct_defaults__),
            strict=False,
        )
    )
    assert f"`max_page_bytes` ({defaults['max_page_bytes'] // 1024**2} MiB)" in text
    api = Api(base_url="http://localhost")
    assert f"`retry.max_wait` ({api.retry.max_wait / 60:g} minutes)" in text
    auto = parallel_of(HttpSourceConfig(api=api))
    assert f'`concurrency`, {auto} where that is `"auto"`' in text


# What goes wrong.


def test_messages_that_the_guide_quotes_are_those_of_the_code() -> None:
    source = ROOT / "src/bronze_engine"
    code = "\n".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py"))
    # Texts over several lines are one.
    code = re.sub(r"[\"']\n\s+f?[\"']", "", code)
    known = {getattr(errors, name).code for name in errors.__all__ if name.endswith("Error")}
    found = list(rows("What goes wrong"))
    assert len(found) > 20
    for name, message, _ in found:
        assert name == "a warning" or name.strip("`") in known
        assert message.strip("`") in code, message


def test_codes_that_the_guide_names_exist() -> None:
    known = {getattr(errors, name).code for name in errors.__all__ if name.endswith("Error")}
    assert set(re.findall(r"`([A-Z]+\d{3})`", HTTP.text)) <= known
