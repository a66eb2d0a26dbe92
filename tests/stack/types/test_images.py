# SPDX-License-Identifier: Apache-2.0
"""Images, decoded: how many, how large, and what they show."""

from __future__ import annotations

import pytest

from tests.stack.types.conftest import Run
from tests.stack.types.looks import images


@pytest.mark.parametrize(
    ("type_", "sizes"),
    [
        ("image_generation", [(2508, 1672)]),
        ("omni_image", [(2048, 2048)]),
        ("multi_image_to_image", [(1184, 888)]),
        ("image_expand", [(1536, 768)]),
        ("ai_multi_shot", [(1024, 1024)] * 9),
        ("virtual_try_on", [(768, 1024)]),
        ("clothing_dupe", [(720, 1280)] * 2),
        ("image_recognize", [(2508, 1672)] * 4),
    ],
)
def test_as_many_and_as_large_as_asked(every_type: Run, type_: str, sizes: list[tuple[int, int]]) -> None:
    found = images(every_type, type_)
    assert [image.size for image in found] == sizes
    for image in found:
        low, high = image.convert("L").getextrema()
        assert high - low > 40  # something is drawn on it


def test_masks_are_black_and_white_and_told_by_what_they_show(every_type: Run) -> None:
    outputs = every_type.result("image_recognize")["outputs"]
    assert [one["details"]["segment"] for one in outputs] == [
        "object_seg",
        "head_seg",
        "face_seg",
        "cloth_seg",
    ]
    assert all(one["details"]["is_contain"] is True for one in outputs)
    areas = []
    for mask in images(every_type, "image_recognize"):
        shares = mask.convert("L").histogram()
        assert shares[0] + shares[255] > 0.95 * sum(shares)
        areas.append(shares[255] / sum(shares))
    thing, head, face, clothes = areas
    assert face < head < thing
    assert clothes < thing


def test_nine_views_differ(every_type: Run) -> None:
    assert len({image.tobytes() for image in images(every_type, "ai_multi_shot")}) == 9
