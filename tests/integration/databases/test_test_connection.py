"""`bronze test-connection` of a database: by its entry, and by options alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.command import Bronze, Ran
from tests.integration.postgres import Database, PostgresServer

pytestmark = pytest.mark.integration

SUBJECTS = [
    "name", "login", "TLS", "server", "snapshot", "connections", "open transactions", "clock",
]  # fmt: skip


def results(ran: Ran) -> dict[str, Any]:
    [tested] = ran.json
    assert tested["kind"] == "database"
    return {each["subject"]: each for each in tested["results"]}


def options(server: PostgresServer, **changes: str) -> list[str]:
    stated = {
        "host": server.host, "port": str(server.port), "database": "postgres",
        "user": server.user, **changes,
    }  # fmt: skip
    return [text for key, value in stated.items() for text in (f"--{key}", value)]


@pytest.fixture
def password(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    return postgres.password


def entry(folder: Path, database: Database, more: str = "") -> None:
    (folder / "pipelines.toml").write_text(
        f'[connections.shop]\ntype = "postgres"\ndsn = "{database.dsn}"\n{more}'
    )


def test_options_alone_are_enough(bronze: Bronze, any_postgres: PostgresServer) -> None:
    server = any_postgres
    (bronze.folder / ".env").write_text("")
    passfile = bronze.folder / "passfile"
    passfile.write_text(f"*:*:*:*:{server.password}\n")
    passfile.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(passfile))
        ran = bronze.well("test-connection", "db", *options(server), "--json")
    found = results(ran)
    assert list(found) == SUBJECTS
    assert {each["status"] for each in found.values()} == {"ok"}
    assert f"PostgreSQL {server.version}." in found["server"]["detail"]
    assert "role bronze" in found["server"]["detail"]
    assert found["TLS"]["detail"].startswith("none")
    assert ran.json[0]["location"] == f"postgres://127.0.0.1:{server.port}/postgres"


def test_an_entry_is_tested_by_its_name_and_options_lie_over_it(
    bronze: Bronze, database: Database
) -> None:
    entry(bronze.folder, database)
    shown = bronze.well("test-connection", "shop").out
    assert shown.startswith("database shop: postgres://127.0.0.1:")
    assert shown.count(" ok ") + shown.count("ok  ") >= len(SUBJECTS)
    assert database.server.password not in shown
    (bronze.folder / "pipelines.toml").write_text(
        '[connections.shop]\ntype = "postgres"\nhost = "nowhere.invalid"\n'
        f'password = "{database.server.password}"\n'
    )
    assert bronze("test-connection", "shop").status == 4
    bronze.well("test-connection", "shop", *options(database.server))


def test_a_password_that_is_refused_is_told_without_it(
    bronze: Bronze, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2-canary")
    asked = ["test-connection", "db", *options(postgres), "--password-env", "SHOP_PASSWORD"]
    ran = bronze(*asked, "--json")
    assert ran.status == 3
    found = results(ran)
    assert found["login"]["status"] == "FAIL"
    assert "AUTH001" in found["login"]["detail"]
    assert list(found) == ["name", "login"]
    monkeypatch.setenv("SHOP_PASSWORD", postgres.password)
    bronze.well(*asked)
    monkeypatch.delenv("SHOP_PASSWORD")
    missing = bronze(*asked)
    assert missing.status == 2
    assert "SHOP_PASSWORD" in missing.errors[0]
    for each in (ran, missing):
        assert "hunter2" not in each.out + each.err


def test_each_layer_that_fails_is_named(
    bronze: Bronze, postgres: PostgresServer, password: str
) -> None:
    assert password
    for changes, subject, words in (
        ({"host": "nowhere.invalid"}, "name", "can't be resolved"),
        ({"port": "1"}, "login", "Connection refused"),
        ({"database": "nowhere"}, "login", "does not exist"),
        ({"sslmode": "verify-full"}, "login", "speaks no TLS"),
    ):
        ran = bronze("test-connection", "db", *options(postgres, **changes), "--json")
        assert ran.status == 4
        found = results(ran)
        assert found[subject]["status"] == "FAIL"
        assert words in found[subject]["detail"]


def test_who_may_not_see_other_sessions_is_told_the_grant(
    bronze: Bronze, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.execute("CREATE ROLE onlooker LOGIN PASSWORD 'a canary'")
    monkeypatch.setenv("PGPASSWORD", "a canary")
    database = postgres.create_database()
    with postgres.session(database.name):
        ran = bronze.well(
            "test-connection", "db", *options(postgres, user="onlooker", database=database.name),
            "--json",
        )  # fmt: skip
    assert "GRANT pg_read_all_stats TO onlooker" in results(ran)["open transactions"]["detail"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "no store, API or connection"),
        (["nothing", "--host", "x"], "test-connection db --host"),
        (["db", "--host", "x", "--sslmode", "maybe"], "sslmode"),
        (["db", "--host", "x", "--port", "0"], "port"),
        (["db"], "no store, API or connection"),
    ],
)
def test_what_is_asked_for_wrongly_is_cfg001(
    bronze: Bronze, arguments: list[str], words: str
) -> None:
    ran = bronze("test-connection", *arguments)
    assert ran.status == 2
    assert words in ran.errors[0]
