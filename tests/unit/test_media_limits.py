# SPDX-License-Identifier: Apache-2.0
"""The limits of inputs are those of the contract, and every input of every type names a row of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from kling_provider.api.catalog import all_specs
from kling_provider.api.media_limits import MEDIA_LIMITS, MediaLimits
from kling_provider.api.requests.fields import Media
from kling_provider.api.requests.marked_fields import find_marker


@pytest.fixture(scope="module")
def contract(repository: Path) -> dict[str, Any]:
    file = repository.parent / "shared/endpoints.yaml"
    if not file.exists():
        pytest.skip("NO endpoints.yaml beside the checkout")
    read: dict[str, Any] = yaml.safe_load(file.read_text())
    return read


def as_contract(limits: MediaLimits) -> dict[str, Any]:
    """The same row in the contract's own keys."""
    shape: dict[str, Any] = {"formats": list(limits.formats)}
    if limits.max_mb is not None:
        shape["max_mb"] = limits.max_mb
    if limits.shortest_side is not None and limits.longest_side is not None and limits.shortest_side != 301:
        shape["side_px"] = [limits.shortest_side, limits.longest_side]
    elif limits.longest_side is not None:
        shape["short_side_over_px"] = limits.shortest_side and limits.shortest_side - 1
        shape["max_long_side_px"] = limits.longest_side
    elif limits.shortest_side is not None:
        shape["min_px"] = limits.shortest_side
    if limits.max_area is not None:
        shape["max_area"] = limits.max_area
    if limits.ratio is not None:
        shape["ratio"] = list(limits.ratio)
    if limits.ratios:
        shape["ratios"] = list(limits.ratios)
    if limits.heights:
        shape["resolutions"] = [f"{one}p" for one in limits.heights]
    if limits.seconds:
        ranges = [list(one) for one in limits.seconds]
        shape["seconds"] = ranges if len(ranges) > 1 else ranges[0]
    if limits.frame_rates is not None or limits.only_frame_rates:
        shape["fps"] = list(limits.frame_rates or limits.only_frame_rates)
    return shape


def test_each_row_is_that_of_the_contract(contract: dict[str, Any]) -> None:
    told = {
        name: {key: value for key, value in row.items() if key not in ("as", "note")}
        for name, row in contract["media"].items()
    }
    assert {name: as_contract(limits) for name, limits in MEDIA_LIMITS.items()} == told
    for name, row in contract["media"].items():
        assert MEDIA_LIMITS[name].inline == ("base64" in row["as"]), name


def markers(annotation: Any, metadata: Any = ()) -> list[Media]:
    found = find_marker(Media, annotation, metadata)
    inner = [
        one
        for part in get_args(annotation)
        for model in [part, *get_args(part)]
        for info in getattr(model, "model_fields", {}).values()
        for one in markers(info.annotation, info.metadata)
    ]
    return ([found] if found is not None else []) + inner


def test_every_input_of_every_type_names_a_row() -> None:
    found = [
        (spec.type, name, marker)
        for spec in all_specs()
        for name, info in spec.request_class.model_fields.items()
        for marker in markers(info.annotation, info.metadata)
    ]
    assert len(found) >= 9
    for type_, name, marker in found:
        rows = {marker.standard, marker.legacy} - {None}
        assert rows, (type_, name)
        assert rows <= set(MEDIA_LIMITS), (type_, name)
