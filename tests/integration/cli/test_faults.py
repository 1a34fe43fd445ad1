"""Every fault of a server, through the whole engine: code, exit status, requests, partition."""

from __future__ import annotations

import asyncio
import email.utils
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import (
    AuthError,
    BronzeError,
    ExtractError,
    PageError,
    RetryError,
)
from tests.integration.cli.command import (
    DATE,
    PARTITION,
    PIPELINE,
    Bronze,
    Ran,
    hidden,
    in_background,
    paged,
    shop,
    tree,
    url_of,
)
from tests.integration.http_faults import FAULTS
from tests.integration.http_server import Handler, Seen, Server, answer

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose pipeline is to be run once, by the first test, and then fails."""
    folder = tmp_path_factory.mktemp("faults")
    shop(folder)
    return folder


@pytest.fixture
def before(
    committed: Path, bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, bytes]]:
    """What stands committed; it must stand there afterwards, and nothing beside it."""
    monkeypatch.chdir(committed)
    if not (committed / "lake").exists():
        with in_background(paged([{"id": 1}], [{"id": 2}])) as server:
            bronze.well(*RUN, *url_of(server))
    before = tree(committed / PARTITION)
    state = tree(committed / "lake/_state")
    assert len(before) == 3
    yield before
    assert tree(committed / PARTITION) == before
    assert tree(committed / "lake/_state") == state
    assert hidden(committed / "lake") == []


def judge(ran: Ran, error: type[BronzeError], text: str, folder: Path, requests: int) -> None:
    """The exit status and the code of `error`, once; the report tells the same."""
    assert ran.status == error.exit_code, ran.err
    assert ran.out == ""
    assert len(ran.errors) == 1
    assert ran.errors[0].startswith(f"{error.code} ")
    assert text in ran.errors[0]
    reports = (folder / f"lake/_runs/team/orders/{DATE}").glob("*.json")
    report = json.loads(max(reports, key=lambda path: path.stat().st_mtime_ns).read_bytes())
    assert (report["status"], report["error_code"]) == ("failed", error.code)
    assert report["requests"] == requests


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_after_two_good_pages(
    fault: str, bronze: Bronze, committed: Path, before: dict[str, bytes]
) -> None:
    handler, error, requests, text = FAULTS[fault]
    with in_background(handler) as server:
        ran = bronze(*RUN, *url_of(server))
        assert len(server.seen) == 2 + requests
    judge(ran, error, text, committed, 2 + requests)
    assert before


async def _silence(*_: object) -> None:
    await asyncio.Event().wait()


async def _silence_amid_the_body(_: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[")
    await _silence()


async def _trickle(_: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    while True:
        writer.write(b"[")
        await SYSTEM_CLOCK.sleep(0.01)


def _always(status: int, retry_after: str | None = None) -> Handler:
    async def handle(*_: object) -> bytes:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return answer({}, status=status, headers=headers)

    return handle


def _cursors(*names: str) -> Handler:
    count = 0

    async def handle(*_: object) -> bytes:
        nonlocal count
        count += 1
        return answer({"items": [{"id": count}], "next": names[(count - 1) % len(names)]})

    return handle


def _in(seconds: int) -> str:
    return email.utils.format_datetime(SYSTEM_CLOCK.now() + timedelta(seconds=seconds), usegmt=True)


CURSOR = ("records=items", 'paginator={type="cursor", cursor_path="next", cursor_param="c"}')
TIMEOUTS = ('apis.shop.timeout.read="50ms"', 'apis.shop.timeout.total="5s"')


class Case(msgspec.Struct, frozen=True):
    """A server that fails from its first request on."""

    handler: Handler
    error: type[BronzeError]
    requests: int
    text: str
    settings: tuple[str, ...] = ()


ALWAYS: dict[str, Case] = {
    "silence instead of an answer": Case(_silence, RetryError, 5, "read timeout", TIMEOUTS),
    "silence amid the body": Case(_silence_amid_the_body, RetryError, 5, "read timeout", TIMEOUTS),
    "a trickle": Case(
        _trickle,
        RetryError,
        5,
        "no whole answer within 0.1 s",
        ('apis.shop.timeout.total="100ms"',),
    ),
    "503 storm": Case(_always(503), RetryError, 5, "failed 5 times"),
    "429 an hour": Case(_always(429, "3600"), RetryError, 1, "3600 s"),
    "429 a date": Case(_always(429, _in(7200)), RetryError, 1, "retry.max_wait"),
    "503 an hour": Case(_always(503, "3600"), RetryError, 1, "3600 s"),
    "401": Case(_always(401), AuthError, 1, "no auth is configured"),
    "403": Case(_always(403), AuthError, 1, "403"),
    "404": Case(_always(404), ExtractError, 1, "not found"),
    "cursor A, A": Case(_cursors("A", "A"), PageError, 2, "'A' again", CURSOR),
    "cursor A, B, A": Case(_cursors("A", "B", "A"), PageError, 3, "'A' again", CURSOR),
}


@pytest.mark.parametrize("name", ALWAYS)
def test_fault_from_the_first_request_on(
    name: str, bronze: Bronze, committed: Path, before: dict[str, bytes]
) -> None:
    case = ALWAYS[name]
    settings = [part for setting in case.settings for part in ("--set", _whole(setting))]
    with in_background(case.handler) as server:
        ran = bronze(*RUN, *url_of(server), *settings)
        assert len(server.seen) == case.requests
    judge(ran, case.error, case.text, committed, case.requests)
    assert before


def _whole(setting: str) -> str:
    """`--set` for the pipeline's source, unless it is for the API."""
    return setting if setting.startswith("apis.") else f"source.{setting}"


