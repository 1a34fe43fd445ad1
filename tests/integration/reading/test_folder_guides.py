"""docs/partitioning.md and docs/cdc.md: every example is run, and gives what stands there."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

import bronze_engine
from bronze_engine import load_config, open_engine, read_manifest
from bronze_engine.config.cdc import Cdc
from bronze_engine.config.partition_by import PartitionField
from bronze_engine.land.slice import memory_bytes
from bronze_engine.land.valuefiles import MAX_FILES
from bronze_engine.model.manifest import Manifest
from bronze_engine.store.keys import MAX_SEGMENT_BYTES
from tests.documents import Document

pytestmark = pytest.mark.integration

DAY: Final = date(2025, 1, 15)
FOLDERS: Final = Document("docs/partitioning.md")
CHANGES: Final = Document("docs/cdc.md")


def landed(folder: Path, guide: Document, name: str) -> Manifest:
    """What the guide's configuration makes of the guide's file."""
    (folder / "pipelines.toml").write_text(guide.blocks("toml")[0], encoding="utf-8")
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(guide.blocks("csv")[0], encoding="utf-8")

    async def run() -> None:
        async with open_engine(load_config(folder / "pipelines.toml", environ={})) as engine:
            await engine.run("shop.orders", run_date=DAY)

    asyncio.run(run())
    return read_manifest(folder / "bronze", "shop.orders", DAY)


def after(guide: Document) -> dict[str, Any]:
    """The names that the guide's Python leaves."""
    names: dict[str, Any] = {"bronze": bronze_engine, "day": DAY}
    for block in guide.blocks("python"):
        exec(block, names)  # noqa: S102  # of our own guide
    return names


def test_folders_are_those_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = landed(tmp_path, FOLDERS, "orders.csv")
    names = "".join(f"{file.name}\n" for file in manifest.files)
    assert names.replace(manifest.run, "{run}") == FOLDERS.blocks("text")[0]
    assert manifest.files[0].values == {"country": "DE", "created_at_day": "2025-01-14"}
    found = after(FOLDERS)
    assert sorted(row[0] for row in found["exact"]) == ["1", "2", "3", "4"]
    assert sorted(row[:2] for row in found["by_folder"]) == [("2", "FR"), ("3", "DE"), ("4", None)]
    assert found["orders"].to_table().num_rows == 4


def test_entries_are_those_of_the_guide() -> None:
    section = FOLDERS.section("Entries")
    lines = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    shown = {cells[1].strip(" `"): cells[2].strip(" `") for cells in lines}
    assert len(shown) == 5
    for entry, folder in shown.items():
        field = PartitionField.parse(entry)
        assert folder.startswith(f"{field.key(field.column)}=")


def test_figures_are_those_of_the_code(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(FOLDERS.blocks("toml")[0], encoding="utf-8")
    pipeline = load_config(tmp_path / "pipelines.toml", environ={}).pipeline("shop.orders")
    plain = msgspec.structs.replace(pipeline.output, partition_by=())
    without = msgspec.structs.replace(pipeline, output=plain)
    mib = [memory_bytes(each) // 1024**2 for each in (pipeline, without)]
    assert f"reserves {mib[0]} MiB beside its source, {mib[1]} MiB without" in FOLDERS.text
    assert f"more than {MAX_FILES:,} files" in FOLDERS.text
    assert f"more than {MAX_SEGMENT_BYTES} bytes" in FOLDERS.text


def test_changes_are_those_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = landed(tmp_path, CHANGES, "changes/1.csv")
    shown = msgspec.json.decode(CHANGES.blocks("json")[0])
    assert msgspec.json.decode(msgspec.json.encode(manifest.cdc)) == shown
    assert after(CHANGES)["table"] == [("1", "paid")]


def test_codes_are_those_of_the_guide() -> None:
    lines = CHANGES.section("Codes").splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| `")]
    shown = {cells[1].strip(" `"): tuple(cells[2].replace("`", "").split(",")) for cells in rows}
    usual = Cdc(operation="op")
    for key, codes in shown.items():
        assert tuple(code.strip() for code in codes) == getattr(usual, key)


@pytest.mark.parametrize("guide", [FOLDERS, CHANGES], ids=lambda guide: guide.path.stem)
def test_links_lead_somewhere(guide: Document) -> None:
    for target in guide.links():
        name, _, anchor = target.partition("#")
        there = Document(f"docs/{name}") if name else guide
        assert not anchor or anchor in there.anchors()
