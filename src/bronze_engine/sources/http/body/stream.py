"""A body's bytes as they came, and what may be wrong with a compressed stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

__all__ = ["BadStream", "Chunks", "CutBody", "refuse_bomb"]

Chunks = Sequence[bytes | bytearray]
"""A body as it came over the wire, in order; a large one is one piece."""

_HARMLESS_BYTES: Final = 16 * 1024**2
"""Below this any ratio passes: pages of equal records compress a thousandfold."""

_RATIO: Final = 200
"""JSON compresses 5 to 40 times; a stream of zeros, deflate's limit, 1,030 times."""


@final
class BadStream(ValueError):
    """The body is no such stream, is larger than allowed, or unfolds as only a bomb does."""


@final
class CutBody(ValueError):
    """The stream ended before its end: a body that was cut off."""


def refuse_bomb(unfolded: int, eaten: int, limit_bytes: int) -> None:
    """Raise BadStream where `eaten` bytes have unfolded to more than is allowed, or likely."""
    if unfolded > limit_bytes:
        raise BadStream(
            f"it unfolds to more than {limit_bytes:,} bytes; "
            "ask for smaller pages, or raise max_page_bytes"
        )
    if unfolded > _HARMLESS_BYTES and unfolded > _RATIO * eaten:
        raise BadStream(f"it unfolds more than {_RATIO} times, as only a bomb does")
