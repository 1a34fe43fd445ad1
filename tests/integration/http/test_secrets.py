"""No secret is in what the HTTP source says of a fault, whatever the server sends."""

from __future__ import annotations

import asyncio
import logging
import traceback

import pytest

from bronze_engine.config.auths.auth import ApiKeyAuth, BearerAuth
from bronze_engine.config.units import Secret
from bronze_engine.errors import BronzeError
from tests.integration.http_faults import CREDENTIALS, FAULTS, PAGES, QUICK, silence
from tests.integration.http_server import Handler, Seen, answer, opened, serve

pytestmark = pytest.mark.integration


def echo(status: int) -> Handler:
    """Repeats the whole request, as debugging proxies do."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        return answer({"message": "you sent " + seen.raw.decode()}, status=status)

    return handle


LEAKY: dict[str, Handler | None] = {
    **{name: handler for name, (handler, *_) in FAULTS.items() if name != "gzip bomb"},
    **{f"echo {status}": echo(status) for status in (400, 401, 403, 404, 429, 500)},
    "silence": silence,
    "refused": None,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("in_query", [False, True])
@pytest.mark.parametrize("fault", LEAKY)
async def test_no_secret_is_in_any_message(
    fault: str, in_query: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handler = LEAKY[fault]
    auth = (
        ApiKeyAuth(key=Secret("canary/key"), name="key", location="query")
        if in_query
        else BearerAuth(token=Secret("canary-token"))
    )
    async with serve(handler or silence) as server:
        base_url = server.url if handler else "http://127.0.0.1:1"
        async with opened(
            f"{base_url}?secret=canary-base",
            api={"auth": auth, "headers": CREDENTIALS["headers"], "timeout": QUICK},
            params={"password": "canary-param"},
            paginator=PAGES,
        ) as one:
            with pytest.raises(BronzeError) as caught:
                await one.read()
        texts = [
            *traceback.format_exception(caught.value),
            caplog.text,
            repr(caught.value.context),
            repr(one.events),
            repr(one.tally.warnings),
        ]
        for text in texts:
            assert "canary" not in text
        link: BaseException | None = caught.value
        while link is not None:  # what a logger that follows __context__ would print
            assert "canary" not in repr(link) + str(link)
            link = link.__cause__ or link.__context__
