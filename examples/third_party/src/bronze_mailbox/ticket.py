"""`type = "ticket"`: a ticket office sells tickets for a key; each request shows one."""

from __future__ import annotations

from urllib.parse import urlsplit

from bronze_engine import AuthError
from bronze_engine.plugins import (
    AuthResources,
    Credential,
    CustomAuth,
    Exchange,
    Secret,
    TokenRequest,
)

__all__ = ["Ticket", "TicketAuth"]


class TicketAuth(CustomAuth, frozen=True, kw_only=True, tag="ticket"):
    """Where tickets are sold, and for what."""

    office: str
    """A URL."""
    key: Secret


class Ticket:
    """The auth type: made once for each API, and shared by all of its pipelines."""

    config = TicketAuth

    def __init__(self, config: TicketAuth, _resources: AuthResources) -> None:
        self._config = config

    async def credential(self, _refused: Credential | None, exchange: Exchange, /) -> Credential:
        host = urlsplit(self._config.office).hostname
        body = self._config.key.reveal().encode()
        answer = await exchange.ask(TokenRequest(url=self._config.office, body=body))
        if answer.status != 200:
            raise AuthError(f"the ticket office at {host} answers {answer.status}; check key")
        try:
            ticket = answer.body.decode("ascii").strip()
        except UnicodeDecodeError:
            ticket = ""
        if not ticket.isalnum():
            raise AuthError(f"the ticket office at {host} sells no ticket; check office")
        return Credential(headers={"X-Ticket": ticket}, secrets=(ticket,))
