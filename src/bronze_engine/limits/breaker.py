"""The circuit breaker: a server that is down is asked by one request at a time.

    closed -- `failures` in a row --> open -- `cooldown` --> half-open -- probe ok --> closed
                                        ^------- probe failed -----'

Only timeouts, connection errors and 5xx are failures. A failure counts if its attempt
started after the last success, and at most once in 100 ms: a blip with many requests in
flight is one failure, not as many as there were requests.

A server that has stayed down over several probes is not waited for any more: the fifty runs of
its API that a batch still holds would each wait for the next one (measured, at a tenth of the
default waits and four runs at a time: 52 s instead of 18).
"""

from __future__ import annotations

import logging
import math
from datetime import UTC
from typing import Final, Literal, final

import anyio

from bronze_engine.clock import Clock
from bronze_engine.config.api import CircuitBreaker
from bronze_engine.contracts import Hook
from bronze_engine.errors import CircuitOpen
from bronze_engine.telemetry.events import BreakerChanged

__all__ = ["Breaker", "BreakerState", "Passage"]

logger = logging.getLogger(__name__)

BreakerState = Literal["closed", "open", "half-open"]

FAILURE_SPACING_SECONDS: Final = 0.1

_HOPELESS_PROBES: Final = 4
"""So many failed in a row, with what opened the breaker before them, are the five attempts after
which a single request is given up."""


@final
class Breaker:
    """One breaker; every attempt goes through it by `admit`."""

    def __init__(
        self, config: CircuitBreaker, *, clock: Clock, publish: Hook, name: str, component: str
    ) -> None:
        self.state: BreakerState = "closed"
        self._config = config
        self._clock = clock
        self._publish = publish
        self._name = name
        self._component = component
        self._failures = 0
        self._counted_at = -math.inf
        self._half_open_at = -math.inf
        self._openings = 0
        self._opened_at = clock.now()
        self._failed_probes = 0
        self._probe: Passage | None = None
        self._changed = anyio.Event()
        # Attempts and successes are ordered by a count, not by time: two of them may share
        # an instant.
        self._starts = 0
        self._last_success = 0

    async def admit(self, describe: str) -> Passage:
        """Wait for leave to make an attempt; the caller must `leave()` what this returns.

        Closed: at once. Open: until the cooldown has passed; then the first becomes the
        probe, and the others wait for what it finds, at most one more cooldown. Raises
        CircuitOpen, naming `describe`, when the probe has failed or did not come back; at once
        where several in a row have, until the next may be sent. Cancelled here, nothing is held.
        """
        met = self._openings
        while True:
            if self.state == "closed":
                return Passage(self)
            if self._openings != met:
                raise self._refusal(describe, "the probe has failed")
            if self.state == "open":
                left = self._half_open_at - self._clock.monotonic()
                if left > 0:
                    if self._failed_probes >= _HOPELESS_PROBES:
                        why = f"{self._failed_probes} probes in a row have failed"
                        raise self._refusal(describe, why)
                    await self._clock.sleep(left)
                    continue
                self._change("half-open")
            if self._probe is None:
                self._probe = Passage(self)
                return self._probe
            try:
                async with self._clock.timeout(self._config.cooldown):
                    await self._changed.wait()
            except TimeoutError:
                raise self._refusal(describe, "the probe has not come back") from None

    def start(self, passage: Passage) -> bool:
        if self.state != "closed" and self._probe is not passage:
            return False
        self._starts += 1
        passage.started = self._starts
        return True

    def succeed(self, passage: Passage) -> None:
        if self._probe is passage:
            self._probe = None
            self._failed_probes = 0
            self._change("closed")
        if self.state == "closed":
            self._failures = 0
            self._last_success = self._starts

    def fail(self, passage: Passage) -> None:
        if self._probe is passage:
            self._probe = None
            self._failed_probes += 1
            self._open()
        if self.state != "closed" or passage.started <= self._last_success:
            return
        now = self._clock.monotonic()
        if now - self._counted_at < FAILURE_SPACING_SECONDS:
            return
        self._counted_at = now
        self._failures += 1
        if self._failures >= self._config.failures:
            self._open()

    def leave(self, passage: Passage) -> None:
        if self._probe is passage:
            self._probe = None
            self._tell()

    def _open(self) -> None:
        self._failures = 0
        self._openings += 1
        if self._failed_probes == 0:
            self._opened_at = self._clock.now()
        self._half_open_at = self._clock.monotonic() + self._config.cooldown
        self._change("open")

    def _change(self, state: BreakerState) -> None:
        self.state = state
        level = logging.WARNING if state == "open" else logging.INFO
        logger.log(
            level,
            "metric=breaker_state component=%(component)s state=%(state)s",
            {"metric": "breaker_state", "component": self._component, "state": state},
        )
        self._tell()
        self._publish(BreakerChanged(component=self._component, state=state))

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _refusal(self, describe: str, why: str) -> CircuitOpen:
        left = max(0.0, self._half_open_at - self._clock.monotonic())
        since = self._opened_at.astimezone(UTC)
        return CircuitOpen(
            f"{describe} was not sent: the circuit breaker of {self._name} is open since "
            f"{since:%Y-%m-%d %H:%M:%S} UTC, after {self._config.failures} failures in a row, "
            f"and {why}. Check that the server is up; it may be tried again in {left:.0f} s",
            group=self._name,
        )


@final
class Passage:
    """Leave to make one attempt, and the place to say how it went."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self.started = 0
        """Place of the attempt in the order of all attempts, from 1; 0 before `start`."""

    def start(self) -> bool:
        """Call directly before the request. False: the breaker opened meanwhile, ask again."""
        return self._breaker.start(self)

    def succeed(self) -> None:
        """The server answered as it should."""
        self._breaker.succeed(self)

    def fail(self) -> None:
        """The server is not well: a timeout, a connection error, a 5xx."""
        self._breaker.fail(self)

    def leave(self) -> None:
        """Always called last. A probe that has found out nothing hands its role on."""
        self._breaker.leave(self)
