"""Rotating refresh tokens: none is ever lost, whoever fails, and none is used twice."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.config.auths.oauth2 import OAuth2RefreshTokenAuth
from bronze_engine.config.units import Secret
from bronze_engine.contracts import Credential, TokenStore
from bronze_engine.errors import AuthError, BronzeError, ConfigError, Conflict, StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.part import ABSENT, ANY, StoredObject
from bronze_engine.sources.http.auth.refresh_token import RefreshToken
from bronze_engine.sources.http.auth.token_file import TokenFile
from bronze_engine.sources.http.auth.token_record import Claim, first_record, read_record
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.workers import Workers
from tests.issuer import CLIENT, Issuer
from tests.unit.http.auth.asking import Asked, resources

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

KEY = "shop.json"


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


@pytest.fixture(params=["file", "store"])
def store(request: pytest.FixtureRequest, tmp_path: Path, workers: Workers) -> TokenStore:
    if request.param == "file":
        return TokenFile(str(tmp_path / "tokens" / "shop.json"), workers)
    return MemoryStore()


def config(seed: str = "seed", **more: Any) -> OAuth2RefreshTokenAuth:
    return OAuth2RefreshTokenAuth(
        token_url="https://login.example.com/token",
        client_id=CLIENT[0],
        client_secret=Secret(CLIENT[1]),
        refresh_token=Secret(seed),
        token_store="tokens",
        **more,
    )


class Process:
    """One process's auth over a store that others share."""

    def __init__(
        self, issuer: Issuer, store: TokenStore, workers: Workers, seed: str = "seed"
    ) -> None:
        self.exchange = Asked(issuer)
        clock = issuer.clock
        self.auth = RefreshToken(config(seed), resources(clock, workers, store))
        self.held: Credential | None = None

    async def credential(self) -> str:
        """The token to use; what was held before is taken for refused."""
        self.held = await self.auth.credential(self.held, self.exchange)
        return self.held.headers["Authorization"]


async def stored(store: TokenStore) -> Any:
    found = await store.get(KEY)
    return None if found is None else json.loads(found.body)


async def test_the_successor_is_stored_before_the_token_is_used(
    store: TokenStore, workers: Workers
) -> None:
    issuer = Issuer(ManualClock())
    process = Process(issuer, store, workers)
    assert await process.credential() == "Bearer access-1"
    assert (await stored(store))["refresh_token"] == "refresh-1" == issuer.refresh_token
    assert await process.credential() == "Bearer access-2"
    assert (await stored(store))["refresh_token"] == "refresh-2"
    assert (await stored(store))["claim"] is None


async def test_a_later_process_uses_the_stored_token_and_asks_for_none(
    store: TokenStore, workers: Workers
) -> None:
    issuer = Issuer(ManualClock())
    await Process(issuer, store, workers).credential()
    later = Process(issuer, store, workers)
    assert await later.credential() == "Bearer access-1"
    assert later.exchange.requests == []
    assert await later.credential() == "Bearer access-2"  # refused: now it asks


async def test_a_stored_token_that_is_about_to_expire_is_not_used(
    store: TokenStore, workers: Workers
) -> None:
    clock = ManualClock()
    issuer = Issuer(clock, lifetime_seconds=100)
    await Process(issuer, store, workers).credential()
    await clock.advance(96)
    assert await Process(issuer, store, workers).credential() == "Bearer access-2"


async def test_two_processes_that_are_refused_together_exchange_once(
    store: TokenStore, workers: Workers
) -> None:
    clock = ManualClock()
    issuer = Issuer(clock)
    first, second = (Process(issuer, store, workers) for _ in range(2))
    await first.credential()
    await second.credential()
    issuer.revoke_access()

    async def slowly() -> None:
        await clock.sleep(20)

    first.exchange.before = second.exchange.before = slowly
    both = asyncio.gather(first.credential(), second.credential())
    assert await clock.drive(_await(both)) == ["Bearer access-2", "Bearer access-2"]
    assert len(issuer.granted) == 2
    assert not issuer.is_revoked


