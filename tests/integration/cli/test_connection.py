"""`bronze test-connection`: every kind of store and an API, sound and broken."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from anyio.from_thread import start_blocking_portal

from tests.integration.azurite import Azurite
from tests.integration.cli.command import Bronze, Ran, in_background, shop, url_of
from tests.integration.cli.lake import Lake, azure_lake, local_lake, s3_lake
from tests.integration.http_server import Handler, Seen, Server, answer, serve
from tests.integration.moto import Moto
from tests.integration.s3_server import S3Server, error, s3_server

__all__ = ["s3_server"]

pytestmark = pytest.mark.integration

TOKEN = "canary-token-of-the-shop"


def statuses(ran: Ran) -> dict[str, str]:
    [tested] = ran.json
    return {each["subject"]: each["status"] for each in tested["results"]}


def details(ran: Ran) -> dict[str, str]:
    [tested] = ran.json
    return {each["subject"]: each["detail"] for each in tested["results"]}


# Stores.


def is_sound(bronze: Bronze, lake: Lake, *, has_locks: bool = False) -> None:
    ran = bronze.well("test-connection", "lake", "--json")
    assert set(statuses(ran).values()) == {"ok"}
    assert ("lock" in statuses(ran)) is has_locks
    [tested] = ran.json
    assert (tested["name"], tested["kind"], tested["location"]) == ("lake", "store", lake.url)
    by_place = bronze.well("test-connection", lake.url)
    assert by_place.out.startswith("store ")
    assert "FAIL" not in by_place.out
    assert lake.content() == ([], [])
    with in_background(one_row) as server:
        assert "can be written" in bronze.well("check", *url_of(server)).out
    assert lake.content() == ([], [])


async def one_row(*_: object) -> bytes:
    return answer([{"id": 1}])


def test_local_disk(bronze: Bronze) -> None:
    is_sound(bronze, local_lake(bronze.folder), has_locks=True)


def test_s3(bronze: Bronze, moto: Moto) -> None:
    is_sound(bronze, s3_lake(bronze.folder, moto))


def test_azure(bronze: Bronze, azurite: Azurite) -> None:
    is_sound(bronze, azure_lake(bronze.folder, azurite))


def test_a_url_needs_no_configuration(
    bronze: Bronze, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": moto.url,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{moto.bucket()}/anywhere"
    assert set(statuses(bronze.well("test-connection", url, "--json")).values()) == {"ok"}
    assert list(bronze.folder.iterdir()) == []


PERMISSIONS = {
    "PutObject": ("write", "s3:PutObject"),
    "GetObject": ("read", "s3:GetObject"),
    "ListObjectsV2": ("list", "s3:ListBucket"),
    "CreateMultipartUpload": ("upload", "s3:PutObject"),
    "ListMultipartUploads": ("list uploads", "s3:ListBucketMultipartUploads"),
    "AbortMultipartUpload": ("abort upload", "s3:AbortMultipartUpload"),
    "DeleteObject": ("delete", "s3:DeleteObject"),
}


def scripted_lake(folder: Path, server: S3Server) -> None:
    table = (
        f'type = "s3"\nurl = "s3://lake/bronze"\nendpoint_url = "{server.url}"\nproxy = "none"\n'
        'addressing_style = "path"\naccess_key_id = "AKIATEST"\n'
        'secret_access_key = "canary-secret"\nretry = { attempts = 2, backoff = "1ms" }'
    )
    shop(folder, f"\n[stores.lake]\n{table}\n")


@pytest.mark.parametrize("operation", PERMISSIONS)
def test_a_missing_permission_is_named(operation: str, bronze: Bronze, s3_server: S3Server) -> None:
    subject, permission = PERMISSIONS[operation]
    scripted_lake(bronze.folder, s3_server)
    s3_server.on(operation, error("AccessDenied", 403, message="canary-secret"), times=0)
    ran = bronze("test-connection", "lake", "--json")
    assert ran.status == 6
    failed = [name for name, status in statuses(ran).items() if status == "FAIL"]
    assert subject in failed
    assert details(ran)[subject].startswith("STG001 ")
    assert permission in details(ran)[subject]
    assert "canary" not in ran.out + ran.err
    if operation not in {"DeleteObject", "AbortMultipartUpload"}:
        assert not s3_server.bucket("lake").objects


def test_a_store_that_ignores_conditions_is_told(bronze: Bronze, s3_server: S3Server) -> None:
    scripted_lake(bronze.folder, s3_server)
    s3_server.bucket("lake").is_conditional = False
    ran = bronze("test-connection", "lake", "--json")
    assert ran.status == 6
    assert statuses(ran)["put if absent"] == "FAIL"
    assert "ignores conditions" in details(ran)["put if absent"]
    promised = bronze.well(
        "test-connection", "lake", "--json", "--set", "stores.lake.single_writer=true"
    )
    assert statuses(promised)["put if absent"] == "skipped"


def test_a_refused_credential_ends_it(bronze: Bronze, s3_server: S3Server) -> None:
    scripted_lake(bronze.folder, s3_server)
    s3_server.on("*", error("InvalidAccessKeyId", 403), times=0)
    ran = bronze("test-connection", "lake")
    assert ran.status == 3
    assert ran.out.count("FAIL") == 1
    assert "AUTH001" in ran.out


def test_what_is_no_name_is_told_with_the_nearest(bronze: Bronze) -> None:
    local_lake(bronze.folder)
    ran = bronze("test-connection", "lakes")
    assert ran.status == 2
    assert 'no store, API or connection "lakes"; did you mean "lake"?' in ran.errors[0]
    assert bronze("test-connection", "https://api.example.com").status == 2
    assert bronze("test-connection", "lake", "--path", "/x").status == 2


# APIs.


def api(bronze: Bronze, server: Server | str, *options: str, auth: bool = True) -> Ran:
    given = list(options)
    if auth:
        given += ["--set", f'apis.shop.auth={{type="bearer", token="{TOKEN}"}}']
    return bronze("test-connection", "shop", "--json", *url_of(server), *given)


def status_handler(status: int, **headers: str) -> Handler:
    async def handle(_: Seen, __: object) -> bytes:
        return answer({"message": f"no, {TOKEN}"}, status=status, headers=headers)

    return handle


def test_an_api_that_lets_us_in(bronze: Bronze) -> None:
    shop(bronze.folder)

    async def handle(seen: Seen, _: object) -> bytes:
        assert seen.headers["authorization"] == f"Bearer {TOKEN}"
        then = format_datetime(datetime.now(UTC) - timedelta(seconds=90), usegmt=True)
        return answer([{"id": 1}], headers={"Date": then})

    with in_background(handle) as server:
        ran = api(bronze, server, "--path", "/orders")
        assert [seen.target for seen in server.seen] == ["/orders"]
    assert ran.status == 0
    assert statuses(ran) == dict.fromkeys(
        ["name", "connection", "request", "auth", "redirects", "clock"], "ok"
    )
    assert details(ran)["auth"] == "bearer: let in"
    assert ": 200 after " in details(ran)["request"]
    assert details(ran)["clock"] in {f"{n} s behind this machine" for n in (89, 90, 91)}
    assert TOKEN not in ran.out + ran.err


ANSWERS: list[tuple[int, tuple[str, ...], int, str, str]] = [
    (401, (), 3, "auth", "AUTH001"),
    (403, (), 3, "auth", "AUTH001"),
    (404, (), 0, "", "base_url need be no resource"),
    (405, (), 0, "", "base_url need be no resource"),
    (404, ("--path", "/orders"), 4, "request", "EXT001"),
    (429, (), 4, "request", "try later"),
    (500, (), 4, "request", "try later"),
    (503, (), 4, "request", "try later"),
]


@pytest.mark.parametrize(("status", "options", "exit_code", "subject", "said"), ANSWERS)
def test_what_an_answer_means(
    status: int,
    options: tuple[str, ...],
    exit_code: int,
    subject: str,
    said: str,
    bronze: Bronze,
) -> None:
    shop(bronze.folder)
    with in_background(status_handler(status)) as server:
        ran = api(bronze, server, *options)
        assert len(server.seen) == 1
    assert ran.status == exit_code
    failed = [name for name, each in statuses(ran).items() if each == "FAIL"]
    assert failed == ([subject] if subject else [])
    assert said in details(ran)[subject or "request"]
    assert TOKEN not in ran.out + ran.err


def test_redirects_are_told_and_carry_no_credential_elsewhere(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(one_row) as other:
        location = f"{other.url}/there?key=x"
        with in_background(status_handler(302, Location=location)) as server:
            ran = api(bronze, server)
        assert "authorization" not in other.seen[0].headers
    assert ran.status == 0
    assert "another origin" in details(ran)["redirects"]
    assert "key=x" not in ran.out


def test_the_layer_that_fails_is_named(bronze: Bronze) -> None:
    shop(bronze.folder)
    for url, subject, said in (
        ("http://no-such-host.invalid", "name", "can't be resolved"),
        ("http://127.0.0.1:9", "connection", "Connection refused"),
    ):
        ran = api(bronze, url)
        assert ran.status == 4
        *before, last = statuses(ran).items()
        assert last == (subject, "FAIL")
        assert all(status == "ok" for _, status in before)
        assert said in details(ran)[subject]


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """An API by TLS, and the file of the authority that signed it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(one_row, context)) as server,
    ):
        yield server, str(tmp_path / "ca.pem")


