# SPDX-License-Identifier: Apache-2.0
"""What requests share that have no model: sounds, speech, voices, elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import is_rendered_null


class RequestWithoutModel(KlingRequest):
    """A request of a type for which Kling has no choice of models."""

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    #: The texts that a request must have, and what to write there.
    required_texts: ClassVar[Mapping[str, str]] = {}
    #: Texts that may be left out; a blank one counts as left out.
    optional_texts: ClassVar[tuple[str, ...]] = ()

    def wire_value(self, field: str) -> Any:
        """Return what is sent: no blank texts."""
        value = super().wire_value(field)
        return None if field in self.optional_texts and not str(value or "").strip() else value

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result, without blank texts."""
        fields = super().fingerprint_fields(inputs)
        blank = [name for name in self.optional_texts if not str(fields.get(name, "")).strip()]
        return {name: value for name, value in fields.items() if name not in blank}

    def find_problems(self) -> list[Problem]:
        """Find every broken rule, including texts that are blank."""
        found = super().find_problems()
        for field, what in self.required_texts.items():
            if not str(getattr(self, field, None) or "").strip():
                found.append(Problem(field, None, f"must be given: write {what}"))
        return found

    def find_rendered_nulls(self) -> list[Problem]:
        """Find texts that templates write for a missing value, in every text of the type."""
        found = super().find_rendered_nulls()
        known = {problem.field for problem in found}
        more = [name for name in (*self.required_texts, *self.optional_texts) if name not in known]
        return found + [
            Problem(field, value, "must be a value: this is what a template writes where it has none")
            for field in more
            if is_rendered_null(value := getattr(self, field, None))
        ]
