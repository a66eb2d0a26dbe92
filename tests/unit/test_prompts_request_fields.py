# SPDX-License-Identifier: Apache-2.0
"""What prompt files know of requests they ask the catalog, and nothing there names a type, a model or an input."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from kling_provider.api.catalog import all_specs
from kling_provider.api.models import model_names
from kling_provider.prompts import request_fields

KINDS = {spec.type: spec.request_class for spec in all_specs()}


def list_words(path: Path) -> set[str]:
    """All texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    }


def test_no_step_names_a_type_a_model_or_an_input(repository: Path) -> None:
    inputs = {path[0] for type_ in KINDS for path in request_fields.get_input_paths(type_)}
    names = {*KINDS, *model_names(), *inputs}
    folder = repository / "kling_provider" / "prompts"
    found = {
        str(path.relative_to(folder)): words
        for path in folder.rglob("*.py")
        if (words := list_words(path) & names)
    }
    assert found == {}
    assert {"image_to_video", "first_frame", "dynamic_masks", "kling-3.0"} <= names


@pytest.mark.parametrize("type_", [None, "", "no such type", ["x"], {}])
def test_an_unknown_type_is_read_as_the_default_one(type_: object) -> None:
    default = request_fields.get_keys_of_other_types("text_to_video")
    assert request_fields.get_keys_of_other_types(type_) == default
    assert request_fields.get_input_paths(type_) == request_fields.get_input_paths("text_to_video") == ()


def test_every_input_of_a_type_is_a_key_of_it() -> None:
    for type_, kind in KINDS.items():
        assert {path[0] for path in request_fields.get_input_paths(type_)} <= kind.model_fields.keys()
    assert ("dynamic_masks", "*", "mask") in request_fields.get_input_paths("image_to_video")


def test_keys_that_hold_text_are_found_at_any_depth() -> None:
    found = request_fields.get_text_keys()
    assert {
        "name",
        "prompt",
        "negative_prompt",
        "adopt",
        "external_task_id",
        "element_id",
        "voice_id",
        "id",
    } <= found
    assert not {"duration", "take", "cfg_scale", "pan", "index", "x", "watermark"} & found
    assert request_fields.get_prompt_keys() >= {"prompt", "negative_prompt"}


def test_both_spellings_of_a_key_are_one_field() -> None:
    assert request_fields.is_same_field("mode", "resolution")
    assert request_fields.is_same_field("unheard_of", "unheard_of")
    assert not request_fields.is_same_field("mode", "model")
