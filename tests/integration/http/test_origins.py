"""What the HTTP source sends to another origin than the API's own: links and redirects."""

from __future__ import annotations

import asyncio

import pytest

from bronze_engine.config.auths.auth import ApiKeyAuth
from bronze_engine.config.http.paginator import LinkHeaderPaginator, NextUrlPaginator
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError, BronzeError, ExtractError, PageError, RetryError
from tests.integration.http_faults import CREDENTIALS, ROW, silence
from tests.integration.http_server import ONCE, Handler, Seen, answer, opened, serve

pytestmark = pytest.mark.integration


def linking(link: str) -> Handler:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        first = "foreign" not in seen.target
        value = {"items": [{"id": int(first)}], "next": link if first else None}
        return answer(value, headers={"Link": f'<{link}>; rel="next"'} if first else {})

    return handle


@pytest.mark.asyncio
@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize("allowed", [False, True])
async def test_a_next_link_to_another_origin(by_header: bool, allowed: bool) -> None:
    paginator = LinkHeaderPaginator() if by_header else NextUrlPaginator(next_path="next")
    async with serve(linking("unused")) as other:
        link = f"{other.url}/foreign"
        api = {**CREDENTIALS, "allowed_origins": (other.url,) if allowed else ()}
        async with (
            serve(linking(link)) as server,
            opened(server, api=api, records="items", paginator=paginator) as one,
        ):
            if allowed:
                assert await one.read() == [{"id": 1}, {"id": 0}]
                assert len(other.seen) == 1
                assert b"canary" not in other.seen[0].raw
                assert "authorization" not in other.seen[0].headers
            else:
                with pytest.raises(PageError, match="another origin") as caught:
                    await one.read()
                assert other.url in str(caught.value)
                assert other.connections == 0
            assert server.seen[0].headers["authorization"] == "Bearer canary-token"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "template",
    [
        "http://user@{home}@{other}/foreign",
        "http://{home}\\@{other}/foreign",
        "http:\\\\{other}/foreign",
        "//{other}/foreign",
        "http://{home}#@{other}/foreign",
        "http://{home}%2f@{other}/foreign",
        "ftp://{home}/foreign",
        "javascript:alert(1)",
        "http://[::1/foreign",
        " http://{other}/foreign",
        "h\nttp://{other}/foreign",
    ],
)
async def test_links_made_to_confuse_reach_nobody_else(template: str) -> None:
    async with serve(linking("unused")) as other:
        held: list[str] = []

        async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
            return await linking(held[0])(seen, writer)

        async with (
            serve(handle) as server,
            opened(
                server,
                api={**CREDENTIALS, "retry": ONCE},
                records="items",
                paginator=NextUrlPaginator(next_path="next"),
            ) as one,
        ):
            home, away = server.url[7:], other.url[7:]
            held.append(template.format(home=home, other=away))
            try:
                await one.read()
            except BronzeError as exc:
                assert isinstance(exc, PageError | ExtractError | RetryError)  # noqa: PT017
            assert other.connections == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_takes_no_credential_along(status: int) -> None:
    async def there(*_: object) -> bytes:
        return answer(ROW)

    async with serve(there) as other:

        async def here(*_: object) -> bytes:
            return answer(body=b"", status=status, headers={"Location": f"{other.url}/y"})

        api = {
            "auth": ApiKeyAuth(key=Secret("canary-key"), name="key", location="query"),
            "headers": CREDENTIALS["headers"],
        }
        async with (
            serve(here) as server,
            opened(server, api=api, params={"secret": "canary-param"}) as one,
        ):
            assert await one.read() == ROW
            assert b"canary-key" in server.seen[0].raw
            assert b"canary" not in other.seen[0].raw
            assert one.tally.requests == 2


@pytest.mark.asyncio
async def test_a_redirect_at_home_keeps_the_credentials() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/x":
            return answer(body=b"", status=301, headers={"Location": "y"})
        return answer(ROW)

    async with serve(handle) as server, opened(server, api=CREDENTIALS) as one:
        assert await one.read() == ROW
        assert server.seen[1].path == "/y"
        assert server.seen[1].headers["authorization"] == "Bearer canary-token"


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_behind_a_redirect_says_that_credentials_stayed_at_home(
    status: int,
) -> None:
    async def there(*_: object) -> bytes:
        return answer({"message": "who are you"}, status=status)

    async with serve(there) as other:

        async def here(*_: object) -> bytes:
            return answer(body=b"", status=301, headers={"Location": f"{other.url}/y"})

        async with serve(here) as server, opened(server, api=CREDENTIALS) as one:
            with pytest.raises(AuthError) as caught:
                await one.read()
            assert f"this is the answer of {other.url}, and" in caught.value.message
            assert f"go to {server.url} alone: set base_url" in caught.value.message
            assert one.tally.requests == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302])
async def test_a_post_does_not_become_a_get(status: int) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/x":
            return answer(body=b"", status=status, headers={"Location": "/y?key=secret-key"})
        return answer(ROW)

    async with serve(handle) as server, opened(server, method="POST", json={"a": 1}) as one:
        with pytest.raises(ExtractError, match=rf"redirects a POST \({status}\) to .*/y") as caught:
            await one.read()
        assert "secret-key" not in caught.value.message
        assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_a_post_may_be_answered_elsewhere_by_303() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/x":
            return answer(body=b"", status=303, headers={"Location": "/y"})
        return answer(ROW)

    async with serve(handle) as server, opened(server, method="POST", json={"a": 1}) as one:
        assert await one.read() == ROW
        assert [(seen.method, seen.path) for seen in server.seen] == [("POST", "/x"), ("GET", "/y")]


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [307, 308])
async def test_a_post_is_not_redirected_to_another_origin(status: int) -> None:
    async with serve(silence) as other:

        async def here(*_: object) -> bytes:
            return answer(body=b"", status=status, headers={"Location": f"{other.url}/y"})

        async with serve(here) as server, opened(server, method="POST", json={"a": 1}) as one:
            with pytest.raises(ExtractError, match="another origin"):
                await one.read()
            assert other.connections == 0
