"""pipelines.toml at the root of the repository: valid, and a tour of every feature."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.config.load import load_config, parse_config
from bronze_engine.config.loading.describe import json_schema
from bronze_engine.config.source import HttpSourceConfig

pytestmark = pytest.mark.unit

FILE = Path(__file__).parents[3] / "pipelines.toml"


def test_it_loads_without_any_variable() -> None:
    config = load_config(FILE, environ={})
    assert config.check_all() == []
    assert len(config.names) >= 9


def test_every_paginator_and_every_auth_stands_in_it() -> None:
    config = load_config(FILE, environ={})
    sources = [config.pipeline(name).source for name in config.names]
    pipelines = [source for source in sources if isinstance(source, HttpSourceConfig)]
    definitions = json_schema()["$defs"]
    tags = {
        schema["properties"]["type"]["const"]
        for name, schema in definitions.items()
        if name.endswith("Paginator")
    }
    assert {type(p.paginator).__struct_config__.tag for p in pipelines} == tags
    auths = {
        schema["properties"]["type"]["const"]
        for name, schema in definitions.items()
        if name.endswith("Auth")
    }
    found = {type(p.api.auth).__struct_config__.tag for p in pipelines if p.api.auth}
    assert found == auths


def test_every_key_stands_in_it_or_in_a_comment() -> None:
    text = FILE.read_text()
    keys: set[str] = set()
    for schema in json_schema()["$defs"].values():
        keys |= schema["properties"].keys()
    # Shown by their commoner kin: they read alike, and need an API that has them.
    kin = {"has_more_path", "total_pages_path", "end_param", "format", "json"}
    assert {key for key in keys if f"{key} = " not in text and f".{key}]" not in text} <= kin


def test_the_environment_names_another_server_and_token() -> None:
    environ = {"DEMO_URL": "http://127.0.0.1:1", "DEMO_TOKEN": "other-token"}
    config = load_config(FILE, environ=environ)
    assert config.api("demo").base_url == "http://127.0.0.1:1"
    assert config.api("demo_basic").base_url == "http://127.0.0.1:1/basic"
    assert "other-token" in config.secrets


def test_every_table_of_the_file_is_shown() -> None:
    tables: dict[str, Any] = tomllib.loads(FILE.read_text())
    assert set(tables) == {
        "include",
        "engine",
        "telemetry",
        "stores",
        "apis",
        "connections",
        "defaults",
        "templates",
        "pipelines",
    }


def test_the_pipelines_of_databases_that_stand_in_comments_are_right() -> None:
    lines = FILE.read_text().splitlines()
    text = "\n".join(line.removeprefix("#>") for line in lines if line.startswith("#>"))
    config = parse_config(text, beside=FILE, environ={})
    assert [each.name for each in config.notices()] == ["ledger", "oncall", "pager"]
    names = ["warehouse.orders", "warehouse.balances", "warehouse.customers"]
    kinds = [type(config.pipeline(name).source).__struct_config__.tag for name in names]
    assert kinds == ["postgres", "postgres", "adbc"]