async def _await(future: asyncio.Future[Any]) -> Any:
    return await future


async def test_who_was_refused_waits_for_the_exchange_that_is_under_way(
    store: TokenStore, workers: Workers
) -> None:
    """What is stored is about to be replaced: many servers end the old token with the new one."""
    clock = ManualClock()
    process = Process(Issuer(clock), store, workers)
    await process.credential()
    found = await store.get(KEY)
    assert found is not None
    record = read_record(found.body, "")
    claim = Claim.new()
    theirs = msgspec.structs.replace(record, access_token="old", claim=claim)
    version = await store.put(KEY, theirs.encoded(), expect=found.version)

    async def end() -> None:
        await clock.sleep(5)
        renewed = msgspec.structs.replace(record, access_token="new")
        await store.put(KEY, renewed.encoded(), expect=version)

    both = asyncio.gather(process.credential(), end())
    assert (await clock.drive(_await(both)))[0] == "Bearer new"
    assert process.held is not None
    assert process.held.is_shared
    assert len(process.exchange.requests) == 1


async def test_a_claim_of_a_process_that_is_gone_is_void_at_once(
    store: TokenStore, workers: Workers
) -> None:
    clock = ManualClock()
    issuer = Issuer(clock)
    await _claimed(store, pid=_dead_pid())
    assert await Process(issuer, store, workers).credential() == "Bearer access-1"
    assert clock.monotonic() == 0.0


async def test_a_claim_of_another_host_is_void_when_it_has_not_moved_for_a_minute(
    store: TokenStore, workers: Workers
) -> None:
    clock = ManualClock()
    issuer = Issuer(clock)
    await _claimed(store, host="elsewhere")
    process = Process(issuer, store, workers)
    assert await clock.drive(process.credential()) == "Bearer access-1"
    assert 60 <= clock.monotonic() < 61


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def _claimed(store: TokenStore, *, host: str | None = None, pid: int = 1) -> None:
    """Leave the record as a process does that dies in the middle of an exchange."""
    record = first_record("seed")
    claim = msgspec.structs.replace(Claim.new(), pid=pid)
    claim = claim if host is None else msgspec.structs.replace(claim, host=host)
    record = msgspec.structs.replace(record, claim=claim)
    await store.put(KEY, record.encoded(), expect=ABSENT)


async def test_a_new_refresh_token_in_the_configuration_replaces_what_is_stored(
    store: TokenStore, workers: Workers
) -> None:
    issuer = Issuer(ManualClock())
    await Process(issuer, store, workers).credential()
    anew = Issuer(ManualClock(), seed="authorised anew")
    assert await Process(anew, store, workers, "authorised anew").credential() == "Bearer access-1"
    assert anew.forms[0]["refresh_token"] == "authorised anew"


async def test_a_refusal_says_what_to_do_and_leaves_no_claim(
    store: TokenStore, workers: Workers
) -> None:
    issuer = Issuer(ManualClock())
    issuer.is_revoked = True
    with pytest.raises(AuthError, match="authorise anew") as caught:
        await Process(issuer, store, workers).credential()
    assert "invalid_grant" in caught.value.message
    assert "*** is not good" in caught.value.message  # the server repeats the token
    assert (await stored(store))["claim"] is None


async def test_a_server_without_rotation_keeps_the_refresh_token(
    store: TokenStore, workers: Workers
) -> None:
    issuer = Issuer(ManualClock(), rotates=False)
    process = Process(issuer, store, workers)
    await process.credential()
    await process.credential()
    assert (await stored(store))["refresh_token"] == "seed"
    assert len(issuer.granted) == 2


