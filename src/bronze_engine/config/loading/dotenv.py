"""`.env`: variables beside pipelines.toml, for people at their own desk.

`NAME=value` a line, with `export` before it allowed. `#` begins a comment at the start of
a line or after a space. 'single quotes' hold text as it is; "double quotes" know \\n, \\t,
\\r, \\" and \\\\. A `$` means itself.
"""

from __future__ import annotations

import re

from bronze_engine.config.loading.fault import Fault

__all__ = ["parse_dotenv"]

_LINE = re.compile(
    r"""(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"""
    r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^'"\s#](?:\S|[ \t]+(?!\#|\s|$))*)?)"""
    r"""\s*(?:\#.*)?"""
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def parse_dotenv(text: str, faults: list[Fault]) -> dict[str, str]:
    """The variables of a `.env` file. A line that is none is a fault; its text is not shown."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            faults.append(Fault((), f"line {number}: write NAME=value, with quotes in pairs"))
            continue
        name, single, double, bare = match.groups()
        if double is not None:
            variables[name] = _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), double)
        else:
            variables[name] = single if single is not None else (bare or "")
    return variables
