"""The pinned requirements: whole, hashed, and free of any registry's address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==(\S+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(path: Path) -> set[tuple[str, str]]:
    matches = map(PIN.match, path.read_text().splitlines())
    return {(match[1], match[2]) for match in matches if match}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_a_pin_or_a_hash(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [line for line in lines if not PIN.match(line) and not HASH.match(line)] == []
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PIN.match(line) and not HASH.match(following)
    ]
    assert bare == []


def test_development_holds_exactly_the_versions_that_users_of_the_demo_get() -> None:
    names = [path.name for path in FILES]
    assert names == ["dev.txt", "emulators.txt", "localstack.txt", "rivals.txt", "runtime.txt"]
    development, emulators, _, _, runtime = map(pins, FILES)
    assert runtime <= development
    assert emulators <= development
    assert {"pyarrow", "msgspec", "hatchling"} <= {name for name, _ in runtime}
    assert {"pytest", "mypy", "datasette"} <= {name for name, _ in development - runtime}
