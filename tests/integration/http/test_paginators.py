"""Every paginator with every auth and every way to stop, against a real server."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from bronze_engine.config.auths.auth import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
    CustomAuth,
    LoginAuth,
)
from bronze_engine.config.auths.oauth2 import (
    JwtBearerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
)
from bronze_engine.config.auths.signing import HmacAuth, SigV4Auth
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    GraphqlPaginator,
    NoPaginator,
    Paginator,
)
from bronze_engine.config.units import Secret
from tests.integration.http.paged_server import (
    COUNT,
    GRANTED,
    PAGINATORS,
    ROWS,
    SIZE,
    SIZED,
    pages_of,
    served,
)
from tests.integration.http_server import Seen, opened, serve
from tests.paged_rows import Kind, PagedRows

pytestmark = pytest.mark.integration

CLIENT: Final[dict[str, Any]] = {"client_id": "we", "client_secret": Secret("cl1ent")}

Proof = Callable[[Seen], bool]


def header(name: str, value: str) -> Proof:
    return lambda seen: seen.headers.get(name) == value


def signed(seen: Seen) -> bool:
    """Whether a keyed hash covers the request with its parameters and its body."""
    covered = f"{seen.headers['x-time']}{seen.method}{seen.target}".encode() + seen.body
    return seen.headers["x-sign"] == hmac.digest(b"s1gn", covered, "sha256").hex()


def signed_by_aws(seen: Seen) -> bool:
    return seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AK1D/")


TOKEN: Final = header("authorization", f"Bearer {GRANTED}")
BASIC: Final = base64.b64encode("user:pässword".encode()).decode()
AUTHS: Final[dict[str, tuple[Callable[[str, Path], Auth], Proof]]] = {
    "bearer": (
        lambda *_: BearerAuth(token=Secret("t0ken")),
        header("authorization", "Bearer t0ken"),
    ),
    "basic": (
        lambda *_: BasicAuth(username="user", password=Secret("pässword")),
        header("authorization", f"Basic {BASIC}"),
    ),
    "api_key-header": (
        lambda *_: ApiKeyAuth(key=Secret("k3y"), name="X-Shop-Key"),
        header("x-shop-key", "k3y"),
    ),
    "api_key-query": (
        lambda *_: ApiKeyAuth(key=Secret("k3y"), name="key", location="query"),
        lambda seen: seen.query.get("key") == "k3y",
    ),
    "oauth2_client_credentials": (
        lambda url, _: OAuth2ClientCredentialsAuth(token_url=f"{url}/token", **CLIENT),
        TOKEN,
    ),
    "oauth2_refresh_token": (
        lambda url, folder: OAuth2RefreshTokenAuth(
            token_url=f"{url}/token",
            refresh_token=Secret("f1rst"),
            token_store=str(folder / "tokens.json"),
            **CLIENT,
        ),
        TOKEN,
    ),
    "jwt_bearer": (
        lambda url, _: JwtBearerAuth(
            token_url=f"{url}/token", private_key=Secret("j" * 32), algorithm="HS256", issuer="we"
        ),
        TOKEN,
    ),
    "login": (lambda *_: LoginAuth(path="/token", json={"user": "we"}), TOKEN),
    "hmac": (
        lambda *_: HmacAuth(
            secret=Secret("s1gn"),
            sign="{timestamp}{method}{target}{body}",
            headers={"X-Time": "{timestamp}", "X-Sign": "{signature}"},
        ),
        signed,
    ),
    "sigv4": (
        lambda *_: SigV4Auth(
            service="execute-api",
            region="eu-central-1",
            access_key_id="AK1D",
            secret_access_key=Secret("s1gn"),
        ),
        signed_by_aws,
    ),
}
"""By name: the configuration for a server's URL, and what each request must then carry."""

COUNTED: Final[tuple[Kind, ...]] = ("page", "offset")
CHAINED: Final[tuple[Kind, ...]] = ("cursor", "header_cursor", "next_url", "link_header")

STOPS: Final[list[tuple[str, tuple[Kind, ...], dict[str, Any], dict[str, Any], int, int]]] = [
    # what ends it, of which paginators, what the server does, the options, requests, records
    ("an empty page", (*COUNTED, "keyset"), {}, {}, 6, COUNT),
    ("no next page", CHAINED, {}, SIZED, 5, COUNT),
    ("the total", COUNTED, {"states": ["total"]}, {"total_path": "total"}, 5, COUNT),
    (
        "the total pages",
        ("page",),
        {"states": ["total_pages"]},
        {"total_pages_path": "total_pages"},
        5,
        COUNT,
    ),
    (
        "has_more",
        (*COUNTED, *CHAINED, "keyset"),
        {"states": ["has_more"], "is_endless": True},
        {"has_more_path": "has_more"},
        5,
        COUNT,
    ),
    (
        "a short page",
        (*COUNTED, *CHAINED, "keyset"),
        {"is_endless": True},
        {"stop_on_short_page": True, **SIZED},
        5,
        COUNT,
    ),
    ("a short page after a full one", COUNTED, {}, SIZED, 5, COUNT),
    ("max_pages", (*COUNTED, *CHAINED, "keyset"), {"is_endless": True}, {"max_pages": 2}, 2, 10),
    ("max_records", (*COUNTED, *CHAINED, "keyset"), {"is_endless": True}, {"max_records": 7}, 2, 7),
]

