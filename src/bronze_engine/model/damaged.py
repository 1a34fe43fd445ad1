"""What reading a small file of ours raises, where it is no longer as it was written."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["DAMAGED"]

DAMAGED: Final = (msgspec.MsgspecError, UnicodeDecodeError)
"""msgspec tells of a text that is not UTF-8 by the latter, which is none of its own errors."""
