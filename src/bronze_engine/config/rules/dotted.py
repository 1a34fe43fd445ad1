"""What a dotted path looks like."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_dotted"]

_JSONPATH: Final = re.compile(r"^\$(?:$|[.\[])|\[(?:-?\d+|\*|[?:'\"(][^\]]*)\](?:$|[.\[])")


def is_dotted(text: str) -> bool:
    """Whether a text is names with dots between them, and no JSONPath.

    Looked for as names, a JSONPath would be absent from every answer: the end of the pages.
    """
    return all(text.split(".")) and not _JSONPATH.search(text)
