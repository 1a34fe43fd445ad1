"""`bronze demo` lands the same bytes in a directory, in S3 and in Azure, and leaves no server."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.azurite import PROGRAM, Azurite, azurite
from tests.integration.cli.command import DATE, Bronze, start, tree
from tests.integration.moto import Moto, moto

__all__ = ["azurite", "moto"]

pytestmark = pytest.mark.integration

RECORDS = 30_000
DEMO = ["demo", "--date", DATE, "--fault-rate", "0"]


@pytest.fixture
def emulators(bronze: Bronze, moto: Moto, azurite: Azurite) -> Bronze:
    """Commands in a folder in which both emulators can be started; that they run is known."""
    assert moto.url != azurite.url
    install_azurite(bronze.folder)
    return bronze


def install_azurite(folder: Path) -> None:
    (folder / ".azurite").symlink_to(PROGRAM.parents[5])


def shown(ran: Any) -> Any:
    """Of each file what must be the same wherever it landed."""
    return [
        (file["row_count"], file["size_bytes"], file["sha256"], re.sub("-[0-9a-f]{12}-", "-", name))
        for file in ran["files"]
        if (name := file["name"])
    ]


def test_the_same_hashes_on_local_disk_in_s3_and_in_azure(emulators: Bronze) -> None:
    """However often their pages fail on the way."""
    command = ["demo", "--date", DATE, "--records", str(RECORDS), "--fault-rate", "0.05", "--json"]
    servers = psutil.Process().children()
    local = emulators.well(*command).json
    before = tree(emulators.folder / "bronze")
    assert shown(local)[0][0] == RECORDS
    assert len(shown(local)[0][2]) == 64
    for emulator, place in (("s3", "s3://bronze-demo/lake"), ("azure", "az://bronze-demo/lake")):
        remote = emulators.well(*command, "--emulator", emulator).json
        assert shown(remote) == shown(local)
        assert remote["run"]["partition"] == f"{place}/demo/orders/dt={DATE}"
        assert remote["verify"]["faults"] == []
        assert remote["verify"]["files"] == len(local["files"])
        assert (remote["run"]["generation"], remote["run"]["degraded"]) == (1, [])
    assert tree(emulators.folder / "bronze") == before
    assert psutil.Process().children() == servers


@pytest.mark.parametrize("emulator", [None, "s3", "azure"])
def test_the_screen_shows_rows_hashes_and_the_verdict(
    emulator: str | None, emulators: Bronze
) -> None:
    option = [] if emulator is None else ["--emulator", emulator]
    ran = emulators.well(*DEMO, "--records", "1200", *option)
    assert "rows         1,200" in ran.out
    assert re.search(r"^checksums    1 file, [\d,]+ bytes: all match$", ran.out, re.MULTILINE)
    hashed = r"^sha256       [0-9a-f]{16}  part-g00000001-\w+-00000-00000\.parquet$"
    assert re.search(hashed, ran.out, re.MULTILINE)
    header, *rows = ran.out.split("\n\n")[1].splitlines()
    assert header.split()[:2] == ["id", "customer_id"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert "Traceback" not in ran.err


def test_a_demo_of_nothing_shows_no_rows(bronze: Bronze) -> None:
    ran = bronze.well(*DEMO, "--records", "0")
    assert "checksums    0 files" in ran.out
    assert "customer_id" not in ran.out


def test_a_target_is_a_path_or_a_url(emulators: Bronze, moto: Moto, monkeypatch: Any) -> None:
    assert emulators.well(*DEMO, "--records", "10", "--target", "x/y").status == 0
    assert (emulators.folder / "x/y/demo/orders").is_dir()
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"s3://{moto.bucket()}/lake"
    report = emulators.well(*DEMO, "--records", "10", "--target", url, "--json").json["run"]
    assert report["partition"] == f"{url}/demo/orders/dt={DATE}"


def test_the_emulator_does_not_care_for_the_users_own_account(
    emulators: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither keys nor endpoints nor proxies of the environment reach it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key-of-the-user",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-user",
        "AWS_SESSION_TOKEN": "token-of-the-user",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=user1;AccountKey=a2V5",
        "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "",
    }.items():
        monkeypatch.setenv(name, value)
    for emulator in ("s3", "azure"):
        emulators.well(*DEMO, "--records", "10", "--emulator", emulator)


@pytest.mark.parametrize(
    ("options", "hides", "message"),
    [
        (["--emulator", "s3", "--target", "s3://x"], "", "--emulator brings a target of its own"),
        (["--emulator", "azure"], "", "`make demo TARGET=azure` installs it"),
        (["--emulator", "azure"], "node", "node is not installed, and Azurite"),
        (["--emulator", "s3"], "moto", "moto, the S3 server of the demo, is not installed"),
        (["--target", "gs://bucket"], "", 'the scheme "gs" is no store'),
        (["--date", "tomorrow"], "", "--date 'tomorrow' is no date"),
    ],
)
def test_what_is_missing_is_said(
    options: list[str], hides: str, message: str, bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hides == "moto":
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(
        "shutil.which", lambda name: None if hides == "node" or name != "node" else "/bin/node"
    )
    before = psutil.Process().children()
    ran = bronze(*DEMO, "--records", "10", *options)
    assert ran.status == 2
    assert message in ran.errors[0]
    assert psutil.Process().children() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("emulator", ["s3", "azure"])
def test_a_demo_that_is_stopped_ends_its_servers(
    emulator: str, number: signal.Signals, emulators: Bronze
) -> None:
    slow = ["--records", "2000", "--fault-rate", "1"]  # each page says at first: in a second
    command = ["-m", "bronze_engine", "demo", *slow, "--emulator", emulator]
    process = start(command, emulators.folder)
    assert process.stderr is not None
    assert next(line for line in process.stderr if " begins " in line)
    servers = psutil.Process(process.pid).children()
    assert len(servers) == 2
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:  # pragma: no cover
        process.kill()
        raise
    assert process.returncode == {2: 130, 15: 143, 9: -9}[number]
    assert "Traceback" not in err
    # Killed, it could end nobody: they notice by themselves that it is gone.
    gone, alive = psutil.wait_procs(servers, timeout=60)
    assert (len(gone), alive) == (2, [])


@pytest.mark.slow
def test_the_batch_fails_where_it_is_meant_to_and_draws_its_display(bronze: Bronze) -> None:
    ran = bronze.well("demo", "--batch", "--records", "2000", "--svg", "batch.svg", "--json")
    runs = {run["pipeline"]: run for run in ran.json["runs"]}
    assert len(runs) == 12
    failed = {name: run["error_code"] for name, run in runs.items() if run["error_code"]}
    assert failed == {
        "billing.charges": "AUTH001",
        "legacy.prices": "RETRY001",
        "legacy.suppliers": "RETRY001",
    }
    assert {run["rows"] for name, run in runs.items() if name not in failed} == {2000}
    picture = (bronze.folder / "batch.svg").read_text().replace("&#160;", " ")
    assert picture.startswith("<svg ")
    assert all(f">{name}<" in picture for name in runs)
    assert "failed AUTH001" in picture


def test_the_options_of_the_batch_demand_it(bronze: Bronze) -> None:
    for options in (["--svg", "x.svg"], ["--batch", "--serve"]):
        assert bronze("demo", *options).status == 2


def test_make_demo_batch_is_that_command() -> None:
    recipe = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo-batch", "SVG=docs/batch.svg"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert recipe.stdout.splitlines()[-1] == (
        ".venv/bin/bronze demo --batch --records 200000 --svg docs/batch.svg"
    )
