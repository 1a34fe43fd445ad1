"""A run of many files that is broken off goes on with the first that was not landed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.contracts import Emit
from bronze_engine.errors import ExtractError
from bronze_engine.model.slice import Slice
from bronze_engine.sources.files import source
from tests.integration.files.landing import Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

FILES = 6


class Breaking:
    """Ends the reading of one slice, once, after its rows; remembers what was read."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.read: list[int] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = source.FilesSource.read

        async def read(own: source.FilesSource, piece: Slice, emit: Emit, /) -> Slice | None:
            self.read.append(piece.index)
            following = await plain(own, piece, emit)
            if piece.index == self.at:
                self.at = None
                raise ExtractError("cut off")
            return following

        monkeypatch.setattr(source, "_SLICE_BYTES", 1)
        monkeypatch.setattr(source.FilesSource, "read", read)


def lake(folder: Path, form: str = "ndjson") -> Lake:
    folder.mkdir(exist_ok=True)
    found = Lake(folder, f'url = "inbox/*"\nformat = "{form}"')
    for number in range(FILES):
        extra = f', "only_{number}": true' if number in (1, 4) else ""
        (found.inbox / f"{number}.json").write_text(f'{{"n": {number}{extra}}}\n')
    return found


async def test_files_that_were_landed_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking(at=3)
    breaking.install(monkeypatch)
    one = lake(tmp_path / "one")
    with pytest.raises(ExtractError, match="cut off"):
        await one.run()
    report = await one.run()
    assert breaking.read == [0, 1, 2, 3, 3, 4, 5]
    assert (report.rows, report.resumed_slices) == (FILES, 3)
    whole = lake(tmp_path / "whole")
    await whole.run()
    names = [f"{number}.json" for number in range(FILES)]
    assert one.sources() == whole.sources() == names
    ours, theirs = one.manifest(), whole.manifest()
    assert [file.sha256 for file in ours.sources] == [file.sha256 for file in theirs.sources]
    assert [file.sha256 for file in ours.files] == [file.sha256 for file in theirs.files]


async def test_other_files_are_read_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking(at=3)
    breaking.install(monkeypatch)
    one = lake(tmp_path / "one")
    with pytest.raises(ExtractError, match="cut off"):
        await one.run()
    (one.inbox / "0.json").write_text('{"n": 99}\n')
    assert (await one.run()).resumed_slices == 0
    assert one.landed()["n"].to_pylist() == [99, 1, 2, 3, 4, 5]
