"""docs/files-fixed.md and docs/files-excel.md: the examples land what the text says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.config.load import parse_config
from bronze_engine.config.source import FilesSourceConfig
from tests.documents import Document
from tests.unit.files.fixed_reading import rows

pytestmark = pytest.mark.unit

FIXED = Document("docs/files-fixed.md")
EXCEL = Document("docs/files-excel.md")


def source(text: str, name: str) -> tuple[FilesSourceConfig, dict[str, str]]:
    pipeline = parse_config(f'[engine]\ntarget = "./bronze"\n{text}').pipeline(name)
    assert isinstance(pipeline.source, FilesSourceConfig)
    return pipeline.source, pipeline.schema.columns


def test_the_examples_of_fixed_width_files_land_as_told() -> None:
    expected: dict[str, list[Any]] = {
        "drop.stock": [
            ("000017", "Bolt M8", 250, Decimal("4.95")),
            ("000018", "Nut  M8", 1000, Decimal("0.09")),
        ],
        "drop.ledger": [
            ("0001", Decimal("12.50"), "2025-01-14"),
            ("0002", Decimal("-3.00"), "2025-01-15"),
        ],
    }
    examples = zip(FIXED.blocks("toml"), FIXED.blocks("text"), expected, strict=True)
    for toml, text, name in examples:
        config, types = source(toml, name)
        assert config.fixed is not None
        assert rows(text.encode(), config.fixed, types=types) == expected[name]


def test_the_table_of_signs_is_right() -> None:
    table = FIXED.section("Numbers")
    lines = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(lines) == 3
    for sign, written, meant in lines:
        words = {"leading", "trailing", "overpunch"}
        [name] = [word for word in words if f'"{word}"' in sign]
        texts = written.split("`")[1::2]
        field = {"name": "v", "width": 8, "scale": 2, "sign": name}
        found = [rows(f"{text}\n".encode(), {"fields": [field]})[0][0] for text in texts]
        assert found == [Decimal(text.strip()) for text in meant.split(",")]


def test_the_example_of_workbooks_is_right() -> None:
    [toml] = EXCEL.blocks("toml")
    config, _ = source(toml, "drop.plan")
    assert (config.excel.sheet, config.excel.range) == ("Plan *", "B3:F")


@pytest.mark.parametrize("page", [FIXED, EXCEL], ids=["fixed", "excel"])
def test_links_lead_somewhere(page: Document) -> None:
    for link in page.links():
        name, _, anchor = link.partition("#")
        target = page if not name else Document(str(Path("docs") / name))
        assert not anchor or anchor in target.anchors(), link
