"""Where pipelines land: a store's name, a URL or a path, and which of two wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.stores.store import LocalStoreConfig, S3StoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load
from tests.unit.config.stores import KEY, S3

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("lake", "s3://bucket/bronze"),
        ("s3://other/x/", "s3://other/x"),
        ("abfss://lake@acct1.dfs.core.windows.net/x", "abfss://lake@acct1.dfs.core.windows.net/x"),
        ("./lake", "{folder}/lake"),
        ("/lake", "/lake"),
        ("s3:/x", "{folder}/s3:/x"),
    ],
)
def test_a_target_is_a_name_a_url_or_a_path(tmp_path: Path, target: str, expected: str) -> None:
    text = f"{S3}{API}{ORDERS}".replace(
        "[pipelines.myteam.orders]\n", f'[pipelines.myteam.orders]\ntarget = "{target}"\n', 1
    )
    expected = expected.format(folder=tmp_path)
    config = load(tmp_path, text)
    assert config.pipeline("myteam.orders").target.location == expected
    assert config.place(target).location == expected
    for override in (f"target={target}", f"engine.target={target}"):
        config = load(tmp_path, f"{S3}{API}{ORDERS}", overrides=[override])
        assert config.pipeline("myteam.orders").target.location == expected
    config = load(tmp_path, text, environ={"BRONZE_TARGET_ROOT": target})
    assert config.pipeline("myteam.orders").target.location == expected


def test_the_variable_for_the_target_wins_over_the_file_and_not_over_the_command_line(
    tmp_path: Path,
) -> None:
    text = f'[engine]\ntarget = "lake"\n{S3}{API}{ORDERS}'
    environ = {"BRONZE_TARGET_ROOT": "s3://from-variable/x"}
    one = load(tmp_path, text, environ=environ).pipeline("myteam.orders")
    assert one.target.location == "s3://from-variable/x"
    assert (one.target.name, one.state) == ("", None)
    for override in ("target=s3://by-hand", "engine.target=s3://by-hand"):
        other = load(tmp_path, text, environ=environ, overrides=[override])
        assert other.pipeline("myteam.orders").target.location == "s3://by-hand"


def test_a_url_of_a_variable_and_a_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "LAKE=s3://bucket/x\nAWS_ACCESS_KEY_ID=from-file\nAWS_SECRET_ACCESS_KEY=secret-of-file\n"
    )
    config = load(tmp_path, f'[engine]\ntarget = "${{LAKE}}"\n{API}{ORDERS}')
    target = config.pipeline("myteam.orders").target
    assert isinstance(target, S3StoreConfig)
    assert (target.location, target.access_key_id) == ("s3://bucket/x", "from-file")
    assert target.secret_access_key == Secret("secret-of-file")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gs://bucket", 'myteam.orders.target: the scheme "gs" is no store'),
        ("s3://", "myteam.orders.target: names no bucket"),
        ("az://lake", "myteam.orders.target.account: missing; set it, AZURE_STORAGE_ACCOUNT"),
        ("lak", 'there is no store "lak"; did you mean "lake"?'),
        ("s3://k:CANARY-pass@bucket", "target: has a user or password in it"),
    ],
)
def test_a_wrong_target_is_refused(tmp_path: Path, target: str, message: str) -> None:
    config = load(tmp_path, f"{S3}{API}{ORDERS}", overrides=[f"target={target}"])
    with pytest.raises(ConfigError) as caught:
        config.pipeline("myteam.orders")
    assert message in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_state_may_lie_in_another_store(tmp_path: Path) -> None:
    text = f'[engine]\ntarget = "./data"\nstate = "s3://state/x"\n{S3}{API}{ORDERS}'
    pipeline = load(tmp_path, text).pipeline("myteam.orders")
    assert pipeline.state == S3StoreConfig(url="s3://state/x")
    assert pipeline.target == LocalStoreConfig(path=str(tmp_path / "data"))


def test_where_rows_land_is_no_part_of_what_they_are(tmp_path: Path) -> None:
    text = f"{S3}{API}{ORDERS}"
    hashes = {
        load(tmp_path, text, overrides=[f"target={target}"], environ=environ)
        .pipeline("myteam.orders")
        .config_hash
        for target, environ in (
            ("./x", {}),
            ("lake", {}),
            ("lake", {"AWS_ACCESS_KEY_ID": "orders", "AWS_SECRET_ACCESS_KEY": "full-secret"}),
            ("abfss://lake@acct1.dfs.core.windows.net", {"AZURE_STORAGE_KEY": KEY}),
        )
    }
    assert len(hashes) == 1