CASES: Final = [
    pytest.param(kind, server, options, requests, records, id=f"{kind}-{stop}")
    for stop, kinds, server, options, requests, records in STOPS
    for kind in kinds
]


def test_no_paginator_and_no_auth_is_left_out(tmp_path: Path) -> None:
    auths = {type(auth_of("http://127.0.0.1", tmp_path)) for auth_of, _ in AUTHS.values()}
    assert auths == {*get_args(Auth)} - {CustomAuth}
    made: list[Paginator] = [make() for make in PAGINATORS.values()]
    others = {NoPaginator, GraphqlPaginator, AutoPaginator}  # each with a test of its own
    assert {type(paginator) for paginator in made} | others == {*get_args(Paginator)}


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(("kind", "server", "options", "requests", "records"), CASES)
async def test_every_paginator_with_every_auth_stops_where_it_should(
    kind: Kind,
    server: dict[str, Any],
    options: dict[str, Any],
    requests: int,
    records: int,
    auth: str,
    tmp_path: Path,
) -> None:
    auth_of, proof = AUTHS[auth]
    rows = PagedRows(kind, COUNT, **server)
    async with (
        serve(served(rows)) as there,
        opened(
            there,
            api={"auth": auth_of(there.url, tmp_path)},
            records="data",
            paginator=PAGINATORS[kind](**options),
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert len(pages_of(there)) == requests
        assert one.tally.requests == len(there.seen)
        assert all(map(proof, pages_of(there)))
        assert not one.tally.warnings


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(
    ("options", "requests", "records"),
    [({}, 5, COUNT), ({"max_pages": 2}, 2, 10), ({"max_records": 7}, 2, 7)],
)
async def test_graphql_with_every_auth(
    options: dict[str, Any], requests: int, records: int, auth: str, tmp_path: Path
) -> None:
    auth_of, proof = AUTHS[auth]
    paginator = GraphqlPaginator(
        page_info_path="pageInfo", size_variable="size", page_size=SIZE, **options
    )
    query = "query ($after: String) { orders(after: $after) { nodes { id } } }"
    async with (
        serve(served(PagedRows("graphql", COUNT))) as there,
        opened(
            there,
            api={"auth": auth_of(there.url, tmp_path)},
            method="POST",
            json={"query": query, "variables": {"shop": 5}},
            records="data",
            paginator=paginator,
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert len(pages_of(there)) == requests
        assert all(map(proof, pages_of(there)))
        bodies = [json.loads(seen.body) for seen in pages_of(there)]
        assert {body["query"] for body in bodies} == {query}
        assert bodies[0]["variables"] == {"shop": 5, "size": SIZE}
        assert bodies[1]["variables"] == {"shop": 5, "size": SIZE, "after": "5/1"}


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(("options", "records"), [({}, COUNT), ({"max_records": 7}, 7)])
async def test_one_answer_with_every_auth(
    options: dict[str, Any], records: int, auth: str, tmp_path: Path
) -> None:
    auth_of, proof = AUTHS[auth]
    async with (
        serve(served(PagedRows("none", COUNT))) as there,
        opened(
            there,
            api={"auth": auth_of(there.url, tmp_path)},
            records="data",
            paginator=NoPaginator(**options),
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert list(map(proof, pages_of(there))) == [True]


@pytest.mark.asyncio
@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("kind", ["next_url", "link_header", "cursor", "header_cursor", "page"])
@pytest.mark.parametrize(
    ("options", "requests", "records"),
    [({}, 5, COUNT), ({"max_pages": 2}, 2, 10), ({"max_records": 7}, 2, 7)],
)
async def test_auto_reads_on_from_the_first_answer(
    kind: Kind, options: dict[str, Any], requests: int, records: int, auth: str, tmp_path: Path
) -> None:
    auth_of, proof = AUTHS[auth]
    rows = PagedRows(kind, COUNT, states=["total_pages"] if kind == "page" else ["has_more"])
    paginator = AutoPaginator(size_param="size", page_size=SIZE, **options)
    async with (
        serve(served(rows)) as there,
        opened(
            there, api={"auth": auth_of(there.url, tmp_path)}, records="data", paginator=paginator
        ) as one,
    ):
        assert [record["id"] for record in await one.read()] == ROWS[:records]
        assert len(pages_of(there)) == requests  # the first page was not asked for twice
        assert all(map(proof, pages_of(there)))
        assert [seen.query["size"] for seen in pages_of(there)] == ["5"] * requests
        (told,) = one.tally.warnings
        assert f'type = "{kind}"' in told
        assert "Write it into" in told
        assert "k3y" not in told
