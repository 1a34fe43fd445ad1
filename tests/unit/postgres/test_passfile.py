"""~/.pgpass, by libpq's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.database.address import Endpoint
from bronze_engine.sources.postgres.passfile import find_password

pytestmark = pytest.mark.unit

LINES = (
    r"""# db:5432:shop:me:commented
too:short

db:5432:shop:me:first
db:5432:shop:me:second
db:*:shop:other:any port
*:5433:*:me:pass:with:colons
we\:ird:5432:sh\\op:m\*e:es\:cap\\ed
localhost:5432:*:*:of a socket
/run/other:5432:*:*:of a folder
last:5432:shop:me:"""
    "\u00fc "
)


@pytest.fixture
def passfile(tmp_path: Path) -> Path:
    path = tmp_path / "pgpass"
    path.write_text(LINES, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("host", "port", "database", "user", "password"),
    [
        ("db", 5432, "shop", "me", "first"),
        ("db", 5432, "shop", "other", "any port"),
        ("db", 6000, "shop", "other", "any port"),
        ("db", 5432, "other", "me", None),
        ("DB", 5432, "shop", "me", None),
        ("elsewhere", 5433, "any", "me", "pass:with:colons"),
        ("we:ird", 5432, r"sh\op", "m*e", r"es:cap\ed"),
        ("/run/postgresql", 5432, "shop", "me", "of a socket"),
        ("/run/other", 5432, "shop", "me", "of a socket"),  # the first line that fits
        ("last", 5432, "shop", "me", "\u00fc "),
        ("# db", 5432, "shop", "me", None),
    ],
)
def test_the_first_line_that_fits_has_the_password(
    passfile: Path, host: str, port: int, database: str, user: str, password: str | None
) -> None:
    assert find_password(str(passfile), Endpoint(host, port), database, user) == password


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_not_used_and_named(
    passfile: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    passfile.chmod(mode)
    assert find_password(str(passfile), Endpoint("db", 5432), "shop", "me") is None
    assert str(passfile) in caplog.text
    assert "chmod 0600" in caplog.text
    assert "first" not in caplog.text


def test_no_file_is_no_password_and_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (tmp_path / "missing", tmp_path):
        assert find_password(str(path), Endpoint("db", 5432), "shop", "me") is None
    assert caplog.text == ""


def test_a_file_of_other_bytes_is_not_used_and_named(
    passfile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passfile.write_bytes(b"db:5432:shop:me:\xff\xfe")
    assert find_password(str(passfile), Endpoint("db", 5432), "shop", "me") is None
    assert "UnicodeDecodeError" in caplog.text