def test_tls_is_looked_at(bronze: Bronze, tls_server: tuple[Server, str]) -> None:
    shop(bronze.folder)
    server, ca_file = tls_server
    ran = api(bronze, server, "--set", f"apis.shop.ca_file={ca_file}")
    assert ran.status == 0
    assert details(ran)["TLS"].startswith("TLSv1.3, the certificate is valid until ")
    refused = api(bronze, server)
    assert refused.status == 4
    assert statuses(refused) == {"name": "ok", "connection": "ok", "TLS": "FAIL"}
    assert "ca_file" in details(refused)["TLS"]
    spoken = api(bronze, server.url.replace("https", "http"))
    assert spoken.status == 4
    assert statuses(spoken)["request"] == "FAIL"


def test_https_where_none_is_spoken(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(one_row) as server:
        limit = ("--set", "apis.shop.timeout.connect=100ms")
        ran = api(bronze, server.url.replace("http", "https"), *limit)
    assert ran.status == 4
    assert "is it https that it speaks there" in details(ran)["TLS"]


def test_a_proxys_connection_is_its_own(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(one_row) as proxy:
        by = proxy.url.replace("http://", "http://user:canary-proxy@")
        ran = api(bronze, "http://api.example.invalid", "--set", f"apis.shop.proxy={by}")
        assert proxy.seen[0].target == "http://api.example.invalid"
    assert ran.status == 0
    assert statuses(ran)["connection"] == "skipped"
    assert "canary" not in ran.out


def test_a_silent_server_is_not_waited_for_longer_than_configured(bronze: Bronze) -> None:
    shop(bronze.folder)

    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    with in_background(silent) as server:
        ran = api(bronze, server, "--set", "apis.shop.timeout.read=50ms")
    assert ran.status == 4
    assert statuses(ran)["request"] == "FAIL"


def test_a_name_of_both_tests_both(bronze: Bronze) -> None:
    local_lake(bronze.folder)
    file = bronze.folder / "pipelines.toml"
    file.write_text(file.read_text().replace("[stores.lake]", "[stores.shop]"))
    with in_background(one_row) as server:
        ran = bronze.well("test-connection", "shop", "--json", *url_of(server))
    assert [each["kind"] for each in ran.json] == ["store", "api"]
