"""The JSON Schema accepts what the loader accepts, and refuses what an editor can see."""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.config.loading.describe import json_schema
from bronze_engine.config.stores.store import AzureStoreConfig, LocalStoreConfig, S3StoreConfig
from tests.unit.config.files import API, ORDERS

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
SCHEMA = json_schema()
P = "pipelines.myteam.orders"


def faults(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """A judge of the keywords that the schema uses; any other keyword is an error."""
    found: list[str] = []
    for keyword, rule in schema.items():
        match keyword:
            case "$schema" | "title" | "description" | "default" | "$defs":
                pass
            case "$ref":
                found += faults(value, SCHEMA["$defs"][rule.removeprefix("#/$defs/")], path)
            case "anyOf":
                branches = [faults(value, branch, path) for branch in rule]
                if all(branches):
                    found.append(f"{path}: fits none of {branches}")
            case "type":
                if not is_type(value, rule):
                    found.append(f"{path}: no {rule}")
            case "const":
                if value is not rule and (isinstance(rule, bool) or value != rule):
                    found.append(f"{path}: not {rule}")
            case "enum":
                if value not in rule:
                    found.append(f"{path}: none of {rule}")
            case "pattern":
                if isinstance(value, str) and not re.search(rule, value):
                    found.append(f"{path}: not like {rule}")
            case "minimum" | "exclusiveMinimum" | "maximum":
                if (
                    isinstance(value, int | float)
                    and not {
                        "minimum": value >= rule,
                        "exclusiveMinimum": value > rule,
                        "maximum": value <= rule,
                    }[keyword]
                ):
                    found.append(f"{path}: {keyword} {rule}")
            case "items":
                for item in value if isinstance(value, list) else []:
                    found += faults(item, rule, f"{path}[]")
            case "required":
                found += [f"{path}: no {key}" for key in rule if key not in value]
            case "properties" | "patternProperties" | "additionalProperties":
                pass
            case _:
                raise AssertionError(keyword)
    if isinstance(value, dict):
        found += member_faults(value, schema, path)
    return found


def member_faults(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    found: list[str] = []
    for key, item in value.items():
        here = f"{path}.{key}"
        rules = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        rules += [
            rule
            for pattern, rule in schema.get("patternProperties", {}).items()
            if re.search(pattern, key)
        ]
        if not rules and "additionalProperties" in schema:
            rest = schema["additionalProperties"]
            if rest is False:
                found.append(f"{here}: unknown")
            else:
                rules = [rest]
        for rule in rules:
            found += faults(item, rule, here)
    return found


def is_type(value: Any, kind: str) -> bool:
    match kind:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "string":  # dates of TOML are texts for an editor
            return isinstance(value, str | date | datetime | time)
        case _:
            return isinstance(value, {"object": dict, "array": list, "boolean": bool}[kind])


def judge(text: str) -> list[str]:
    return faults(tomllib.loads(text), SCHEMA)


def test_it_is_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(SCHEMA)) == SCHEMA


def test_the_file_at_the_root_is_valid() -> None:
    assert judge((ROOT / "pipelines.toml").read_text()) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "incremental = false",
        'extends = "a.b"\ntarget = "lake"',
        'output = {row_group_bytes = "8MiB", row_group_rows = "${N:-5}"}',
        "output = {row_group_bytes = 1}",
        "source = {paginator = {page_size = 5}, rate_limit = false}",
        'source = {params = {a = 1, b = "x", c = ["y"], d = true, e = 1.5, f = 2025-01-01}}',
    ],
)
def test_what_the_loader_takes_is_valid(body: str) -> None:
    assert judge(f"{API}[{P}]\n{body}\n") == []
    assert judge(f'{API}[pipelines."myteam.orders"]\n{body}\n') == []
    assert judge(f"{API}[defaults]\n{body}\n[templates.t]\n{body}\n") == []


