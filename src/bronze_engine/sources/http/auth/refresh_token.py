"""`type = "oauth2_refresh_token"`: tokens whose successors must never be lost.

Many servers give out a new refresh token with each access token, and take the use of an old
one for a theft: they revoke everything. So of all processes that share a token_store one at a
time exchanges the token; what it gets is stored before it is used; and an exchange that has
begun is finished although its run is cancelled.

    read the record -> claim it (compare-and-set) -> exchange -> store (compare-and-set) -> use

Who finds a claim waits for its end and takes the tokens that are there then. A claim is void
when its process is gone, or when it has not moved for a minute: no clocks are compared.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final, final

import msgspec

from bronze_engine.config.auths.oauth2 import OAuth2RefreshTokenAuth
from bronze_engine.contracts import AuthResources, Credential, Exchange, TokenStore
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, StoreError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.part import ABSENT, Expect, StoredObject, Version
from bronze_engine.shield import finish
from bronze_engine.sources.http.auth.reread import reread
from bronze_engine.sources.http.auth.token_file import TokenFile
from bronze_engine.sources.http.auth.token_record import Claim, Record, first_record, read_record
from bronze_engine.sources.http.auth.tokens import Token, as_credential, form_request, read_token
from bronze_engine.telemetry.redact import redact_url

__all__ = ["RefreshToken"]

_EXCHANGE_SECONDS: Final = 30.0
"""The longest that one exchange may take: well below what voids a claim."""
_VOID_SECONDS: Final = 60.0
"""A claim that has not moved for so long was left by a dead process of another host."""
_POLL_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 10.0
"""What a cancelled run may still spend on an exchange that has begun."""
_SAVES: Final = 5
_USABLE: Final = timedelta(seconds=5)
"""A stored token that expires sooner is not worth using."""
_ADVICE: Final = (
    "the refresh token has expired, was revoked, or was used elsewhere; authorise anew and write "
    "the new one into refresh_token"
)


@final
class RefreshToken:
    """RFC 6749, 6, for any number of processes."""

    config = OAuth2RefreshTokenAuth

    def __init__(self, config: OAuth2RefreshTokenAuth, resources: AuthResources) -> None:
        self._config = config
        self._resources = resources
        self._clock = resources.clock
        self._key = f"{resources.api.name}.json"
        self._where = f"[apis.{resources.api.name}.auth]"
        self._store: TokenStore | None = None
        self._used: str | None = None
        """The access token that was handed out last."""

    async def credential(self, refused: Credential | None, exchange: Exchange, /) -> Credential:
        self._config = await self._resources.workers.run(reread, self._config)
        store = await self._opened()
        record, _version = await self._read(store)
        is_found = self._is_usable(record) and (refused is None or record.claim is None)
        if not is_found:
            shown = redact_url(self._config.token_url)
            record, is_found = await exchange.call(
                lambda: self._renewed(store, exchange), describe=f"POST {shown} for a token"
            )
        assert record.access_token is not None  # noqa: S101  # usable, or just renewed
        self._used = record.access_token
        token = Token(access_token=record.access_token, expires_at=record.expires_at)
        credential = as_credential(token, self._config, record.refresh_token)
        return msgspec.structs.replace(credential, is_shared=is_found)

    async def _opened(self) -> TokenStore:
        if self._store is None:
            place = self._config.token_store
            if place.startswith("/"):
                self._store = TokenFile(place, self._resources.workers)
            else:
                self._store = await self._resources.open_tokens(place)
        return self._store

    def _is_usable(self, record: Record) -> bool:
        """Whether a record has an access token that we have not used up."""
        if record.access_token is None or record.access_token == self._used:
            return False
        return record.expires_at is None or record.expires_at - self._clock.now() > _USABLE

    async def _read(self, store: TokenStore) -> tuple[Record, Expect]:
        """The tokens that descend from the configured one, and the version that they are at."""
        first = first_record(self._config.refresh_token.reveal())
        stored: StoredObject | None = await store.get(self._key)
        if stored is None:
            return first, ABSENT
        record = read_record(stored.body, f"{self._where}.token_store")
        if record.seed != first.seed:  # another was written into the configuration since
            record = msgspec.structs.replace(first, claim=record.claim)
        return record, stored.version

    async def _renewed(self, store: TokenStore, exchange: Exchange) -> tuple[Record, bool]:
        """One attempt: what we get, or what another process has got meanwhile (and True)."""
        seen: Claim | None = None
        since = self._clock.monotonic()
        while True:
            record, version = await self._read(store)
            claim = record.claim
            if claim is None and self._is_usable(record):
                return record, True
            if claim != seen:
                seen, since = claim, self._clock.monotonic()
            waited = self._clock.monotonic() - since
            if claim is not None and not claim.is_dead() and waited < _VOID_SECONDS:
                await self._clock.sleep(_POLL_SECONDS)
                continue
            try:
                renewed = await finish(
                    self._claimed, store, exchange, record, version, grace_seconds=_grace_seconds
                )
            except Conflict:
                continue  # another was first
            return renewed, False

    async def _claimed(
        self, store: TokenStore, exchange: Exchange, record: Record, version: Expect
    ) -> Record:
        """Exchange the token under a claim. Raises Conflict where another has claimed it."""
        claimed = msgspec.structs.replace(record, claim=Claim.new())
        held = await self._put(store, claimed, version)
        try:
            token = await self._exchanged(exchange, record.refresh_token)
        except BaseException:
            # Best effort: a claim that stays is void in a minute.
            with suppress(BronzeError, Conflict):
                await self._put(store, msgspec.structs.replace(record, claim=None), held)
            raise
        renewed = msgspec.structs.replace(
            record,
            refresh_token=token.refresh_token or record.refresh_token,
            access_token=token.access_token,
            expires_at=token.expires_at,
            claim=None,
        )
        return await self._saved(store, claimed, renewed, held)

    async def _exchanged(self, exchange: Exchange, refresh_token: str) -> Token:
        auth = self._config
        request = form_request(
            auth.token_url,
            {
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "scope": auth.scope,
            },
            auth.params,
            client=(auth.client_id, auth.client_secret),
            in_header=auth.credentials_in == "header",
        )
        try:
            async with self._clock.timeout(_EXCHANGE_SECONDS):
                answer = await exchange.attempt(request)
        except TimeoutError:
            raise Transient(f"no token within {_EXCHANGE_SECONDS:g} s") from None
        return read_token(
            answer,
            self._clock.now(),
            owner=f"{self._where}: {redact_url(auth.token_url)}",
            invalid_grant=_ADVICE,
            auth=auth,
            secrets=(refresh_token,),
        )

    async def _saved(
        self, store: TokenStore, claimed: Record, renewed: Record, held: Version
    ) -> Record:
        """Store what was got; without that it must not be used. Tries again, for the old token
        is used up."""
        expect: Expect = held
        for tried in range(1, _SAVES + 1):
            try:
                await self._put(store, renewed, expect)
            except Conflict:
                # We were slow, and our claim was taken for void. Whose token is the newer?
                record, expect = await self._read(store)
                if record.refresh_token != claimed.refresh_token:
                    return record
            except BronzeError as exc:
                if tried == _SAVES:
                    raise StoreError(
                        f"{self._where}: new tokens could not be stored ({exc.message}), so they "
                        "are not used; if the next run is refused, authorise anew and write the "
                        "new one into refresh_token"
                    ) from exc
                await self._clock.sleep(_POLL_SECONDS)
            else:
                return renewed
        raise StoreError(f"{self._where}: token_store changes as often as it is written")

    async def _put(self, store: TokenStore, record: Record, expect: Expect) -> Version:
        """Write, and find out by reading where the answer was lost. Raises Conflict."""
        body = record.encoded()
        try:
            return await store.put(self._key, body, expect=expect)
        except OutcomeUnknown:
            stored = await store.get(self._key)
            if stored is not None and stored.body == body:
                return stored.version
            raise StoreError(f"{self._where}: token_store was not written") from None


def _grace_seconds() -> float:
    return _GRACE_SECONDS
