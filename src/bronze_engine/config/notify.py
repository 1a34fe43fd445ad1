"""[notify.NAME]: who is told of how runs ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from bronze_engine.config.units import Duration, Secret

__all__ = ["CommandNotify", "Notify", "NotifyOn", "WebhookNotify"]

NotifyOn = Literal["success", "failure", "batch"]


class _Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all notifications have in common."""

    name: str = ""
    """The key in [notify], set on loading."""
    on: tuple[NotifyOn, ...] = ("failure",)
    """What is told: runs that committed, runs that did not, batches however they ended. The runs
    of a batch are told together, in one message when it has ended."""
    pipelines: tuple[str, ...] = ()
    """Names, or patterns such as "shop.*", of those that are told of; none means all."""
    tags: tuple[str, ...] = ()
    """Only pipelines that have one of these; none means all."""
    interval: Duration = Duration(10)
    """The least time between two messages: what ends meanwhile is told together in the next."""
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    """Of one message; the waits between are those of an API's requests. A webhook is tried again
    for what an API is, a command that ended with another status than 0."""


class WebhookNotify(_Told, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook"):
    """One request for each message."""

    url: Secret
    """http or https. It may hold a key, so only its host is ever shown."""
    method: Literal["POST", "PUT"] = "POST"
    """Of the request."""
    headers: dict[str, Secret] = {}
    """Sent beside Content-Type; values are never shown."""
    format: Literal["json", "slack"] = "json"
    """The body: "json" is the message with the run's report, "slack" a text for Slack and what
    takes its webhooks (Mattermost, Rocket.Chat)."""
    body: dict[str, Any] | None = None
    """A JSON body of your own in place of these, with {summary}, {pipeline} and others in its
    texts."""
    timeout: Duration = Duration(10)
    """Of one attempt as a whole."""
    proxy: str = "env"
    """"env" (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), "none", or a URL."""
    ca_file: str | None = None
    """PEM file with the certificate authorities to trust beside the system's."""


class CommandNotify(_Told, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="command"):
    """One process for each message: the message as JSON on stdin, its fields as BRONZE_*."""

    command: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """The program and its arguments; no shell reads them. A relative path with a slash is meant
    relative to pipelines.toml, where the process starts."""
    env: dict[str, Secret] = {}
    """What it gets in its environment beside BRONZE_*, PATH, HOME, USER, LANG, TZ and TMPDIR: of
    our own variables, which hold secrets, it gets no other."""
    timeout: Duration = Duration(30)
    """After it the process is killed, with all that it has started, and is not run again."""


Notify = WebhookNotify | CommandNotify