@pytest.mark.parametrize(
    "body",
    [
        "path = 'x'",
        "type = 'local'\npath = 'x'\nsingle_writer = true",
        "url = 's3://b/p'",
        "type = 's3'\nurl = '${LAKE}'\nconcurrency = '${N}'\nsse = 'aws:kms'\nkms_key_id = 'k'",
        "url = 's3://b/p'\ntags = {team = 'x'}\nretry = {attempts = 3}\ntimeout = {read = '5s'}",
        "url = 'az://c/p'\naccount = 'lake'\naccess_tier = 'Cool'\npart_checksum = 'md5'",
    ],
)
def test_stores_are_valid_with_and_without_their_type(body: str) -> None:
    assert judge(f"[stores.x]\n{body}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "[piplines]\n",
        "include = 'x'\n",
        f"[{P}]\nlaod = 'full'\n",
        f"[{P}]\nname = 'x'\n",
        f"[{P}]\nconfig_hash = 'x'\n",
        f"[{P}]\nload = 'fulll'\n",
        f"[{P}]\noutput = false\n",
        f"[{P}.source]\napi = {{base_url = 'x'}}\n",
        f"[{P}.source]\npaginator = {{type = 'pages'}}\n",
        f"[{P}.source]\npaginator = {{type = 'page', page_size = 0}}\n",
        f"[{P}.source]\nrate_limit = {{rps = 0}}\n",
        f"[{P}.output]\nrow_group_bytes = '8 parsec'\n",
        f"[{P}.source.params]\na = {{}}\n",
        "[apis.x]\n",
        "[apis.x]\nbase_url = 'x'\nname = 'x'\n",
        "[apis.x]\nbase_url = 'x'\nauth = {type = 'bearer'}\n",
        "[apis.x]\nbase_url = 'x'\nauth = {token = 'x'}\n",
        "[apis.x]\nbase_url = 'x'\nconcurrency = 'some'\n",
        "[apis.x]\nbase_url = 'x'\ntimeout = {read = 'soon'}\n",
        "[stores.x]\n",
        "[stores.x]\ntype = 'local'\n",
        "[stores.x]\ntype = 's3'\n",
        "[stores.x]\ntype = 's3'\nurl = 's3://b'\npath = 'x'\n",
        "[stores.x]\ntype = 's3'\nurl = 's3://b'\nname = 'x'\n",
        "[stores.x]\ntype = 's3'\nurl = 's3://b'\naccount = 'x'\n",
        "[stores.x]\nurl = 's3://b'\nsse = 'aes'\n",
        "[stores.x]\nurl = 's3://b'\nconcurrency = 0\n",
        "[stores.x]\nurl = 'az://b'\naccess_tier = 'Archive'\n",
        "[stores.x]\nurl = 's3://b'\ntags = {a = 1}\n",
        "[pipelines.'../x'.y]\n",
        "[pipelines.x.'_y']\n",
        "[engine]\nmax_pipelines = 0\n",
    ],
)
def test_what_an_editor_can_see_is_refused(text: str) -> None:
    assert judge(API.replace("shop", "other") + ORDERS) == []
    assert judge(text) != []


def test_fields_are_described_with_their_docstrings_and_defaults() -> None:
    definitions = SCHEMA["$defs"]
    page = definitions["PagePaginator"]["properties"]
    assert page["max_pages"]["description"].startswith("Read at most so many pages")
    assert page["start"]["default"] == 1
    assert definitions["EngineConfig"]["properties"]["memory_limit"]["default"] == 512 * 1024**2
    assert definitions["Retry"]["properties"]["backoff"]["default"] == 0.5
    assert all(schema["description"] for schema in definitions.values())


def test_each_key_is_described() -> None:
    tables = {"the file": SCHEMA} | SCHEMA["$defs"]
    keys = [(name, *key) for name, table in tables.items() for key in table["properties"].items()]
    described = [bool(key.get("description")) for _, _, key in keys if "const" not in key]
    assert len(described) > 600
    assert [(n, k) for n, k, key in keys if not ("const" in key or key.get("description"))] == []


def test_each_table_that_is_referred_to_is_there() -> None:
    referred = set(re.findall(r'"#/\$defs/([^"]+)"', msgspec.json.encode(SCHEMA).decode()))
    assert referred <= SCHEMA["$defs"].keys()


def test_stores_are_shown_whole() -> None:
    for kind in (LocalStoreConfig, S3StoreConfig, AzureStoreConfig):
        definition = SCHEMA["$defs"][kind.__name__]
        properties = definition["properties"]
        assert properties["type"] == {"const": kind.__struct_config__.tag}
        assert properties.keys() == {"type", *kind.__struct_fields__} - {"name"}
        assert definition["required"] == ["path" if kind is LocalStoreConfig else "url"]
    s3 = SCHEMA["$defs"]["S3StoreConfig"]["properties"]
    assert s3["concurrency"]["default"] == 32
    assert s3["part_checksum"]["default"] == "crc32"
