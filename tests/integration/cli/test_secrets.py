"""No credential gets out: not by success, by any failure, at any level, on any path."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pyarrow as pa
import pytest

from tests.integration.cli.command import (
    DATE,
    PIPELINE,
    Bronze,
    Ran,
    in_background,
    paged,
    shop,
    tree,
    url_of,
)
from tests.integration.http_server import Handler, Seen, answer

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
MORE = """
[apis.shop.headers]
X-Env = "${CANARY_ENV}"
X-Dotenv = "a-${CANARY_DOTENV}-z"
X-File = "${file:secret.txt}"
X-Plain = "canary-plain-header"

[pipelines.team.orders.source.params]
tenant = "canary-param"
since = "${CANARY_ENV}"

[pipelines.team.orders.schema]
on_drift = "quarantine"
columns = { id = "int64" }
"""
AUTHS = {
    "bearer": '{type="bearer", token="canary-bearer"}',
    "basic": '{type="basic", username="me", password="canary/pass word"}',
    "header key": '{type="api_key", key="canary-key", name="X-API-Key", location="header"}',
    "query key": '{type="api_key", key="canary key&", name="sig", location="query"}',
}
BASIC = base64.b64encode(b"me:canary/pass word").decode()
SENT = ("canary-env", "canary-dotenv", "canary-file", "canary-plain-header", "canary-param")


@pytest.fixture
def secretive(bronze: Bronze, monkeypatch: pytest.MonkeyPatch) -> Bronze:
    """A folder whose configuration is full of canaries."""
    shop(bronze.folder, MORE)
    (bronze.folder / ".env").write_text("CANARY_DOTENV=canary-dotenv\nCANARY_ENV=canary-not-me\n")
    (bronze.folder / "secret.txt").write_text("canary-file\n")
    monkeypatch.setenv("CANARY_ENV", "canary-env")
    return bronze


def options(url: str, auth: str) -> list[str]:
    base = f"{url}?access=canary-base" if url else url
    return [*url_of(base), "--set", f"apis.shop.auth={AUTHS[auth]}"]


def silent(ran: Ran, folder: Path) -> None:
    """Nothing that was printed, logged or stored holds a canary."""
    texts = {"stdout": ran.out, "stderr": ran.err}
    for name, body in tree(folder).items():
        if name in ("pipelines.toml", ".env", "secret.txt"):
            continue
        packed = name.endswith(".zst")
        plain = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read() if packed else body
        texts[name] = plain.decode("latin-1")
    assert any(name.endswith(".log") for name in texts) or not folder.joinpath("lake").exists()
    for name, text in texts.items():
        assert "canary" not in text.lower(), (name, text)
        assert BASIC not in text, (name, text)


def echo(status: int) -> Handler:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        said = f"you sent {seen.raw.decode()}"
        return answer({"message": said, "error": said}, status=status)

    return handle


def foreign(kind: str) -> Handler:
    """A body or a link that repeats what was sent."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if kind == "html":
            return answer(body=f"<html>{seen.raw.decode()}</html>".encode())
        if kind == "key":
            return answer({seen.raw.decode(): 1})
        if kind == "redirect":
            where = {"Location": f"http://127.0.0.1:1{seen.target}"}
            return answer(body=b"", status=302, headers=where)
        headers = {"Link": f'<http://127.0.0.1:1{seen.target}>; rel="next"'}
        return answer([{"id": 1}], headers=headers)

    return handle


FAILURES: dict[str, tuple[int, Handler | None, tuple[str, ...]]] = {
    "success": (0, paged([{"id": 1}]), ()),
    "rejected records": (8, paged([{"id": 1}, {"id": "x"}]), ()),
    "400": (4, echo(400), ()),
    "401": (3, echo(401), ()),
    "404": (4, echo(404), ()),
    "500": (9, echo(500), ()),
    "refused": (9, None, ()),
    "html": (4, foreign("html"), ()),
    "no such path": (5, foreign("key"), ()),
    "redirect": (9, foreign("redirect"), ()),
    "foreign link": (5, foreign("link"), ("--set", 'source.paginator={type="link_header"}')),
}


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("failure", FAILURES)
def test_no_secret_in_what_a_run_leaves(failure: str, auth: str, secretive: Bronze) -> None:
    status, handler, more = FAILURES[failure]
    with in_background(handler or paged()) as server:
        url = server.url if handler else "http://127.0.0.1:1"
        ran = secretive(*RUN, "-v", *options(url, auth), *more)
        as_json = secretive(*RUN, "-v", "--json-log", "--json", *options(url, auth), *more)
        sent = b"".join(seen.raw for seen in server.seen).decode()
    assert (ran.status, as_json.status) == (status, status), ran.err
    silent(ran, secretive.folder)
    silent(as_json, secretive.folder)
    if handler is not None:  # they were really there to be seen
        assert all(canary in sent for canary in (*SENT, "canary-base"))
        assert sent.count("canary") > len(SENT) + 1 or auth == "basic"


