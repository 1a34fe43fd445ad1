"""Tokens that Redis counts, for all processes that name the same database."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from bronze_engine.clock import Clock
from bronze_engine.config.redis import RedisAddress
from bronze_engine.limits.redis.link import Link
from bronze_engine.limits.redis.scripts import (
    LEASE_OF_MINUTE,
    LEASE_OF_SECOND,
    MINUTE_SECONDS,
    PAUSE,
)
from bronze_engine.limits.tokens import MOST_AHEAD_SECONDS, Lease, SharedRate
from bronze_engine.shield import finish

__all__ = ["RedisTokens"]

T = TypeVar("T")

_TIMEOUT_SECONDS: Final = 1.0
"""Of one request, connecting included: no run waits longer for a server that hangs."""
_SLOWER: Final = 1.01
"""Tokens are a hundredth further apart than they might be. So a window of ten seconds holds no
more than it may, although a process may use its token a tenth of a second late, and the first
request waits for its connection."""
_PLAIN = re.compile(r"[A-Za-z0-9._/-]{1,80}")


@final
class RedisTokens:
    """Implements `Tokens`. One for all limit groups of an engine; connects when first asked."""

    def __init__(self, address: RedisAddress, *, clock: Clock) -> None:
        password = address.password
        self._client = Redis(
            host=address.host,
            port=address.port,
            db=address.database,
            username=address.user,
            password=None if password is None else password.reveal(),
            ssl=address.is_tls,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # a request that was perhaps done is not to be repeated
            protocol=2,  # the third one's HELLO and its kin are commands that a user would need
        )
        self._clock = clock
        self._link = Link(clock, str(address))
        self._process = uuid.uuid4().hex[:12]
        self._processes: set[str] = set()
        """The keys at which this process is counted."""
        self._hashes: dict[str, str] = {}
        self.processes: Final = address.processes

    @property
    def regained_at(self) -> float | None:
        return self._link.regained_at

    async def lease(self, rate: SharedRate, count: int) -> Lease | None:
        bucket, processes = _key(rate.group, rate.kind), _key(rate.group, "processes")
        keys = [bucket, processes, _key(rate.group, "pause")]
        script, arguments = _lease_script(rate, count, is_new_empty=self._link.was_lost)
        found = await self._ask(lambda: self._run(script, keys, [self._process, *arguments]))
        if found is None:
            return None
        self._processes.add(processes)
        others, paused_ms, left, *due = found
        return Lease(
            due_seconds=tuple(each / 1e6 for each in due),
            tokens=float(left),
            processes=others,
            pause_seconds=paused_ms / 1e3,
        )

    async def pause(self, group: str, seconds: float) -> None:
        keys, milliseconds = [_key(group, "pause")], max(1, round(seconds * 1000))
        await self._ask(lambda: self._run(PAUSE, keys, [milliseconds]))

    async def aclose(self) -> None:
        await finish(self._leave, grace_seconds=lambda: _TIMEOUT_SECONDS)

    async def _leave(self) -> None:
        if self._processes:
            leaving = self._client.pipeline(transaction=False)
            for key in self._processes:
                leaving.zrem(key, self._process)
            await self._ask(leaving.execute)
        await self._client.aclose()

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        """A script by its hash, which the server knows from the second time on."""
        found = self._hashes.get(script)
        if found is None:
            found = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
            self._hashes[script] = found
        values = (*keys, *(str(each) for each in arguments))
        try:
            return await self._client.evalsha(found, len(keys), *values)
        except NoScriptError:
            return await self._client.eval(script, len(keys), *values)

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T | None:
        """What the server answers; None where it does not, or refuses."""
        if not self._link.may_try():
            return None
        try:
            async with self._clock.timeout(_TIMEOUT_SECONDS):
                answer = await request()
        except (RedisError, OSError) as exc:  # TimeoutError is of the latter
            self._link.lost(exc)
            return None
        self._link.reached()
        return answer


def _lease_script(
    rate: SharedRate, count: int, *, is_new_empty: bool
) -> tuple[str, Sequence[object]]:
    if rate.kind == "minute":
        return LEASE_OF_MINUTE, (count, round(MINUTE_SECONDS * 1e6), rate.capacity)
    most = 1 + int(rate.rate * MOST_AHEAD_SECONDS)
    interval = format(_SLOWER * 1e6 / rate.rate, ".17g")
    return LEASE_OF_SECOND, (count, interval, rate.capacity, int(is_new_empty), most)


def _key(group: str, kind: str) -> str:
    name = group
    if _PLAIN.fullmatch(group) is None:
        name = hashlib.sha256(group.encode()).hexdigest()[:32]
    return f"bronze:{{{name}}}:{kind}"
