"""Files that are called Arrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.formats.arrow import _batches

pytestmark = pytest.mark.unit


def test_feather_1_is_told_by_its_name(tmp_path: Path) -> None:
    """The advice was to fetch it again, for it was taken for a stream that breaks off."""
    path = tmp_path / "old.feather"
    path.write_bytes(b"FEA1" + bytes(60) + b"FEA1")
    with pytest.raises(ExtractError, match=r"old.feather is Feather 1, which is not read; have it"):
        list(_batches(path, path.name))