async def test_an_exchange_that_takes_too_long_is_given_up_and_may_pass(
    store: TokenStore, workers: Workers
) -> None:
    clock = ManualClock()
    process = Process(Issuer(clock), store, workers)

    async def for_ever() -> None:
        await clock.sleep(3600)

    process.exchange.before = for_ever
    with pytest.raises(Transient, match="no token within 30 s"):
        await clock.drive(process.credential())
    assert (await stored(store))["claim"] is None


async def test_a_cancelled_run_finishes_the_exchange_that_it_began(
    store: TokenStore, workers: Workers
) -> None:
    issuer = Issuer(ManualClock())
    process = Process(issuer, store, workers)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await go_on.wait()

    process.exchange.after = hold  # the server has rotated, and its answer is on its way
    task = asyncio.create_task(process.credential())
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)  # noqa: TID251  # one turn of the loop: the cancellation arrives
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await stored(store))["refresh_token"] == issuer.refresh_token == "refresh-1"


class Crash(BaseException):
    """The end of a process, as far as its memory goes."""


class Dying:
    """A store whose process ends at its n-th operation, before or after it took effect."""

    def __init__(self, store: TokenStore, at: int, *, after: bool) -> None:
        self._store = store
        self._at = at
        self._after = after
        self.count = 0

    def _check(self, *, after: bool) -> None:
        if not after:
            self.count += 1
        if self.count > self._at or (self.count == self._at and after == self._after):
            raise Crash

    async def get(self, key: str, /) -> StoredObject | None:
        self._check(after=False)
        found = await self._store.get(key)
        self._check(after=True)
        return found

    async def put(self, key: str, body: bytes, /, *, expect: Any) -> str:
        self._check(after=False)
        version = await self._store.put(key, body, expect=expect)
        self._check(after=True)
        return version


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_loses_no_token_but_between_the_answer_and_its_storing(
    workers: Workers, *, after: bool
) -> None:
    """Died before asking, or after storing: the next process goes on. In between, where no
    client can help, the next one says what to do."""
    ends: list[str] = []
    for at in range(1, 20):
        issuer, store = Issuer(ManualClock()), MemoryStore()
        dying = Dying(store, at, after=after)
        with suppress(Crash):
            await Process(issuer, dying, workers).credential()
        is_over = dying.count < at
        found = await store.get(KEY)
        if found is not None and (record := json.loads(found.body))["claim"]:
            record["claim"]["pid"] = _dead_pid()
            await store.put(KEY, json.dumps(record).encode(), expect=ANY)
        granted = len(issuer.granted)
        try:
            await Process(issuer, store, workers).credential()
        except AuthError as exc:
            ends.append("lost" if "authorise anew" in exc.message else exc.message)
        else:
            assert not issuer.is_revoked
            ends.append("anew" if len(issuer.granted) > granted else "used")
        if is_over:
            break
    # get, get, put the claim, [exchange], put the tokens
    assert ends == (
        ["anew", "anew", "anew", "used", "used"]
        if after
        else ["anew", "anew", "anew", "lost", "used"]
    )


FAULTS: tuple[Fault, ...] = ("fail_before", "fail_after", "lost")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_that_fails_once_loses_no_token(fault: Fault, workers: Workers) -> None:
    for at in range(1, 20):
        clock = ManualClock()
        issuer, memory = Issuer(clock), MemoryStore()
        faulty = inject(memory, at=at, fault=fault)
        with suppress(BronzeError):
            await clock.drive(Process(issuer, faulty, workers).credential())
        again = Process(issuer, memory, workers)
        assert (await clock.drive(again.credential())).startswith("Bearer access-")
        assert not issuer.is_revoked
        if not faulty.script.fired:
            return
    pytest.fail("it never ends")


async def test_tokens_that_can_not_be_stored_are_not_used(workers: Workers) -> None:
    clock = ManualClock()
    memory = MemoryStore()
    process = Process(Issuer(clock), memory, workers)

    async def broken(*_: object, **__: object) -> str:
        raise StoreError("the store is full")

    async def after() -> None:
        patch.setattr(memory, "put", broken)

    with pytest.MonkeyPatch.context() as patch:
        process.exchange.after = after
        with pytest.raises(StoreError, match=r"could not be stored .*full.*authorise anew"):
            await clock.drive(process.credential())
    assert process.held is None


