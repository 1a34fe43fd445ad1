# ruff: noqa: INP001, S101  # tests of another package
"""The source, the store and the auth pass the checks of bronze-engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from bronze_mailbox.announced import Announced, AnnouncedConfig
from bronze_mailbox.mbox import MboxConfig, MboxSource
from bronze_mailbox.ticket import Ticket, TicketAuth

from bronze_engine.plugins import (
    Api,
    Block,
    LocalStoreConfig,
    Secret,
    Store,
    TokenAnswer,
    TokenRequest,
)
from bronze_engine.testing import (
    AUTH_CHECKS,
    SOURCE_CHECKS,
    STORE_CHECKS,
    AuthCheck,
    AuthSubject,
    SourceCheck,
    SourceSubject,
    StoreCheck,
    asked,
    lend,
    lend_to_store,
    name_of,
)

KEY, TICKET = "canarykey0123", "canaryticket0123"


def mailbox(count: int) -> str:
    return "".join(
        f"From me@here Wed Jan 15 10:00:00 2025\nFrom: me@here\nTo: you@there, her@there\n"
        f"Date: Wed, 15 Jan 2025 10:00:{number % 60:02} +0000\nSubject: No. {number}\n"
        f"Message-ID: <{number}@here>\n\n{'Hello. ' * 1200}\n>From here on.\n\n"
        for number in range(count)
    )


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=name_of)
async def test_mbox(check: SourceCheck, tmp_path: Path) -> None:
    (tmp_path / "a.mbox").write_text(mailbox(70))  # three blocks
    (tmp_path / "b.mbox").write_text(mailbox(1))
    (tmp_path / "empty.mbox").write_text("")

    @asynccontextmanager
    async def make() -> AsyncIterator[SourceSubject]:
        yield SourceSubject(
            source_type=MboxSource(),
            config=MboxConfig(folder=str(tmp_path)),
            broken=MboxConfig(folder=str(tmp_path / "missing")),
        )

    await check(make)


async def test_one_broken_message_ends_no_run(tmp_path: Path) -> None:
    broken = (
        b"From a\nSubject: 1\nContent-Type: text/plain; charset=x-none\n\ncaf\xe9\n"
        b"From b\nSubject: 2\nTo: @@,,<>\n\n2\n"
        b"From c\nSubject: 3\nTo: you@there\n\n3\n"
    )
    (tmp_path / "a.mbox").write_bytes(broken)
    config = MboxConfig(folder=str(tmp_path))
    blocks: list[Block] = []

    async def emit(block: Block) -> None:
        blocks.append(block)

    async with (
        lend() as lent,
        MboxSource().open(config, asked(), lent.resources) as source,
    ):
        async for piece in source.slices():
            await source.read(piece, emit)
    rows = [json.loads(line) for block in blocks for line in block.data.splitlines()]
    assert [row["subject"] for row in rows] == ["1", "2", "3"]
    assert [row["text"] for row in rows] == ["caf\ufffd\n", "2\n", "3\n"]
    assert [row["recipients"] for row in rows] == ["", "", "you@there"]


@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_announced(check: StoreCheck, tmp_path: Path) -> None:
    disk = LocalStoreConfig(name="disk", path=str(tmp_path / "lake"))
    config = AnnouncedConfig(name="lake", store=disk, log=str(tmp_path / "log"))

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        async with lend_to_store() as resources, Announced().open(config, resources) as store:
            yield store

    await check(opened)


@pytest.mark.parametrize("check", AUTH_CHECKS, ids=name_of)
async def test_ticket(check: AuthCheck) -> None:
    sold = 0

    def grant(request: TokenRequest) -> TokenAnswer:
        nonlocal sold
        sold += 1
        status = 200 if request.body == KEY.encode() else 403
        return TokenAnswer(status=status, headers={}, body=f"{TICKET}{sold}".encode())

    auth = TicketAuth(office="https://office.example/tickets", key=Secret(KEY))

    def make() -> AbstractAsyncContextManager[AuthSubject]:
        return subject(
            AuthSubject(
                auth_type=Ticket,
                api=Api(name="shop", base_url="https://shop.example", auth=auth),
                grant=grant,
                secrets=(KEY, TICKET),
            )
        )

    await check(make)


@asynccontextmanager
async def subject(value: AuthSubject) -> AsyncIterator[AuthSubject]:
    yield value
