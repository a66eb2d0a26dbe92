# SPDX-License-Identifier: Apache-2.0
"""The text of a ``.csv`` file -> rows, as spreadsheets, scripts and data frames write it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from kling_provider.prompts.problems import TextProblem

_SIGNS = (",", ";", "\t", "|")
#: Excel's own first line, which names the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*', re.IGNORECASE)
#: What pandas calls a column without a name, when it reads one.
_UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?")
#: The library's own limit is 128 KB, less than an image in base64. The file's size is limited instead.
_LARGEST_CELL = 2**31 - 1


@dataclass(slots=True)
class Table:
    """Reads one table; ``problems`` grows as it goes.

    :param known: the keys that a header may name, to tell which sign stands between its cells.
    """

    text: str
    known: Collection[str]
    problems: list[TextProblem] = field(default_factory=list)

    def read_rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Read each row with a letter or digit in it; yield its line, and its cells by key without the empty ones."""
        skipped, text, sign = self._find_start()
        header: list[str] | None = None
        for line, row in self._parse_rows(text, sign, skipped):
            cells = [cell.lstrip("\ufeff").strip() for cell in row]
            if not any(_has_letter(cell) for cell in cells):
                continue
            if header is None:
                header = cells
                self._check_header(header, line)
            elif len(cells) > len(header):
                self._add_problem(
                    line, f"must have as many cells as the header: at most {len(header)} (has {len(cells)})"
                )
            elif cells == header[: len(cells)] and len(cells) == len(header):
                self._add_problem(
                    line, "must not repeat the header (are these two tables in one file?): remove the row"
                )
            else:
                named = zip(header, cells, strict=False)
                yield line, {key: cell for key, cell in named if cell and not _is_unnamed(key)}

    def _add_problem(self, line: int, message: str, key: str = "") -> None:
        self.problems.append(TextProblem(line, key, message))

    def _find_start(self) -> tuple[int, str, str]:
        """Find how many lines are skipped, the text after them, and the sign between cells."""
        text = self.text.lstrip("\n")
        skipped = self.text.count("\n", 0, len(self.text) - len(text))
        first, _, rest = text.partition("\n")
        if named := _SEPARATOR_LINE.fullmatch(first):
            return skipped + 1, rest, named[1]
        return skipped, text, max(_SIGNS, key=lambda sign: (self._count_keys(first, sign), sign in first))

    def _count_keys(self, line: str, sign: str) -> int:
        return sum(cell.strip(' "').lower() in self.known for cell in line.split(sign))

    def _parse_rows(self, text: str, sign: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
        limit = csv.field_size_limit(_LARGEST_CELL)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
        found, line = [], 1
        try:
            for row in rows:
                found.append((line + skipped, row))
                line = rows.line_num + 1
        except csv.Error as error:
            self._add_problem(rows.line_num + skipped, f"cannot be read as CSV: {error}")
        finally:
            csv.field_size_limit(limit)
        return iter(found)

    def _check_header(self, header: list[str], line: int) -> None:
        for key, count in Counter(header).items():
            if _is_unnamed(key):
                what = "the header has an empty cell" if not key else f"the header has {key!r}"
                self._add_problem(
                    line,
                    f"{what}: a column must have a name; remove the column where it is an index (pandas: index=False)",
                )
            elif count > 1:
                self._add_problem(line, "must be in the header once", key)


def _is_unnamed(key: str) -> bool:
    return not key or _UNNAMED.fullmatch(key) is not None


def _has_letter(cell: str) -> bool:
    return any(sign.isalnum() for sign in cell)
