"""docs/adbc.md says what the code does: its types, drivers and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from bronze_engine.config.database.drivers import DRIVERS
from bronze_engine.config.load import load_config
from bronze_engine.model.types.convert import can_convert
from bronze_engine.model.types.landing import landing_of
from tests.documents import Document
from tests.integration.adbc.test_duckdb import CASES

pytestmark = pytest.mark.unit

ADBC: Final = Document("docs/adbc.md")
TEXT: Final = "the database's text"
NAMES: Final = {name: getattr(pa, name) for name in dir(pa) if not name.startswith("_")}


def rows(section: str) -> list[list[str]]:
    """The cells of the first table of a section, without its heading."""

    def found() -> Iterator[list[str]]:
        before = ""
        for line in ADBC.section(section).splitlines():
            if before.startswith("|") and not line.startswith("|"):
                return
            if line.startswith("|") and before.startswith("|") and not line.startswith("|---"):
                yield [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
            before = line

    return list(found())


def type_of(text: str) -> Any:
    """The Arrow type that `text` makes: `int8`, `list_(uint8())`."""
    name = {"bool": "bool_", "null": "null"}.get(text, text)
    expression = name if name.endswith(")") else f"{name}()"
    return eval(expression, {"__builtins__": {}}, NAMES)  # noqa: S307  # of our own guide


@pytest.mark.parametrize(("sent", "landed"), rows("Types"))
def test_each_type_lands_as_the_guide_says(sent: str, landed: str) -> None:
    kind = type_of(sent)
    found = landing_of(pa.field("a", kind))
    if landed == TEXT:
        assert found is None
    else:
        assert found == type_of(landed)
        assert can_convert(kind, found)


def test_the_guide_has_every_type_of_duckdb_that_is_tested() -> None:
    assert rows("DuckDB") == [[name, str(kind)] for name, _, kind, _ in CASES]


def test_the_guide_names_the_package_of_each_driver() -> None:
    named = {driver: install for driver, install, _ in rows("Drivers")}
    named.pop("a path")
    assert named == {driver: f"pip install {package}" for driver, package in DRIVERS.items()}


@pytest.mark.parametrize("block", ADBC.blocks("toml"))
def test_each_configuration_is_valid(tmp_path: Path, block: str) -> None:
    path = tmp_path / "pipelines.toml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path, environ={"SNOWFLAKE_URI": "user:password@account"})
    for name in config.names:
        config.pipeline(name)
    for name in config.connection_names:
        config.connection(name)


def test_links_lead_somewhere() -> None:
    for target in ADBC.links():
        name, _, anchor = target.partition("#")
        there = Document(f"docs/{name}") if name else ADBC
        assert not anchor or anchor in there.anchors()