@pytest.mark.parametrize("auth", AUTHS)
def test_no_secret_in_a_traceback(
    auth: str, secretive: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job: object, *_: object, **__: object) -> None:
        everything = [*SENT, "canary-base", "canary-bearer", "canary-key", f"Basic {BASIC}"]
        try:
            raise KeyError(repr(job))
        except KeyError:
            mine = {
                "bearer": ["canary-bearer"],
                "basic": ["canary/pass word", BASIC, "canary%2Fpass%20word"],
                "header key": ["canary-key"],
                "query key": ["canary key&", "canary+key%26", "canary%20key%26"],
            }[auth]
            raise ValueError([*everything[:6], *mine]) from None

    monkeypatch.setattr("bronze_engine.run.steps.compose_manifest", broken)
    with in_background(paged([{"id": 1}])) as server:
        for log in ((), ("--json-log",)):
            ran = secretive(*RUN, "-v", *log, *options(server.url, auth))
            assert ran.status == 70
            assert "ValueError" in ran.err
            silent(ran, secretive.folder)


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("command", ["plan", "check", "list", "run --dry-run"])
def test_no_secret_in_what_looking_prints(command: str, auth: str, secretive: Bronze) -> None:
    name, *more = command.split()
    what = () if name == "list" else (PIPELINE,)
    for handler in (paged([{"id": 1}]), echo(401)):
        with in_background(handler) as server:
            for json_output in ((), ("--json",)):
                ran = secretive(name, *what, *more, "-v", *json_output, *options(server.url, auth))
                assert ran.out
                silent(ran, secretive.folder)


@pytest.mark.parametrize("auth", AUTHS)
def test_no_secret_in_the_fields_that_check_tells(auth: str, secretive: Bronze) -> None:
    async def handle(seen: Seen, _: object) -> bytes:
        link = f"http://{seen.headers['host']}{seen.target}&page=2"
        return answer({"items": [{"id": 1}], "next": link})

    paginator = '{type="next_url", next_path="next"}'
    more = ("--set", "source.records=items", "--set", f"source.paginator={paginator}")
    with in_background(handle) as server:
        ran = secretive.well("check", *options(server.url, auth), *more)
    assert "next = 'http://" in ran.out
    silent(ran, secretive.folder)


def test_no_secret_in_a_configuration_error(secretive: Bronze) -> None:
    for fault in (
        "apis.shop.rate_limit.rps=${CANARY_ENV}",
        "apis.shop.timeout.read=${CANARY_DOTENV}",
        "apis.shop.concurrency=${file:secret.txt}",
        "apis.shop.base_url=${CANARY_ENV}",
        "source.paginator.type=${CANARY_ENV}",
        'apis.shop.auth={type="bearer", token=["${CANARY_ENV}"]}',
        'apis.shop.auth={type="bearer", token="x", ky="${CANARY_ENV}"}',
    ):
        ran = secretive(*RUN, "-v", "--set", fault)
        assert ran.status == 2, (fault, ran.err)
        silent(ran, secretive.folder)


def test_a_token_that_was_rotated_is_read_again_on_a_401(bronze: Bronze) -> None:
    """Sixteen requests at once are refused; the file is read anew for all of them together."""
    token = bronze.folder / "token.txt"
    token.write_text("canary-old\n")
    shop(bronze.folder, '[apis.shop.auth]\ntype = "bearer"\ntoken = "${file:token.txt}"\n')
    pages = paged(*([{"id": number}] for number in range(40)))
    asked: list[str] = []

    async def rotating(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        asked.append(seen.headers["authorization"])
        if seen.query.get("page", "1") != "1":
            fresh = token.with_name("fresh.txt")  # as agents rotate: never half a file
            fresh.write_text("canary-new\n")
            fresh.replace(token)
            if asked[-1] != "Bearer canary-new":
                return answer({"error": f"{asked[-1]} has expired"}, status=401)
        return await pages(seen, writer)

    with in_background(rotating) as server:
        ran = bronze(*RUN, "-v", "--set", "source.paginator.parallel=16", *url_of(server))
    assert ran.status == 0, ran.err
    assert asked[0] == "Bearer canary-old"
    assert set(asked) == {"Bearer canary-old", "Bearer canary-new"}
    assert "canary" not in ran.out + ran.err + bronze.log()


def test_a_token_that_stays_refused_is_asked_for_once(bronze: Bronze) -> None:
    (bronze.folder / "token.txt").write_text("canary-old\n")
    shop(bronze.folder, '[apis.shop.auth]\ntype = "bearer"\ntoken = "${file:token.txt}"\n')
    asked: list[str] = []

    async def refuse(seen: Seen, _: object) -> bytes:
        asked.append(seen.headers["authorization"])
        return answer({"error": "no"}, status=401)

    with in_background(refuse) as server:
        ran = bronze(*RUN, *url_of(server))
        assert ran.status == 3
        assert len(asked) == 1
        (bronze.folder / "token.txt").unlink()
        asked.clear()
        assert bronze(*RUN, *url_of(server)).status == 2
    assert asked == []
