"""The suite's own rules hold: what tests/conftest.py refuses, it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import listed_servers

pytestmark = pytest.mark.unit
pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

SERVER = """
import pytest

@pytest.fixture
def database():
    pytest.skip("no database here")
"""
TEST_OF_SERVER = """
import pytest
from tests.integration.postgres import database

@pytest.mark.integration
def test_it(database):
    pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A repository with our settings and our conftest, and one listed server."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("RUN_INTEGRATION", raising=False)
    monkeypatch.syspath_prepend(pytester.path)
    for name in ("pyproject.toml", "tests/conftest.py", "tests/power.py"):
        place(pytester, name, (ROOT / name).read_text())
    place(pytester, ".ci/servers", "# what tests need\npostgres\n")
    for package in ("tests", "tests/integration"):
        place(pytester, f"{package}/__init__.py", "")
    return pytester


def place(pytester: pytest.Pytester, name: str, text: str) -> None:
    path = pytester.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """In a process of its own: `tests` means another package there."""
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "tests", *arguments)


def test_async_selects_the_coroutines_and_nothing_else(suite: pytest.Pytester) -> None:
    place(
        suite,
        "tests/test_x.py",
        "import pytest\n"
        "pytestmark = pytest.mark.unit\n"
        "def test_plain(): pass\n"
        "@pytest.mark.asyncio\n"
        "async def test_coroutine(): pass\n",
    )
    result = run(suite, "-m", "async", "-v")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["*::test_coroutine PASSED*"])


@pytest.mark.parametrize("marks", ["", "@pytest.mark.unit\n@pytest.mark.integration\n"])
def test_a_test_without_its_mark_is_not_collected(suite: pytest.Pytester, marks: str) -> None:
    place(suite, "tests/test_x.py", f"import pytest\n{marks}def test_x(): pass\n")
    result = run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*mark each test unit or integration*tests/test_x.py::test_x"])


@pytest.mark.parametrize(
    ("variable", "value", "failed"),
    [("CI", "true", 1), ("RUN_INTEGRATION", "1", 1), ("CI", "false", 0)],
)
def test_a_listed_server_must_not_be_skipped_where_it_counts(
    suite: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    failed: int,
) -> None:
    place(suite, "tests/integration/postgres.py", SERVER)
    place(suite, "tests/integration/test_x.py", TEST_OF_SERVER)
    monkeypatch.setenv(variable, value)
    result = run(suite)
    # A fault of the fixture is what pytest calls an error.
    result.assert_outcomes(errors=failed, skipped=1 - failed)
    if failed:
        result.stdout.fnmatch_lines(["*postgres is in .ci/servers*no database here*"])


def test_a_server_that_is_not_listed_may_be_skipped(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(suite, ".ci/servers", "")
    place(suite, "tests/integration/postgres.py", SERVER)
    place(suite, "tests/integration/test_x.py", TEST_OF_SERVER)
    monkeypatch.setenv("CI", "true")
    run(suite).assert_outcomes(skipped=1)


def test_a_module_skipped_whole_fails_in_ci(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(
        suite,
        "tests/integration/test_x.py",
        "import pytest\npytest.importorskip('no_such_thing')\n",
    )
    run(suite).assert_outcomes(skipped=1)
    monkeypatch.setenv("CI", "true")
    result = run(suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_x.py was skipped whole*"])


def test_every_listed_server_has_the_module_that_starts_it() -> None:
    servers = listed_servers(ROOT)
    assert servers
    for server in servers:
        assert (ROOT / f"tests/integration/{server}.py").is_file()
