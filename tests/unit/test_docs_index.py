"""docs/README.md leads to every guide, and no link of README.md or of a guide leads nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import ROOT, Document

pytestmark = pytest.mark.unit

PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))


def test_the_index_names_every_guide_once() -> None:
    index = Document("docs/README.md")
    guides = {Path(page).name for page in PAGES if page not in ("README.md", "docs/README.md")}
    named = [name for name in guides for _ in range(index.text.count(f"]({name})"))]
    assert sorted(named) == sorted(guides)


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    here = Document(page)
    for link in here.links():
        name, _, anchor = link.partition("#")
        target = (here.path.parent / name).resolve() if name else here.path
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in Document(str(target.relative_to(ROOT))).anchors(), link
