"""From files and the environment to a Config: the only place that reads either."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bronze_engine.config.config import Config
from bronze_engine.config.loading.document import Document, parse_toml
from bronze_engine.config.loading.dotenv import parse_dotenv
from bronze_engine.config.loading.fault import Fault, config_error
from bronze_engine.config.loading.merge import overrides_tree
from bronze_engine.config.plugins import ENTRY_POINTS, Structs
from bronze_engine.config.source import CustomSource
from bronze_engine.config.stores.store import CustomStore, StoreConfig
from bronze_engine.errors import ConfigError

__all__ = [
    "Config",
    "Texts",
    "load_config",
    "load_store",
    "load_texts",
    "parse_config",
    "read_texts",
    "variables_beside",
]


class Texts(msgspec.Struct, frozen=True):
    """The files of a configuration as they are written, for a process on another machine."""

    main: tuple[str, str]
    """Name and text of pipelines.toml; `${VAR}` stands in it as it is."""
    included: tuple[tuple[str, str], ...] = ()


def load_config(
    path: str | os.PathLike[str],
    *,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    structs: Sequence[type[CustomSource | CustomStore]] = (),
) -> Config:
    """Read pipelines.toml, what it includes, and `.env` beside it.

    `overrides` are `key=value` as after `--set`: keys that begin with `engine`, `apis`,
    `connections`, `stores`, `pipelines`, `defaults` or `templates` mean those tables, all
    others the pipelines that are asked for. `environ` stands in for the process's environment.
    `structs` are the tables of sources and stores that are given to `open_engine`; those of
    entry points are found without.

    Raises ConfigError for a file that can't be read or is no TOML, and for faults of its
    shape and of [engine]. Faults of a pipeline are raised by `Config.pipeline`: variables
    that only another pipeline needs may be missing.
    """
    main = Path(path).absolute()
    faults: list[Fault] = []
    document = Document()
    document.add(parse_toml(_read_main(main), main.name), main.name, faults, is_main=True)
    return _loaded(main, document, faults, overrides, environ, Structs(structs))


def parse_config(
    text: str,
    *,
    beside: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Config:
    """The configuration that `text` would be, as pipelines.toml of the working directory.

    With `beside` it is read as one more file that the one named there includes. The rest is
    as for `load_config`.
    """
    faults: list[Fault] = []
    document = Document()
    if beside is None:
        main = Path.cwd() / "pipelines.toml"
        document.add(parse_toml(text, main.name), main.name, faults, is_main=True)
    else:
        main = Path(beside).absolute()
        document.add(parse_toml(_read_main(main), main.name), main.name, faults, is_main=True)
        document.add(parse_toml(text, "the new text"), "the new text", faults, is_main=False)
    return _loaded(main, document, faults, overrides, environ)


def read_texts(path: str | os.PathLike[str]) -> Texts:
    """pipelines.toml and what it includes, as `load_texts` takes them. Raises ConfigError.

    `.env` is not among them: its secrets stay where they are.
    """
    main = Path(path).absolute()
    faults: list[Fault] = []
    document = Document()
    text = _read_main(main)
    document.add(parse_toml(text, main.name), main.name, faults, is_main=True)
    included = tuple(
        (os.path.relpath(file, main.parent), _read_text(file))
        for file in _included(main, document.include, faults)
    )
    if faults:
        raise config_error(main.name, faults)
    return Texts((main.name, text), included)


def load_texts(
    texts: Texts, *, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration that was read elsewhere; `${VAR}` and `${file:}` are looked up here.

    No directory is that of the file, so a relative path in it is a ConfigError once it is met,
    and there is neither a `.env` nor, as several processes share what is written, a log_dir or
    a prometheus_file. The rest is as for `load_config`.
    """
    name, text = texts.main
    faults: list[Fault] = []
    document = Document()
    document.add(parse_toml(text, name), name, faults, is_main=True)
    for name, text in texts.included:
        document.add(parse_toml(text, name), name, faults, is_main=False)
    document.engine = {**document.engine, "log_dir": ""}
    document.telemetry = {
        key: value for key, value in document.telemetry.items() if key != "prometheus_file"
    }
    variables = dict(os.environ if environ is None else environ)
    return _overridden(Path(texts.main[0]), document, faults, overrides, variables)


def _loaded(
    main: Path,
    document: Document,
    faults: list[Fault],
    overrides: Sequence[str],
    environ: Mapping[str, str] | None,
    structs: Structs = ENTRY_POINTS,
) -> Config:
    for included in _included(main, document.include, faults):
        name = os.path.relpath(included, main.parent)
        document.add(parse_toml(_read_text(included), name), name, faults, is_main=False)
    variables = variables_beside(main, environ)
    return _overridden(main, document, faults, overrides, variables, structs)


def _overridden(
    main: Path,
    document: Document,
    faults: list[Fault],
    overrides: Sequence[str],
    variables: Mapping[str, str],
    structs: Structs = ENTRY_POINTS,
) -> Config:
    tree = overrides_tree(overrides, faults)
    root = variables.get("BRONZE_TARGET_ROOT")
    if root and not any(override.startswith("engine.target") for override in overrides):
        tree.setdefault("target", root.replace("${", "$${"))
    selected = document.override(tree, faults)
    if faults:
        raise config_error(main.name, faults)
    return Config(main, document, selected, variables, _read_named, structs)


def variables_beside(
    main: str | os.PathLike[str], environ: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """What `${VAR}` may stand for in a file: `.env` beside it, below the environment.

    `environ` stands in for the process's environment. Raises ConfigError for a `.env` that
    can't be read.
    """
    given = os.environ if environ is None else environ
    return {**_dotenv(Path(main).absolute().parent / ".env"), **given}


def load_store(
    target: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None
) -> StoreConfig:
    """A store without a pipelines.toml: a URL, or the path of a directory.

    Credentials come from the vendors' variables and the SDKs' chains. Raises ConfigError.
    """
    here = Path.cwd() / "pipelines.toml"
    variables = os.environ if environ is None else environ
    return Config(here, Document(), {}, variables, _read_named).place(os.fspath(target))


def _read_main(path: Path) -> str:
    try:
        return _read_text(path)
    except ConfigError:
        if path.exists():
            raise
        raise ConfigError(
            f"{path} does not exist; make one with `bronze init`, or name another with --config",
            file=path.name,
        ) from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8 (byte {exc.start})", file=path.name) from None
    except OSError as exc:
        raise ConfigError(f"{path}: can't be read: {exc.strerror}", file=path.name) from None


def _included(main: Path, patterns: Sequence[str], faults: list[Fault]) -> list[Path]:
    """The files of `include` in order of patterns, then of names; each once, never the main."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        if any(character in pattern for character in "*?["):
            relative = pattern if not Path(pattern).is_absolute() else None
            if relative is None:
                faults.append(Fault(("include",), f'"{pattern}": a pattern must be relative'))
                continue
            matches = sorted(main.parent.glob(relative))
        else:
            matches = [main.parent / pattern]
        found.update(dict.fromkeys(match for match in matches if match != main))
    return list(found)


def _dotenv(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: can't be read as UTF-8 text", file=path.name) from None
    faults: list[Fault] = []
    variables = parse_dotenv(text, faults)
    if faults:
        raise config_error(path.name, faults)
    return variables


def _read_named(path: Path) -> str:
    """A file that a value names: a secret, a certificate. Raises OSError or ValueError."""
    return path.read_text(encoding="utf-8")
