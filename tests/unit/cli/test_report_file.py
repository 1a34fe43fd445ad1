"""`--report`: whole or not at all, and never what decides about a batch."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bronze_engine.batch.markdown import to_markdown
from bronze_engine.cli.printing.report_file import ReportFile
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport
from tests.unit.batch.reports import committed, failed, report_of

pytestmark = pytest.mark.unit

REPORT = report_of(committed("t.a"), failed("t.b"))


def test_the_suffix_says_what_is_written(tmp_path: Path) -> None:
    for name in ("out.md", "out.json"):
        (tmp_path / name).write_text("an older one, which was longer" * 100)
        ReportFile(tmp_path / name).write(REPORT)
    assert (tmp_path / "out.md").read_text() == to_markdown(REPORT)
    read = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=BatchReport)
    assert read == REPORT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.md"]


def test_what_can_t_be_written_is_refused_at_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    for name, told in (
        ("out", "ends in .md or .json"),
        ("out.txt", "ends in .md or .json"),
        ("nowhere/out.md", "there is no directory"),
        ("folder.md", "can't be written"),
    ):
        with pytest.raises(ConfigError, match=told):
            ReportFile(tmp_path / name)


def test_a_folder_that_is_gone_at_the_end_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    file = ReportFile(folder / "out.md")
    folder.rmdir()
    file.write(REPORT)
    assert "was not written: No such file or directory" in caplog.text
