# SPDX-License-Identifier: Apache-2.0
"""The contract's creates and tools, with their fields."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.pages import REPOSITORY


@dataclass(frozen=True, repr=False, eq=False)
class Field:
    """A field of a body, by the contract's own name of it; ``facts`` are the contract's words about it."""

    key: str
    name: str
    facts: Mapping[str, Any]

    @property
    def by_model(self) -> Mapping[str, Any]:
        """What differs by model."""
        found: Mapping[str, Any] = self.facts.get("by_model", {})
        return found

    def __repr__(self) -> str:
        return self.key

    @property
    def is_documented(self) -> bool:
        """Whether the vendor itself documents it (mark D, which the contract leaves out)."""
        return self.facts.get("mark", "D") == "D"

    def fact(self, name: str, model: str | None = None) -> Any:
        """A fact about it, for a model where that has one of its own."""
        return self.by_model.get(model, {}).get(name, self.facts.get(name))


@dataclass(frozen=True, repr=False, eq=False)
class Call:
    """A create or a tool in one API design. The solutions' design is the standard one with other words."""

    type: str
    design: str
    path: str
    facts: Mapping[str, Any]
    entry: Mapping[str, Any]

    @property
    def fields(self) -> list[Field]:
        found = self.facts.get("fields") or {}
        return [Field(key, facts["name"], facts) for key, facts in found.items()]

    @property
    def models(self) -> list[str]:
        """The models that are served today."""
        return [one for field in self.fields if field.key == "model" for one in field.facts.get("enum", ())]

    @property
    def retired_models(self) -> list[str]:
        """The models that only gateways serve."""
        return [one for field in self.fields for one in field.facts.get("retired", ())]

    @property
    def rules(self) -> list[str]:
        return list(self.facts.get("rules") or ())

    def __repr__(self) -> str:
        return f"{self.type}-{self.design}"


def find_contract() -> Path | None:
    """The file beside the checkout, or ``KLING_CONTRACT``."""
    file = Path(os.environ.get("KLING_CONTRACT") or REPOSITORY.parent / "shared/endpoints.yaml")
    return file if file.is_file() else None


def list_calls() -> list[Call]:
    """The creates and tools that are not retired; none where the contract is missing."""
    file = find_contract()
    return [] if file is None else list(_read_calls(yaml.safe_load(file.read_text())))


def _read_calls(contract: Mapping[str, Any]) -> Iterator[Call]:
    for entry in contract["endpoints"]:
        if entry["kind"] not in ("create", "tool"):
            continue
        for design, facts in entry["dialects"].items():
            if facts["status"] != "retired":
                ours = "legacy" if design == "legacy" else "standard"
                yield Call(entry["key"], ours, facts["path"], facts, entry)


needs_contract = pytest.mark.skipif(
    find_contract() is None,
    reason="NO endpoints.yaml beside the checkout (or in KLING_CONTRACT): nothing is compared",
)
