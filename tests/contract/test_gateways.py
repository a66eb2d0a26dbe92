# SPDX-License-Identifier: Apache-2.0
"""A video by each known gateway, against its stand-in: made, read and saved, and found again by a clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.attempts import made, use_connection
from tests.regressions.playing import cleared, context, defer, resume
from tests.unit.instance import Instance

TEXT = {"prompt": "a boat", "duration": 5, "name": "boat"}
IMAGE = {**TEXT, "type": "image_to_video", "first_frame": "https://images.example/a.png"}
TURBO = {**TEXT, "model": "kling-3.0-turbo"}
#: The stand-in, the extras of the connection, and what is asked.
GATEWAYS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "unknown host": ("native", {"profile": "gateway"}, [TEXT, IMAGE]),
    "DMXAPI, 2025": ("dmxapi", {"profile": "dmxapi"}, [TEXT, IMAGE]),
    "new-api before August 2026": ("new-api", {"profile": "new-api"}, [TEXT, IMAGE]),
    "new-api's plugin": ("new-api-plugin", {"profile": "new-api"}, [TEXT, IMAGE]),
    "new-api's plugin, standard route": (
        "new-api-plugin",
        {"profile": "new-api", "api": "standard-body"},
        [TEXT, TURBO],
    ),
    "CometAPI": ("cometapi", {"profile": "cometapi"}, [TEXT, IMAGE]),
    "Kapon": ("kapon", {"profile": "kapon"}, [TEXT, IMAGE]),
    "xmsmartlink": ("xmsmartlink", {"profile": "xmsmartlink"}, [TEXT, IMAGE]),
    "crazyrouter": ("crazyrouter", {"profile": "crazyrouter"}, [TEXT, IMAGE]),
    "aimanyi": ("aimanyi", {"profile": "aimanyi"}, [TURBO]),
    "Cloudsway": ("cloudsway", {"profile": "cloudsway"}, [TURBO]),
    "TokenHub": ("tokenhub", {"profile": "tokenhub"}, [TEXT, IMAGE, TURBO]),
}
CASES = [
    pytest.param(shape, extra, request, id=f"{name}, {number}")
    for name, (shape, extra, requests) in GATEWAYS.items()
    for number, request in enumerate(requests)
]


@pytest.mark.parametrize(("shape", "extra", "request_"), CASES)
def test_a_video_by_a_gateway(
    shape: str,
    extra: dict[str, Any],
    request_: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox(profile="gateway", shape=shape, time_scale=1000, short_side=144) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra=extra)
        instance = Instance()
        operator = KlingGenerateOperator(task_id="video", request=request_, destination=str(tmp_path))
        result = resume(operator, instance, defer(operator, instance, sandbox))
        assert result["status"] == "succeeded"
        assert (tmp_path / "boat.mp4").stat().st_size > 1000
        again = operator.execute(context(cleared(instance)))
        assert again["kling_task_id"] == result["kling_task_id"]
        assert made(sandbox) == 1


@pytest.mark.parametrize(("shape", "extra", "request_"), CASES)
def test_a_lost_answer_never_pays_twice(
    shape: str, extra: dict[str, Any], request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(profile="gateway", shape=shape, time_scale=1000, short_side=144) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra=extra)
        sandbox.set_faults([{"kind": "answer_lost_after", "times": 1}])
        instance = Instance()
        for _ in range(2):
            operator = KlingGenerateOperator(task_id="video", request=request_)
            with pytest.raises(BaseException) as ended:
                operator.execute(context(instance))
            # Adopted where the host finds external ids, else stopped.
            said = f"{type(ended.value).__name__}: {ended.value}"
            assert "TaskDeferred" in said or "adopt" in said, said
            instance.ti.try_number += 1
        assert made(sandbox) == 1
