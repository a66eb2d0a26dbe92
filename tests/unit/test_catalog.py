# SPDX-License-Identifier: Apache-2.0
"""The catalog holds whatever depends on the type of a request: no other code compares with a type's or a model's name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field

from kling_provider.api.catalog import (
    add_spec_for_now,
    all_specs,
    estimate_price,
    find_spec,
    input_names,
    request_types,
)
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.host_profiles import PROFILES
from kling_provider.api.hosts import Lock
from kling_provider.api.models import model_names
from kling_provider.api.parsing import parse_request
from kling_provider.api.price_rules import PerCall
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.request_types import RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ImageInput, Text, Wire
from kling_provider.prompts import load_prompts

#: Where names of types and models belong.
ALLOWED = re.compile(
    r"kling_provider/(api/(catalog|models|pricing|price_list|price_rules)\.py|api/requests/|sandbox/)"
)
MODEL = re.compile(r"kling-[0-9ov]")


def compared_names(tree: ast.AST) -> list[tuple[int, str]]:
    """Texts that a program compares with, looks up or matches."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                found += [node.left, *node.comparators]
            case ast.MatchValue():
                found.append(node.value)
            case ast.Dict():
                found += [key for key in node.keys if key is not None]
            case ast.Subscript():
                found.append(node.slice)
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith")):
                found += node.args
    inside = [one for each in found for one in ast.walk(each)]
    return [
        (one.lineno, one.value)
        for one in inside
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]


def is_name_of_kind_or_model(text: str) -> bool:
    return text in request_types() or text in model_names() or bool(MODEL.match(text))


def test_nothing_else_compares_with_the_name_of_a_type_or_model(repository: Path) -> None:
    wrong = []
    for path in sorted((repository / "kling_provider").rglob("*.py")):
        place = path.relative_to(repository).as_posix()
        if not ALLOWED.match(place):
            wrong += [
                f"{place}:{line}: {text}"
                for line, text in compared_names(ast.parse(path.read_text()))
                if is_name_of_kind_or_model(text)
            ]
    assert wrong == []


@pytest.mark.parametrize(
    "code",
    [
        "if request.type == 'image_to_video': pass",
        "x = {'kling-3.0': 1}",
        "a = model in ('kling-2.6', 'x')",
        "match kind:\n case 'text_to_video': pass",
        "name.startswith('kling-4.0')",
    ],
)
def test_that_check_finds_one(code: str) -> None:
    assert any(is_name_of_kind_or_model(text) for _, text in compared_names(ast.parse(code)))


def test_each_row_is_named_as_its_class() -> None:
    for spec in all_specs():
        assert spec.request_class.model_fields["type"].default == spec.type


def test_a_request_imports_the_class_of_its_own_type_alone() -> None:
    """A class of pydantic's takes up to 60 ms to make, and a worker makes one request."""
    program = (
        "import sys\n"
        "from kling_provider.api.catalog import spec_of\n"
        "from kling_provider.api.parsing import parse_request\n"
        "from kling_provider.storage.inputs import shown_request\n"
        "data = {'prompt': 'a boat', 'duration': 5}\n"
        "spec_of(parse_request(data)), shown_request(data)\n"
        "print([name for name in sys.modules if name.startswith('kling_provider.api.requests.')])\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(ast.literal_eval(out.strip().splitlines()[-1]))
    assert loaded == {
        f"kling_provider.api.requests.{name}"
        for name in (
            "at_once",
            "base",
            "fields",
            "marked_fields",
            "parts",
            "references",
            "shots",
            "video",
            "video_base",
        )
    }


# -- a made-up type ------------------------------------------------------------------------------------------


class Collage(KlingRequest):
    """Two images and a sound for a motto."""

    prompt_field: ClassVar[str] = "motto"

    type: Literal["collage"] = "collage"
    model: str = "collage-1"
    motto: Annotated[Text, Wire("contents[motto].text", "say.motto")] = Field(min_length=1)
    pieces: Annotated[list[ImageInput], Wire("contents[piece].url", "pieces")] = Field(max_length=4)
    loudness: Annotated[int, Wire(None, "loudness", legacy_text=True, instead="say it in the motto")] = Field(
        3, ge=1, le=9
    )


COLLAGE = RequestSpec(
    type="collage",
    made_by=Collage,
    paths={"standard": "/collage/{model}", "legacy": "/v1/collages"},
    outputs=("image", "image", "audio"),
    price_rule=PerCall("0.25"),
    external_ids=False,
    callbacks=False,
    locked="no",
    concurrency="image",
)
PIECE = "https://example.org/a.png"


def test_a_type_is_one_class_and_one_row() -> None:
    with add_spec_for_now(COLLAGE):
        request = parse_request(
            {"type": "collage", "motto": "Boats", "pieces": [PIECE], "loudness": "4", "name": "boats"}
        )
        standard = DIALECTS["standard"].create(request, "af-1")
        assert (standard.path, standard.json) == (
            "/collage/collage-1",
            {"contents": [{"type": "motto", "text": "Boats"}, {"type": "piece", "url": PIECE}]},
        )
        legacy = DIALECTS["legacy"].create(request, "af-1")
        assert (legacy.path, legacy.json) == (
            "/v1/collages",
            {
                "model_name": "collage-1",
                "say": {"motto": "Boats"},
                "pieces": [PIECE],
                "loudness": "4",
            },
        )
        assert DIALECTS["legacy"].read("collage", "7").path == "/v1/collages/7"
        assert [one.field for one in request.find_unsupported("standard")] == ["loudness"]
        assert PROFILES["kling"].find_lock(request) is Lock.NONE
        assert str(estimate_price(request).units) == "0.25"
        assert list(request.iter_inputs()) == [("pieces.0", PIECE)]
        assert request.fingerprint({"pieces.0": "sha256:1"}) == {
            "type": "collage",
            "model": "collage-1",
            "motto": "Boats",
            "pieces": ["sha256:1"],
            "loudness": 4,
        }
        assert "pieces" in input_names()
    assert find_spec("collage") is None


def test_a_prompt_file_may_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"type: collage\nmotto: Boats\npieces: ['{PIECE}']\n")
    with add_spec_for_now(COLLAGE):
        (request,) = load_prompts(tmp_path)
    assert request == {"name": "a", "type": "collage", "motto": "Boats", "pieces": [PIECE]}


def test_a_key_of_another_type_is_told_with_that_type() -> None:
    with add_spec_for_now(COLLAGE), pytest.raises(InvalidRequest) as wrong:
        parse_request({"prompt": "A panda", "pieces": [PIECE], "loudness": 3})
    assert sorted(str(problem) for problem in wrong.value.problems) == [
        "loudness 3: belongs to type collage, not text_to_video",
        f"pieces ['{PIECE}']: belongs to type collage, not text_to_video; write type: collage",
    ]


def test_every_row_names_its_class_once() -> None:
    assert [spec.type for spec in all_specs()] == list(request_types())
    assert len({spec.request_class for spec in all_specs()}) == len(all_specs())
