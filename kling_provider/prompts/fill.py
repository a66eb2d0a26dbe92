# SPDX-License-Identifier: Apache-2.0
"""Step 5: texts as they were written -> texts as they are sent.

``{{ }}`` is filled by Jinja in its sandbox, where an unknown name is an error, and the same prompt becomes the
same text in every form of file.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, meta, nodes

from kling_provider.api.problems import Problem
from kling_provider.api.redaction import shorten
from kling_provider.api.suggestions import suggest
from kling_provider.prompts.formats.markdown import join_lines
from kling_provider.prompts.jinja_limits import LONGEST_TEMPLATE, MeteredEnvironment, TooMuch, measure_size
from kling_provider.prompts.problems import Problems, TextProblem
from kling_provider.prompts.variants import Variant

_SIGNS = ("{{", "{%", "{#")


#: What ``values`` never changes: what an entry is called and what it is.
_NOT_FILLED = ("name", "type")


@dataclass(frozen=True, slots=True)
class FilledVariant:
    """A variant whose texts are final. ``data`` has the keys of its fields."""

    variant: Variant
    data: Mapping[str, Any]


def fill_values(
    variants: Sequence[Variant], values: Mapping[str, Any] | None, problems: Problems
) -> list[FilledVariant]:
    """Fill the placeholders in the texts of variants; without ``values`` braces stay as they are.

    :param variants: the variants to fill.
    :param values: the values by name; ``None`` fills nothing.
    :param problems: gets unknown names, and templates that cannot be rendered.
    """
    filler = None if values is None else Filler(values)
    return [FilledVariant(variant, _fill_variant(variant, filler, problems)) for variant in variants]


def _fill_variant(variant: Variant, filler: Filler | None, problems: Problems) -> Mapping[str, Any]:
    data: dict[str, Any] = {}
    for key, field in variant.fields.items():
        if key in _NOT_FILLED:
            data[key] = field.value
            continue
        wrong: list[TextProblem] = []
        content = _fill_texts(field.value, filler, wrong)
        for line, _, message in wrong:
            problem = Problem(key, None, message)
            problems.add_for_fields([problem], variant.fields, variant.entry.own, line_of_prompt=line or 1)
        if key == "prompt" and isinstance(content, str):
            # The same prompt is the same in every form of file, some of which end it with a line break.
            content = (join_lines(content) if field.section.is_body else content).strip()
        data[key] = content
    return data


def _fill_texts(value: Any, filler: Filler | None, wrong: list[TextProblem]) -> Any:
    """Fill all texts in ``value``, at any depth; append to ``wrong`` what cannot be filled."""
    if isinstance(value, Mapping):
        return {name: _fill_texts(item, filler, wrong) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill_texts(item, filler, wrong) for item in value]
    if not isinstance(value, str):
        return value
    text = value
    if filler is not None:
        filled = filler.fill_text(value)
        if isinstance(filled, str):
            text = filled
        else:
            wrong += filled
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Filler:
    """Fills texts with ``values``. The result is data: braces in a value are not filled again."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)
        self._jinja = MeteredEnvironment(measure_size(self._values))

    def fill_text(self, text: str) -> str | list[TextProblem]:
        """Fill the placeholders of ``text``.

        :return: the filled text, or everything that is wrong with it: all unknown names at once, with their lines.
        """
        if not any(sign in text for sign in _SIGNS):
            return text
        if len(text) > LONGEST_TEMPLATE:
            too_long = f"has {len(text):,} characters; a text with placeholders must have at most {LONGEST_TEMPLATE:,}"
            return [TextProblem(1, "", too_long)]
        self._jinja.start_text(text)
        try:
            return "".join(self._jinja.from_string(text).generate(self._values))
        except TemplateSyntaxError as error:
            return [TextProblem(error.lineno, "", f"cannot be filled: {error.message}")]
        except UndefinedError as error:
            return self._find_unknown(text) or [_tell_error(error, str(error.message))]
        except TooMuch as error:
            return [_tell_error(error, str(error))]
        except Exception as error:  # noqa: BLE001 - what an expression of the author raises is the author's to fix
            return [_tell_error(error, f"{type(error).__name__}: {shorten(str(error))}")]

    def _find_unknown(self, text: str) -> list[TextProblem]:
        tree = self._jinja.parse(text)
        missing = meta.find_undeclared_variables(tree) - self._values.keys() - self._jinja.globals.keys()
        lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
        known = ", ".join(sorted(self._values)) or "none"
        return [
            TextProblem(
                lines[name],
                "",
                f"{name!r} must be in values.{suggest(name, self._values) or f' Known: {known}.'}",
            )
            for name in sorted(missing, key=lambda name: (lines[name], name))
        ]


def _tell_error(error: BaseException, reason: str) -> TextProblem:
    """Describe why a template could not be rendered, with the line in it that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == "<template>"), 1)
    return TextProblem(line, "", f"cannot be filled: {reason}")
