"""A message as a text for Slack, and for what takes its webhooks.

https://api.slack.com/messaging/webhooks; &, < and > are escaped as
https://api.slack.com/reference/surfaces/formatting#escaping says, so that no error of a server
mentions a channel.
"""

from __future__ import annotations

from typing import Final

from bronze_engine.notify.message import Message

__all__ = ["slack_body"]

_LINES: Final = 10
_CHARACTERS: Final = 300
"""Of one error: a channel is no log."""


def slack_body(message: Message) -> dict[str, str]:
    """One line, and of several runs one for each of the first that did not commit."""
    icon = ":white_check_mark:" if message.outcome == "success" else ":x:"
    lines = [f"{icon} {_escaped(message.summary)}"]
    bad = [note for note in message.runs if note.status != "committed"]
    if message.event != "run":
        for note in bad[:_LINES]:
            why = (note.error or note.code or note.status)[:_CHARACTERS]
            lines.append(f"• {note.what}: {_escaped(why)}")
        if len(bad) > _LINES:
            lines.append(f"• and {len(bad) - _LINES} more")
    return {"text": "\n".join(lines)}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
