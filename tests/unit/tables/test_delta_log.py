"""What the log of a Delta table can't be read for is told as what it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bronze_engine.errors import StoreError
from bronze_engine.tables.delta.log import commit_name, make_checkpoint, read_log

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("read", [read_log, make_checkpoint])
def test_a_temporary_folder_that_can_not_be_written_is_no_fault_of_the_log(
    read: Callable[[Mapping[str, bytes], str], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The way out was to move the log away, where it was told at all."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StoreError) as caught:
        read({commit_name(0): b"{}\n"}, "s3://lake/team/orders")
    assert str(caught.value) == (
        "STG001 s3://lake/team/orders: _delta_log can't be read, for its temporary copy can't be "
        "written (No such file or directory); point TMPDIR to a disk with some room"
    )
