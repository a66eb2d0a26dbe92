# SPDX-License-Identifier: Apache-2.0
"""The prompt files that the repository ships: what ``make demo`` makes, and what people copy from."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from kling_provider.api.catalog import estimate_price
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.prompts import load_prompts


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "dags" / "prompts"


def test_they_are_few_short_and_varied(folder: Path) -> None:
    found = load_prompts(folder)
    requests = [parse_request(each) for each in found]
    assert 6 <= len(requests) <= 8
    assert all(3 <= request.duration <= 5 for request in requests)
    assert {each.get("aspect_ratio") for each in found} == {"16:9", "9:16", "1:1", None}
    assert "native" in {request.audio for request in requests}
    assert {request.type for request in requests} == {"text_to_video", "image_to_video"}
    assert sum(estimate_price(request).units or 1000 for request in requests) < 20


@pytest.mark.parametrize("api", sorted(DIALECTS))
def test_both_apis_take_them_as_they_are(folder: Path, api: str) -> None:
    for each in load_prompts(folder):
        assert parse_request(each).find_unsupported(api) == []


def test_their_image_is_one_that_kling_takes(folder: Path) -> None:
    (request,) = [each for each in load_prompts(folder) if each["type"] == "image_to_video"]
    image_file = Path(request["first_frame"])
    assert image_file.stat().st_size < 60_000
    with Image.open(image_file) as image:
        assert image.format == "JPEG"
        assert min(image.size) >= 640
