# SPDX-License-Identifier: Apache-2.0
"""The code in the pages for users, block by block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
#: The pages of which every block is run.
PAGES = ("README.md", "docs/operators.md", "docs/assets.md", "docs/prompt-files.md")

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read_blocks(*languages: str, pages: tuple[str, ...] = PAGES) -> list[Block]:
    """Every block in these languages, in the order of the pages."""
    found = []
    for page in pages:
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        assert text.count("\n```") % 2 == 0, f"{page}: a block has no end"
        for match in _FENCED.finditer(text):
            if match["language"] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page, line, match["language"], match["text"]))
    assert found, languages
    return found
