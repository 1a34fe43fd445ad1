"""One bucket: every operation on it under the limits of its group, and its server's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, final

from botocore.exceptions import ClientError

from bronze_engine.clock import Clock
from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.contracts import Limits
from bronze_engine.errors import (
    BronzeError,
    Conflict,
    OutcomeUnknown,
    RetryError,
    StoreError,
)
from bronze_engine.limits.transient import Transient
from bronze_engine.store.s3.faults import FOREIGN, translate
from bronze_engine.store.s3.foreign import is_foreign, lacking

__all__ = ["Answer", "Bucket"]

T = TypeVar("T")
Answer = Mapping[str, Any]

_STALE_SECONDS: Final = 5.0
"""A Date of this age is asked for anew: two clocks drift by less than 1 ms in that time."""
_CLOCK_SET: Final = timedelta(seconds=2)
"""Dates have whole seconds; one that is further back than this says that the clock was set."""


@final
class Bucket:
    """Calls of an aiobotocore client. Raises what `faults.translate` makes of its errors.

    Keys are relative to the prefix of the store's URL.
    """

    def __init__(self, client: Any, config: S3StoreConfig, limits: Limits, clock: Clock) -> None:
        address = config.address
        self.base = f"{address.prefix}/" if address.prefix else ""
        """What all keys of the store begin with, as the server sees them."""
        self.url = f"s3://{address.container}/{self.base}".rstrip("/")
        self._client = client
        self._limits = limits
        self._clock = clock
        self._always = {"Bucket": address.container}
        if config.expected_bucket_owner is not None:
            self._always["ExpectedBucketOwner"] = config.expected_bucket_owner
        self._ahead: timedelta | None = None
        """How far the server's clock is ahead of our monotonic one."""
        self._heard_at = 0.0

    def tell(self, method: str, key: str | None) -> str:
        """An operation, for people."""
        return f"{method} {self.url}" + (f"/{key}" if key else "")

    async def call(
        self,
        method: str,
        key: str | None,
        /,
        judge: Callable[[Answer], None] = lambda _: None,
        **parameters: Any,
    ) -> Answer:
        """An operation that may be repeated, on an object or (without a key) on the bucket.

        `judge` looks at the answer within the attempt, and raises Transient for one that
        is as good as none.
        """

        async def attempt() -> Answer:
            with self.attempt(method, key):
                answer = await self.once(method, key, **parameters)
            judge(answer)
            return answer

        return await self.repeat(method, key, attempt)

    async def repeat(
        self, method: str, key: str | None, operation: Callable[[], Awaitable[T]]
    ) -> T:
        """Run an operation that may be repeated, and makes an `attempt` each time."""
        return await self._limits.call(operation, describe=self.tell(method, key))

    async def change(
        self, method: str, key: str, /, *, may_repeat: bool = False, **parameters: Any
    ) -> Answer:
        """An operation of which a lost answer matters.

        Raises OutcomeUnknown where an attempt may have been applied, and no answer came.
        """
        unknown = 0  # attempts that may have been applied

        async def attempt() -> Answer:
            nonlocal unknown
            unknown += 1
            try:
                with self.attempt(method, key):
                    return await self.once(method, key, **parameters)
            except Transient as exc:
                unknown -= not exc.is_sent
                raise
            except (BronzeError, Conflict):  # refused
                unknown -= 1
                raise

        told = self.tell(method, key)
        try:
            return await self._limits.call(attempt, describe=told, may_repeat=may_repeat)
        except RetryError as exc:
            if unknown:
                raise OutcomeUnknown(f"{told}: {exc.__cause__}") from exc
            raise

    @contextmanager
    def attempt(self, method: str, key: str | None) -> Iterator[None]:
        """Around one attempt: the errors of the client are translated."""
        try:
            yield
        except FOREIGN as exc:
            if isinstance(exc, ClientError):
                self._hear(exc.response)
            told, owner = self.tell(method, key), self._always.get("ExpectedBucketOwner")
            raise translate(exc, method, told, self._clock.now(), owner=owner) from exc

    async def once(self, method: str, key: str | None, /, **parameters: Any) -> Answer:
        """One request, within an `attempt`."""
        if key is not None:
            parameters["Key"] = self.base + key
        answer: Answer = await getattr(self._client, method)(**self._always, **parameters)
        if is_foreign(method, answer):
            if "Body" in answer:
                answer["Body"].close()
            status = answer["ResponseMetadata"]["HTTPStatusCode"]
            raise Transient(f"{status} by somebody else than an S3 server (see endpoint_url)")
        self._hear(answer)
        self.check_has(lacking(method, answer), method, key)
        return answer

    def check_has(self, missing: str | None, method: str, key: str | None) -> None:
        """Raises StoreError for what an answer lacks, if anything."""
        if missing is not None:
            raise StoreError(
                f"{self.tell(method, key)}: {self._client.meta.endpoint_url} leaves out {missing},"
                " which every S3 server sends; ask who runs it, or see endpoint_url",
                key=key,
            )

    async def now(self) -> datetime:
        """The server's clock, by the Date of its last answers; it runs forward.

        Asks only where nothing was heard for some seconds. Late by less than a second and
        the way of one answer.
        """
        if self._ahead is None or self._clock.monotonic() - self._heard_at > _STALE_SECONDS:
            try:
                await self.call("head_bucket", None)
            except StoreError as exc:
                if "permission" not in exc.context:
                    raise
                # A refusal has a Date too: policies may allow a prefix, and no bucket.
        if self._ahead is None:  # a server without Date: this machine's clock must do
            return self._clock.now()
        return _instant(self._clock.monotonic()) + self._ahead

    def _hear(self, answer: Answer) -> None:
        text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            date = parsedate_to_datetime(text).astimezone(UTC)
        except ValueError:
            return
        self._heard_at = self._clock.monotonic()
        ahead = date - _instant(self._heard_at)
        # A Date is cut to the second, and is older when it arrives: of several the one that
        # is furthest ahead is the closest.
        if self._ahead is None or ahead > self._ahead or self._ahead - ahead > _CLOCK_SET:
            self._ahead = ahead


def _instant(monotonic: float) -> datetime:
    return datetime.fromtimestamp(monotonic, UTC)
