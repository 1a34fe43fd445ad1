"""The import rules hold, and each of them can fail: a planted violation proves it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documents import Document

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its rules in a folder of their own, found before the installed one."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "src/bronze_engine",
        tmp_path / "bronze_engine",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def lint(folder: Path, *arguments: str) -> tuple[int, str]:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--no-cache", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_package_keeps_every_contract(copy: Path) -> None:
    status, output = lint(copy)
    assert status == 0, output
    assert "4 kept, 0 broken" in output


@pytest.mark.parametrize(
    ("contract", "file", "violation", "said"),
    [
        ("layers", "errors.py", "import bronze_engine.run", "errors -> bronze_engine.run"),
        ("layers", "config/units.py", "from bronze_engine import limits", "config.units"),
        (
            "layers",
            "flow/gate.py",
            "import bronze_engine.workers",
            "flow.gate -> bronze_engine.workers",
        ),
        ("layers", "helpers.py", "", "bronze_engine.helpers"),
        ("silver", "silver/fold/fold.py", "import bronze_engine.silver.merge.plan", "fold -> "),
        ("silver", "silver/database/sql.py", "import bronze_engine.silver.columns", "sql -> "),
        ("siblings", "store/__init__.py", "import bronze_engine.decode", "store -> "),
        ("siblings", "plan/window.py", "from bronze_engine import state", "plan.window -> "),
        ("root", "engine.py", "from bronze_engine import load_config", "engine -> bronze_engine"),
        ("root", "store/planted.py", "import bronze_engine", "planted -> bronze_engine"),
    ],
)
def test_a_planted_violation_breaks_its_contract(
    copy: Path, contract: str, file: str, violation: str, said: str
) -> None:
    with (copy / "bronze_engine" / file).open("a") as planted:
        planted.write(f"\n{violation}\n")
    status, output = lint(copy, "--contract", contract)
    assert status == 1, output
    assert "0 kept, 1 broken" in output
    assert said in output


def test_the_readme_shows_every_layer_in_the_order_of_the_contract() -> None:
    [shown] = [block for block in Document("README.md").blocks("text") if block.startswith("src/")]
    lines = [line[:44].split() for line in shown.splitlines()[1:]]
    places = {
        name.rstrip("/").removesuffix(".py"): at for at, each in enumerate(lines) for name in each
    }
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [each["layers"] for each in rules["contracts"] if each["id"] == "layers"]
    named = [
        [name for name in re.split(r"[ :|]+", layer) if name != "__main__"] for layer in layers
    ]
    assert sorted(places) == sorted(name for layer in named for name in layer)
    # What stands on one line, or on lines that touch, may be of several layers.
    firsts = [min(places[name] for name in layer) for layer in named if layer]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("package", ["cli", "demo", "testing"])
def test_what_stands_beside_the_command_line_may_use_the_public_names(
    copy: Path, package: str
) -> None:
    (copy / "bronze_engine" / package / "planted.py").write_text("import bronze_engine\n")
    status, output = lint(copy, "--contract", "root")
    assert status == 0, output
