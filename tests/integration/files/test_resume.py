"""Files that an earlier process has landed are not read again, while they are the same files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bronze_engine.contracts import Emit
from bronze_engine.errors import ExtractError
from bronze_engine.model.slice import Slice
from bronze_engine.sources.files import source
from tests.integration.files.landing import Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

FILES = 5
CONTENT = {
    "csv": "id,amount,note\n{0},{0}.50,\n{0},,x{0}\n",
    "ndjson": '{{"id": {0}, "amount": {0}.5}}\n{{"id": {0}, "note": "x"}}\n',
}


@pytest.fixture(autouse=True)
def a_slice_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_SLICE_BYTES", 1)


def lake(folder: Path, form: str) -> Lake:
    folder.mkdir()
    made = Lake(folder, f'url = "./inbox/*.{form}"\nformat = "{form}"')
    for number in range(FILES):
        path = made.inbox / f"{number}.{form}"
        path.write_text(CONTENT[form].format(number))
        os.utime(path, (1_736_000_000 + number,) * 2)
    return made


async def broken_off(folder: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The fourth file could not be read, and now it can."""
    made = lake(folder, form)
    real = source.FilesSource.read

    async def fails(self: source.FilesSource, piece: Slice, emit: Emit) -> None:
        if piece.index == 3:
            raise ExtractError("the share is gone; mount it again")
        await real(self, piece, emit)

    with monkeypatch.context() as patched:
        patched.setattr(source.FilesSource, "read", fails)
        with pytest.raises(ExtractError):
            await made.run()
    return made


@pytest.mark.parametrize("form", sorted(CONTENT))
async def test_it_goes_on_with_the_file_that_it_has_not_landed(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lake(tmp_path / "whole", form)
    await whole.run()
    made = await broken_off(tmp_path / "broken", form, monkeypatch)
    report = await made.run()
    assert (report.resumed_slices, report.rows) == (3, 2 * FILES)
    assert made.sources() == whole.sources()
    assert [file.sha256 for file in made.manifest().files] == [
        file.sha256 for file in whole.manifest().files
    ]
    assert made.landed().equals(whole.landed())


async def test_a_file_that_has_changed_since_makes_it_start_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await broken_off(tmp_path / "broken", "csv", monkeypatch)
    (made.inbox / "1.csv").write_text("id,amount,note\n77,1.00,\n")
    report = await made.run()
    assert (report.resumed_slices, report.rows) == (0, 2 * FILES - 1)
    assert "77" in [str(each) for each in made.landed().column("id").to_pylist()]
