"""What `bronze init` writes, and the commands that it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bronze_engine.cli.main import main

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ([], "pipelines.toml"),
        (["shop.toml"], "shop.toml"),
        (["my folder"], "my folder/pipelines.toml"),
        (["."], "pipelines.toml"),
    ],
)
def test_the_commands_that_it_names_find_the_file(
    given: list[str],
    written: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "my folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(["init", *given])
    told = capsys.readouterr().out
    assert told.startswith(f"{written} is written.")
    assert (tmp_path / written).is_file()
    options = "" if written == "pipelines.toml" else f" --config {shlex.quote(written)}"
    assert f"  bronze run demo.orders{options}\n" in told
    (check,) = re.findall(r"`bronze (check[^`]*)`", told)
    assert check == f"check{options}"
    with pytest.raises(SystemExit, match="0"):
        main(["list", *shlex.split(options)])
    assert "demo.orders" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_to_be_made_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["init", f"{tmp_path}/a/b.toml"])
    assert f"make the folder {tmp_path}/a first" in capsys.readouterr().err
