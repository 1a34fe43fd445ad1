"""docs/quality.md: its example is run, and its rules, conditions and links are what there is."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Final, get_args

import pytest

from bronze_engine.cli.printing.text import print_report
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.expression.parse import parse_condition
from bronze_engine.config.expression.tree import Function
from bronze_engine.config.quality_rule import QualityRule, TextType
from tests.documents import ROOT, Document
from tests.unit.run.harness import load_text, opened

pytestmark = pytest.mark.unit

GUIDE: Final = Document("docs/quality.md")
DAY: Final = date(2025, 1, 15)


@pytest.mark.asyncio
async def test_the_example_lands_and_says_what_stands_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (table,) = GUIDE.blocks("toml", "An example")
    (rows,) = GUIDE.blocks("json", "An example")
    (told,) = GUIDE.blocks("text", "An example")
    (tmp_path / "orders.ndjson").write_text(rows)
    config = load_text('[engine]\nlog_dir = ""\n' + table, folder=tmp_path)
    async with opened(config, None, clock=SYSTEM_CLOCK) as engine:
        report = await engine.run("shop.orders", run_date=DAY)
        shown = await engine.quarantine("shop.orders", run_date=DAY)
    assert report.rows == 2
    print_report(report)
    printed = capsys.readouterr().out
    for line in told.splitlines():
        assert line in printed
    assert [json.loads(record.raw or "")["id"] for record in shown.records] == [2, 1]
    assert {(record.file or "")[-13:] for record in shown.records} == {"orders.ndjson"}
    assert [record.line for record in shown.records] == [2, 4]


def test_every_rule_and_type_stands_in_the_table() -> None:
    table = GUIDE.section("The rules")
    for rule in get_args(QualityRule):
        assert f"| `{rule.__struct_config__.tag}` |" in table
    for kind in get_args(TextType):
        assert f"`{kind}`" in table


def test_its_conditions_are_some() -> None:
    (block,) = GUIDE.blocks("sql", "Conditions")
    for line in block.splitlines():
        parse_condition(line)
    for name in get_args(Function):
        assert f"`{name}`" in GUIDE.section("Conditions")


def test_its_links_lead_somewhere() -> None:
    for link in GUIDE.links():
        name, _, anchor = link.partition("#")
        assert not name or (ROOT / "docs" / name).exists()
        assert not anchor or anchor in GUIDE.anchors()
