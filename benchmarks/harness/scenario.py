"""What the runner knows of a scenario: how it is measured, and how it is told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.harness.comparison import Case, compare
from benchmarks.harness.figures import Figures
from benchmarks.harness.tables import tell_comparison

__all__ = ["Options", "Scenario", "Size", "comparison"]

Size = Literal["tiny", "short", "full"]
"""`tiny` shows that it works, and its figures mean nothing; all scenarios at `short` take ten
minutes."""


@dataclass(frozen=True)
class Options:
    size: Size = "short"
    rounds: int = 3
    only: tuple[str, ...] = ()
    """Names of candidates; empty for all."""
    data: Path | None = None
    """Where tables and files are kept for the next time."""


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    measure: Callable[[Options], dict[str, Any]]
    """Everything that was measured, in plain values."""
    tell: Callable[[Figures], str]
    """The same as Markdown."""
    candidates: frozenset[str] = frozenset()
    """Whose names `--only` takes."""


def comparison(
    name: str,
    title: str,
    cases: Callable[[Size, Path], Generator[Case, None, None]],
    candidates: frozenset[str],
    *,
    tell: Callable[[Figures], str] = tell_comparison,
) -> Scenario:
    """A scenario of cases. `cases` keeps a case's servers up until it is asked for the next."""

    def measure(options: Options) -> dict[str, Any]:
        with _folder(options.data) as folder, closing(cases(options.size, folder)) as each:
            found = [(case, compare(case, options.rounds, options.only)) for case in each]
        kept = {case.name: told for case, told in found if told["outcomes"] and not case.is_proof}
        return {"cases": kept}

    return Scenario(name, title, measure, tell, candidates)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Kept where it was named, else removed with the block."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        Path(folder).chmod(0o711)  # a server runs as another user where this one is root
        yield Path(folder)