async def test_who_lost_its_claim_takes_what_the_other_has_stored(workers: Workers) -> None:
    clock = ManualClock()
    memory = MemoryStore()
    process = Process(Issuer(clock), memory, workers)

    async def another() -> None:
        record = await stored(memory)
        record |= {"refresh_token": "theirs", "access_token": "their access", "claim": None}
        await memory.put(KEY, json.dumps(record).encode(), expect=ANY)

    process.exchange.after = another
    assert await process.credential() == "Bearer their access"
    assert (await stored(memory))["refresh_token"] == "theirs"


async def test_what_is_no_record_is_left_alone(store: TokenStore, workers: Workers) -> None:
    await store.put(KEY, b"[1]", expect=ABSENT)
    with pytest.raises(AuthError, match="something else than tokens"):
        await Process(Issuer(ManualClock()), store, workers).credential()
    await store.put(KEY, b'{"format_version":2,"seed":"x","refresh_token":"y"}', expect=ANY)
    with pytest.raises(AuthError, match="newer bronze-engine"):
        await Process(Issuer(ManualClock()), store, workers).credential()


async def test_no_repr_shows_a_token(store: TokenStore, workers: Workers) -> None:
    process = Process(Issuer(ManualClock()), store, workers)
    await process.credential()
    shown = f"{process.held!r} {process.exchange.requests!r} {config()!r}"
    for secret in ("access-1", "refresh-1", "seed", CLIENT[1]):
        assert secret not in shown
    assert process.held is not None
    assert set(process.held.secrets) == {"access-1", "refresh-1"}
    record = msgspec.json.decode((await store.get(KEY)).body)  # type: ignore[union-attr]
    assert record["access_token"] == "access-1"


# The file


async def test_the_file_is_its_owners_alone(tmp_path: Path, workers: Workers) -> None:
    path = tmp_path / "new" / "tokens.json"
    file = TokenFile(str(path), workers)
    old = os.umask(0)
    try:
        await file.put(KEY, b"{}", expect=ABSENT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "tokens.json",
        "tokens.json.lock",
    ]


async def test_a_file_that_others_can_read_is_refused(tmp_path: Path, workers: Workers) -> None:
    path = tmp_path / "tokens.json"
    path.write_text("{}")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"mode 640.*chmod 600"):
        await TokenFile(str(path), workers).get(KEY)


async def test_a_file_is_written_by_compare_and_set(tmp_path: Path, workers: Workers) -> None:
    file = TokenFile(str(tmp_path / "tokens.json"), workers)
    version = await file.put(KEY, b"1", expect=ABSENT)
    with pytest.raises(Conflict):
        await file.put(KEY, b"2", expect=ABSENT)
    second = await file.put(KEY, b"2", expect=version)
    with pytest.raises(Conflict):
        await file.put(KEY, b"3", expect=version)
    found = await file.get(KEY)
    assert found is not None
    assert (found.body, found.version) == (b"2", second)


async def test_a_lock_that_a_stopped_process_holds_is_told(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bronze_engine.sources.http.auth.token_file._TRIES", 2)
    file = TokenFile(str(tmp_path / "tokens.json"), workers)
    version = await file.put(KEY, b"1", expect=ABSENT)
    lock = os.open(tmp_path / "tokens.json.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="stays locked"):
            await file.put(KEY, b"2", expect=version)
    finally:
        os.close(lock)
    await file.put(KEY, b"2", expect=version)


async def test_a_link_is_not_followed(tmp_path: Path, workers: Workers) -> None:
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "tokens.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"tokens\.json"):
        await TokenFile(str(tmp_path / "tokens.json"), workers).get(KEY)
