"""How settings are shared: `[defaults]`, `extends`, and `--set` above them.

Tables are merged key by key, at any depth; everything else (arrays too) is replaced. A
table that names another `type` replaces the one below it, because the keys of one type
mean nothing to another. `false` in the place of a table that may be left out
(`incremental`, `cdc`, `source.rate_limit`, `source.retry`, `source.export`) takes an inherited one
away.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.model.nearest import nearest

__all__ = ["inherit", "merge", "overrides_tree"]

Table = dict[str, Any]

_TAGGED: frozenset[KeyPath] = frozenset({("source",), ("source", "paginator"), ("auth",)})
_OPTIONAL: frozenset[KeyPath] = frozenset(
    {("incremental",), ("cdc",)}
    | {("source", "rate_limit"), ("source", "retry"), ("source", "export")}
)


def merge(base: Mapping[str, Any], over: Mapping[str, Any], path: KeyPath = ()) -> Table:
    """`over` laid on `base`; neither is changed, and the result shares no table with them."""
    if path in _TAGGED and "type" in over and base.get("type", over["type"]) != over["type"]:
        base = {}
    result = {key: _copy(value) for key, value in base.items()}
    for key, value in over.items():
        here = (*path, key)
        below = result.get(key)
        if value is False and here in _OPTIONAL:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(below if isinstance(below, dict) else {}, value, here)
        else:
            result[key] = _copy(value)
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


def inherit(
    own: Table,
    path: KeyPath,
    *,
    defaults: Table,
    templates: Mapping[str, Table],
    pipelines: Mapping[str, Table],
    faults: list[Fault],
) -> Table:
    """A pipeline's table with all that it inherits, without `extends`.

    `extends = "name"` is an entry of [templates], `extends = "team.name"` a pipeline;
    either may extend another. [defaults] lie below all of them.
    """
    chain: list[Table] = []
    seen: list[str] = []
    table = own
    while True:
        chain.append({key: value for key, value in table.items() if key != "extends"})
        parent = table.get("extends")
        if parent is None:
            break
        here = (*path, "extends")
        if not isinstance(parent, str):
            faults.append(Fault(here, "expected the name of one template or pipeline, a string"))
            break
        if parent in seen or (path[0] == "pipelines" and parent == ".".join(path[1:])):
            way = " -> ".join([".".join(path[1:]), *seen, parent])
            faults.append(Fault(here, f"a circle: {way}"))
            break
        seen.append(parent)
        known = pipelines if "." in parent else templates
        if parent not in known:
            what = "pipeline" if "." in parent else "template"
            hint = nearest(parent, [*templates, *pipelines])
            faults.append(Fault(here, f'there is no {what} "{parent}"; {hint}'))
            break
        table = known[parent]
    result = merge(defaults, {})
    for layer in reversed(chain):
        result = merge(result, layer)
    return result


def overrides_tree(overrides: Sequence[str], faults: list[Fault]) -> Table:
    """`key=value` texts of the command line as one table; later ones win.

    The key is a dotted TOML key; the value is TOML, or else the text as it stands:
    `256MiB`, `snappy` and `https://example.com` need no quotes.
    """
    tree: Table = {}
    for override in overrides:
        key, separator, text = override.partition("=")
        parts = _key_parts(key)
        if not separator or parts is None:
            faults.append(
                Fault(("--set",), f"`{key}` is no assignment; write --set key.of.table=value")
            )
            continue
        table = tree
        for part in parts[:-1]:
            inner = table.get(part)
            if not isinstance(inner, dict):
                inner = table[part] = {}
            table = inner
        table[parts[-1]] = _override_value(text)
    return tree


def _key_parts(key: str) -> KeyPath | None:
    try:
        inner: Any = tomllib.loads(f"{key.strip()} = 0")
    except ValueError:
        return None
    parts: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        ((part, inner),) = inner.items()
        parts.append(part)
    return tuple(parts) if parts and inner == 0 else None


def _override_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text
