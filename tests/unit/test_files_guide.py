"""docs/files.md says what the code does: its examples load, and its tables are the code's."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest

from bronze_engine.config.files.source import FileFormat, FilesSourceConfig
from bronze_engine.config.load import load_config
from bronze_engine.model.types.landing import file_landing
from bronze_engine.sources.files import source
from tests.documents import ROOT, Document

pytestmark = pytest.mark.unit

GUIDE = Document("docs/files.md")


def rows(section: str) -> dict[str, str]:
    """The first two cells of the rows of a section's tables."""
    lines = [line for line in GUIDE.section(section).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1] for row in cells}


def test_the_examples_load_together(tmp_path: Path) -> None:
    path = tmp_path / "pipelines.toml"
    path.write_text("\n".join(GUIDE.blocks("toml")))
    config = load_config(path, environ={})
    assert config.names == (
        "inbox.orders",
        "shop.orders",
        "shop.returns",
        "shop.sales",
        "shop.stock",
    )
    assert config.check_all() == []


def test_every_format_has_a_row() -> None:
    shown = "".join(rows("Formats"))
    assert all(f"`{name}`" in shown for name in get_args(FileFormat))


def test_every_answer_to_a_change_has_a_row() -> None:
    assert {'`"warn"` (the default)', '`"read"`', '`"fail"`'} <= rows("Changed files").keys()
    assert FilesSourceConfig(url="", format="csv").on_changed == "warn"


@pytest.mark.parametrize(
    ("kind", "lands"),
    [
        (pa.uint8(), pa.int16()),
        (pa.uint64(), pa.decimal128(20, 0)),
        (pa.float16(), pa.float32()),
        (pa.decimal256(76, 3), pa.decimal256(76, 3)),
        (pa.timestamp("ms", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
        (pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.string_view(), pa.string()),
        (pa.binary(3), pa.binary()),
        (pa.dictionary(pa.int8(), pa.int64()), pa.int64()),
        (pa.list_view(pa.int8()), pa.list_(pa.int8())),
        (pa.list_(pa.int8(), 2), pa.list_(pa.int8())),
        (pa.duration("s"), pa.int64()),
        (pa.uuid(), pa.binary()),
        (pa.month_day_nano_interval(), None),
        (pa.dense_union([pa.field("a", pa.int8())]), None),
    ],
)
def test_types_land_as_the_guide_says(kind: pa.DataType, lands: pa.DataType | None) -> None:
    assert file_landing(pa.field("x", kind)) == lands


def test_sizes_are_those_of_the_code() -> None:
    mib = 1024**2
    text = " ".join(GUIDE.text.split())
    assert f"files of up to {source._AHEAD_BYTES // mib} MiB are fetched ahead" in text
    assert f"at most {source._AHEAD_FILES} at once" in text
    assert f"read together up to {source._SLICE_BYTES // mib} MiB" in text
    usual = FilesSourceConfig(url="", format="json").max_document_bytes
    assert f"`max_document_bytes` ({usual // mib} MiB)" in text


def test_its_links_lead_somewhere() -> None:
    for link in GUIDE.links():
        path = link.partition("#")[0]
        assert not path or (ROOT / "docs" / path).exists(), link
