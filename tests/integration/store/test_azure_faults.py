"""What the Azure store makes of a network that loses, breaks and refuses: every operation, at
every request that it sends, under every fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from bronze_engine.errors import OutcomeUnknown, StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.store.azure.store import AzureStore
from bronze_engine.testing.stores import (
    data_file,
    keys_of,
    parts_of,
    read_all,
    stage_bytes,
    staged_keys,
)
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import (
    Fault,
    Request,
    answer,
    apply_then_answer,
    cut_answer,
    lose_answer,
    lose_request,
    reset_in_body,
)
from tests.integration.store.azure_proxied import is_conditional, proxied

pytestmark = pytest.mark.integration

BODY = bytes(range(256)) * 1200  # three parts of 100 KiB


async def nothing(_: AzureStore) -> None:
    pass


class Case(NamedTuple):
    """One operation of the contract."""

    name: str
    prepare: Callable[[AzureStore], Awaitable[Any]]
    act: Callable[[AzureStore, Any], Awaitable[Any]]
    is_done: Callable[[AzureStore, Any], Awaitable[bool]]
    """Given what `act` has returned, None if it failed."""
    sends_once: bool = False
    """Whether its conditional request is sent once."""
    looks: bool = False
    """Whether it finds out by itself what became of a request whose answer was lost."""


async def _body_of(store: AzureStore, key: str) -> bytes | None:
    found = await store.get(key)
    return None if found is None else found.body


async def _is_new(store: AzureStore, _: object) -> bool:
    return await _body_of(store, "k") == b"new"


async def _staged(store: AzureStore) -> Any:
    return await stage_bytes(store, "p/f", BODY, part_bytes=100 << 10)


async def _some(store: AzureStore) -> None:
    for key in ("a", "b/c", "k"):
        await store.put(key, b"old", expect=ANY)
    await _staged(store)


async def _is_whole(store: AzureStore, staged: Any) -> bool:
    await store.complete(staged)
    return await read_all(store, "p/f") == BODY and await staged_keys(store) == []


async def _is_complete(store: AzureStore, _: object) -> bool:
    return await keys_of(store) == ["p/f"] and await read_all(store, "p/f") == BODY


async def _is_empty(store: AzureStore, _: object) -> bool:
    return await keys_of(store) == [] and await staged_keys(store) == []


async def _is_true(_: AzureStore, result: object) -> bool:
    return result is True


CASES = (
    Case(
        "put expecting absence",
        nothing,
        lambda store, _: store.put("k", b"new", expect=ABSENT),
        _is_new,
        sends_once=True,
    ),
    Case(
        "put expecting a version",
        lambda store: store.put("k", b"old", expect=ABSENT),
        lambda store, version: store.put("k", b"new", expect=version),
        _is_new,
        sends_once=True,
    ),
    Case(
        "put expecting nothing",
        nothing,
        lambda store, _: store.put("k", b"new", expect=ANY),
        _is_new,
    ),
    Case("get", lambda store: store.put("k", BODY, expect=ANY), lambda store, _: _gets(store),
         _is_true),
    Case("read", lambda store: store.put("k", BODY, expect=ANY), lambda store, _: _reads(store),
         _is_true),
    Case("stage", nothing, lambda store, _: _staged(store), _is_whole),
    Case(
        "complete",
        _staged,
        lambda store, staged: store.complete(staged),
        _is_complete,
        sends_once=True,
        looks=True,
    ),
    Case("discard", _staged, lambda store, staged: store.discard(staged), _is_empty),
    Case("give up", nothing, lambda store, _: _gives_up(store), _is_empty),
    Case(
        "delete",
        lambda store: store.put("k", b"old", expect=ANY),
        lambda store, _: store.delete("k"),
        _is_empty,
    ),
    Case("scan", _some, lambda store, _: _scans(store), _is_true),
    Case("scan staged", _some, lambda store, _: _finds_staged(store), _is_true),
    Case("now", nothing, lambda store, _: _tells_time(store), _is_true),
)  # fmt: skip


async def _gets(store: AzureStore) -> bool:
    return await _body_of(store, "k") == BODY


async def _reads(store: AzureStore) -> bool:
    return await read_all(store, "k", start=7) == BODY[7:]


async def _gives_up(store: AzureStore) -> None:
    async with store.stage("p/f") as upload:
        for part in parts_of(BODY, 100 << 10):
            await upload.part(part)
        with pytest.raises(StoreError, match="bytes were staged"):
            await upload.seal(data_file("f", BODY + b"more"))


async def _scans(store: AzureStore) -> bool:
    return await keys_of(store) == ["a", "b/c", "k"]


async def _finds_staged(store: AzureStore) -> bool:
    return await staged_keys(store) == ["p/f"]


async def _tells_time(store: AzureStore) -> bool:
    return (await store.now()).tzinfo is not None


class Kind(NamedTuple):
    """One thing that goes wrong with a request."""

    name: str
    fault: Fault
    is_applied: bool = False
    is_refused: bool = False
    """The server has said that it did nothing."""


FAULTS = (
    Kind("the request is lost", lose_request),
    Kind("the answer is lost", lose_answer, is_applied=True),
    Kind("the connection breaks in the body", reset_in_body),
    Kind("500 InternalError", answer(500, "InternalError")),
    Kind("500 although applied", apply_then_answer(500, "OperationTimedOut"), is_applied=True),
    Kind("503 without a code", answer(503)),
    Kind("503 ServerBusy", answer(503, "ServerBusy", Retry_After="0"), is_refused=True),
    Kind("429", answer(429), is_refused=True),
    Kind("200 by somebody else", answer(200)),
    Kind("the answer is cut", cut_answer, is_applied=True),
)


async def requests_of(case: Case, azurite: Azurite) -> list[Request]:
    async with proxied(azurite) as (proxy, store, direct):
        given = await case.prepare(direct)
        await case.act(store, given)
        return proxy.seen


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_request_of_every_operation_may_fail(
    case: Case, kind: Kind, azurite: Azurite
) -> None:
    for place, request in enumerate(await requests_of(case, azurite)):
        async with proxied(azurite) as (proxy, store, direct):
            given = await case.prepare(direct)
            proxy.fail(kind.fault, after=place)
            is_once = case.sends_once and is_conditional(request)
            if is_once and not kind.is_refused and not (case.looks and kind.is_applied):
                with pytest.raises(OutcomeUnknown):
                    await case.act(store, given)
                result = None
                expected = kind.is_applied
            else:
                result = await case.act(store, given)
                expected = True
            assert await case.is_done(direct, result) is expected, (place, request)
