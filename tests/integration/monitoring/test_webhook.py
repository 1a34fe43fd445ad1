"""A webhook against a real server: what is retried, what is not, and what it is never told."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.notify import WebhookNotify
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import ExtractError, RetryError
from bronze_engine.notify.message import message_of_runs
from bronze_engine.notify.webhook import Webhook, open_webhook
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers
from tests.integration.http_server import Handler, Seen, answer, serve
from tests.unit.telemetry.reports import failed, report_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

KEY = "/services/T0/KEY-OF-OPS"


@asynccontextmanager
async def webhook(
    url: str, *, clock: Any = SYSTEM_CLOCK, secrets: Sequence[str] = (), **options: Any
) -> AsyncIterator[Webhook]:
    config = WebhookNotify(name="ops", url=Secret(url + KEY), proxy="none", **options)
    with Workers(1) as workers:
        async with open_webhook(config, clock, workers, lambda: frozenset(secrets)) as opened:
            yield opened


def answers(*statuses: int, headers: dict[str, str] | None = None) -> Handler:
    """One after the other; the last for ever."""
    left = list(statuses)

    async def handle(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer({}, status=left.pop(0) if len(left) > 1 else left[0], headers=headers)

    return handle


async def test_a_failure_is_told_as_json_with_the_report_of_the_run() -> None:
    async with serve(answers(200)) as server, webhook(server.url) as hook:
        await hook.send(message_of_runs([failed()]))
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", KEY)
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["idempotency-key"] == "attempt1"
    told = json.loads(seen.body)
    assert told["event"] == "run"
    assert told["outcome"] == "failure"
    assert told["summary"] == "team.orders 2025-01-15 failed: AUTH001 the key was refused"
    assert told["report"]["error_code"] == "AUTH001"
    assert told["runs"][0]["run_date"] == "2025-01-15"


async def test_a_server_that_fails_twice_is_asked_a_third_time() -> None:
    clock = ManualClock()
    async with serve(answers(503, 500, 200)) as server, webhook(server.url, clock=clock) as hook:
        await clock.drive(hook.send(message_of_runs([report_of()])))
    assert len(server.seen) == 3
    assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 1
    assert clock.monotonic() == pytest.approx(0.5 + 1.0)


async def test_it_gives_up_after_its_attempts_and_names_no_more_than_the_host() -> None:
    clock = ManualClock()
    async with (
        serve(answers(503)) as server,
        webhook(server.url, clock=clock, attempts=2) as hook,
    ):
        with pytest.raises(RetryError) as raised:
            await clock.drive(hook.send(message_of_runs([report_of()])))
    assert len(server.seen) == 2
    told = str(raised.value)
    assert f"notify.ops: POST {server.url} failed, at last with: status 503;" in told
    assert "no run needs to be repeated" in told
    assert "run again" not in told
    assert "KEY-OF-OPS" not in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_not_repeated(status: int) -> None:
    async with serve(answers(status)) as server, webhook(server.url) as hook:
        with pytest.raises(ExtractError, match=f"refused the message with status {status}"):
            await hook.send(message_of_runs([report_of()]))
    assert len(server.seen) == 1


async def test_no_redirect_is_followed() -> None:
    async with serve(answers(200)) as other:
        moved = answers(307, headers={"Location": other.url + "/x"})
        async with serve(moved) as server, webhook(server.url) as hook:
            with pytest.raises(ExtractError, match=r"redirects \(307\)"):
                await hook.send(message_of_runs([report_of()]))
    assert other.seen == []


async def test_a_server_that_hangs_is_left_after_the_timeout() -> None:
    async def hang(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes | None:
        await asyncio.Event().wait()
        return None

    async with (
        serve(hang) as server,
        webhook(server.url, timeout=Duration(0.1), attempts=1) as hook,
    ):
        with pytest.raises(RetryError, match="no whole answer within"):
            await hook.send(message_of_runs([report_of()]))


async def test_headers_and_a_body_of_its_own() -> None:
    async with (
        serve(answers(202)) as server,
        webhook(
            server.url,
            method="PUT",
            headers={"Authorization": Secret("Bearer TOKEN-1234")},
            body={
                "routing_key": "ROUTING-1234",
                "payload": {"summary": "{summary}", "rows": ["{rows}", "{{x}}", 7]},
                "dedup_key": "{pipeline}/{run_date} {code}",
            },
            secrets=["ROUTING-1234", "TOKEN-1234", "the key"],
        ) as hook,
    ):
        await hook.send(message_of_runs([failed()]))
    (seen,) = server.seen
    assert seen.method == "PUT"
    assert seen.headers["authorization"] == "Bearer TOKEN-1234"
    assert json.loads(seen.body) == {
        "routing_key": "ROUTING-1234",
        "payload": {
            "summary": "team.orders 2025-01-15 failed: AUTH001 *** was refused",
            "rows": ["0", "{x}", 7],
        },
        "dedup_key": "team.orders/2025-01-15 AUTH001",
    }


async def test_slack_gets_a_text_that_mentions_nobody() -> None:
    reports = [failed(error="EXT001 <!channel> & more"), report_of("team.b")]
    async with serve(answers(200)) as server, webhook(server.url, format="slack") as hook:
        await hook.send(message_of_runs(reports))
    text = json.loads(server.seen[0].body)["text"]
    first, second = text.splitlines()
    assert first.startswith(":x: bronze: 1 of 2 runs did not commit (1 failed, AUTH001 x1)")
    assert second == "• team.orders 2025-01-15: EXT001 &lt;!channel&gt; &amp; more"


async def test_it_goes_through_the_proxy_that_is_named() -> None:
    config = WebhookNotify(name="ops", url=Secret("http://hooks.example/x"))
    async with serve(answers(200)) as proxy:
        through = msgspec.structs.replace(config, proxy=proxy.url)
        with Workers(1) as workers:
            async with open_webhook(through, SYSTEM_CLOCK, workers, frozenset) as hook:
                await hook.send(message_of_runs([report_of()]))
    assert [seen.target for seen in proxy.seen] == ["http://hooks.example/x"]


async def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with serve(answers(200), tls=context) as server:
        async with webhook(server.url) as hook:
            with pytest.raises(ExtractError, match="certificate refused"):
                await hook.send(message_of_runs([report_of()]))
        async with webhook(server.url, ca_file=str(ca_file)) as hook:
            await hook.send(message_of_runs([report_of()]))
    assert len(server.seen) == 1


async def test_whatever_the_id_of_a_batch_and_the_value_of_a_header_it_is_sent() -> None:
    message = msgspec.structs.replace(message_of_runs([report_of()]), id="Übung 1\n")
    headers = {"X-Who": Secret("Ümit")}
    async with serve(answers(200)) as server, webhook(server.url, headers=headers) as hook:
        await hook.send(message)
    assert server.seen[0].headers["idempotency-key"] == "-bung-1-"
    assert server.seen[0].headers["x-who"].encode("latin-1").decode() == "Ümit"
