# SPDX-License-Identifier: Apache-2.0
"""``{{ }}`` in prompts: Jinja in its sandbox, where a name that nobody gave is an error."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, meta, nodes

from kling_provider.api.problems import suggest
from kling_provider.api.redaction import shorten
from kling_provider.prompts.metering import LONGEST_TEMPLATE, MeteredEnvironment, TooMuch, size_of

_SIGNS = ("{{", "{%", "{#")


class NotFilled(ValueError):
    """Everything that is wrong with one text, as (line in it, message)."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(message for _, message in problems))


class Filler:
    """Fills texts with ``values``. What comes out is data: braces in a value are never looked at again."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)
        self._jinja = MeteredEnvironment(size_of(self._values))

    def fill(self, text: str) -> str:
        """
        :raises NotFilled: with all unknown names of ``text`` at once.
        """
        if not any(sign in text for sign in _SIGNS):
            return text
        if len(text) > LONGEST_TEMPLATE:
            too_long = (
                f"has {len(text):,} characters; a text with placeholders has at most {LONGEST_TEMPLATE:,}"
            )
            raise NotFilled([(1, too_long)])
        self._jinja.begin(text)
        try:
            return "".join(self._jinja.from_string(text).generate(self._values))
        except TemplateSyntaxError as error:
            raise NotFilled([(error.lineno, f"cannot be filled: {error.message}")]) from None
        except UndefinedError as error:
            raise NotFilled(
                self._unknown(text) or [(_line(error), f"cannot be filled: {error.message}")]
            ) from None
        except TooMuch as error:
            raise NotFilled([(_line(error), f"cannot be filled: {error}")]) from None
        except Exception as error:  # noqa: BLE001 - what an expression of the author raises is the author's to mend
            said = f"cannot be filled: {type(error).__name__}: {shorten(str(error))}"
            raise NotFilled([(_line(error), said)]) from None

    def _unknown(self, text: str) -> list[tuple[int, str]]:
        tree = self._jinja.parse(text)
        missing = meta.find_undeclared_variables(tree) - self._values.keys() - self._jinja.globals.keys()
        lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
        known = ", ".join(sorted(self._values)) or "none"
        return [
            (lines[name], f"values has no {name!r}.{suggest(name, self._values) or f' Known: {known}.'}")
            for name in sorted(missing, key=lambda name: (lines[name], name))
        ]


def _line(error: BaseException) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == "<template>"), 1)