@pytest.mark.parametrize("retry_after", ["1", "date", "soon"])
def test_a_429_that_passes_is_waited_for(retry_after: str, bronze: Bronze, tmp_path: Path) -> None:
    shop(tmp_path)
    pages = paged([{"id": 1}])

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if len(server.seen) == 1:
            text = _in(1) if retry_after == "date" else retry_after
            return answer({}, status=429, headers={"Retry-After": text})
        return await pages(seen, writer)

    with in_background(handle) as server:
        ran = bronze.well(*RUN, "--json", *url_of(server))
        assert len(server.seen) == 3
    assert (ran.json["rows"], ran.json["requests"], ran.json["retries"]) == (1, 3, 1)
    assert "no request goes to shop for" in ran.err


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:{closed}", "no connection"),
        ("http://api.example.invalid", "the name api.example.invalid can't be resolved"),
    ],
)
def test_no_server(
    url: str, text: str, bronze: Bronze, committed: Path, before: dict[str, bytes]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    ran = bronze(*RUN, *url_of(url.format(closed=closed)))
    judge(ran, RetryError, text, committed, 5)
    assert before


def test_silence_while_connecting(
    bronze: Bronze, committed: Path, before: dict[str, bytes]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, says no TLS hello
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}"
        limits = ("--set", 'apis.shop.timeout.connect="50ms"')
        ran = bronze(*RUN, *url_of(url), *limits)
    judge(ran, RetryError, "connect timeout", committed, 5)
    assert before


@pytest.mark.parametrize("kind", ["next_url", "link_header"])
def test_a_next_link_to_another_origin_is_followed_by_nobody(
    kind: str, bronze: Bronze, committed: Path, before: dict[str, bytes]
) -> None:
    with in_background(paged([])) as foreign, in_background(_linking(foreign)) as server:
        paginator = {
            "next_url": '{type="next_url", next_path="next"}',
            "link_header": '{type="link_header"}',
        }[kind]
        ran = bronze(
            *RUN,
            *url_of(server),
            *("--set", "source.records=items", "--set", f"source.paginator={paginator}"),
            *("--set", 'apis.shop.auth={type="bearer", token="canary-token"}'),
        )
        assert len(server.seen) == 1
        assert foreign.connections == 0
    judge(ran, PageError, "origin", committed, 1)
    assert "canary" not in ran.err
    assert before


def _linking(foreign: Server) -> Handler:
    async def handle(*_: Any) -> bytes:
        link = f"{foreign.url}/x?page=2"
        value = {"items": [{"id": 1}], "next": link}
        return answer(value, headers={"Link": f'<{link}>; rel="next"'})

    return handle
