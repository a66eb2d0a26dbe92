# SPDX-License-Identifier: Apache-2.0
"""Everything in a bucket: prompts and images in, videos and manifests out, on a whole Airflow."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import Any

import av
import pytest

from tests.s3.conftest import BUCKET, KEYS
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack


@pytest.fixture(scope="module")
def run_id(stack: AirflowStack) -> str:
    """The first run of ``s3_videos``, ended."""
    stack.api.wait_for_dag("s3_videos")
    run_id = stack.api.trigger("s3_videos")
    assert stack.api.wait_run("s3_videos", run_id, timeout=200) == "success"
    return run_id


def made(sandbox: SandboxProcess) -> int:
    stats: dict[str, Any] = sandbox.call("GET", "/_sandbox/stats")
    return int(stats["creates"]["received"])


def body(s3: Any, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def keys(s3: Any, prefix: str) -> set[str]:
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {one["Key"] for one in listed}


def test_prompts_come_from_the_bucket_and_videos_go_there(run_id: str, s3: Any) -> None:
    names = ("kite", "deep/lantern", "moving")
    assert keys(s3, "videos/") == {
        f"videos/{name}{end}" for name in names for end in (".mp4", ".kling.json", ".mp4.jpg")
    }
    for name in names:
        data, manifest = (body(s3, f"videos/{name}{end}") for end in (".mp4", ".kling.json"))
        [told] = json.loads(manifest)["outputs"]
        assert told["sha256"] == sha256(data).hexdigest()
        with av.open(io.BytesIO(data)) as container:
            video = container.streams.video[0]
            assert video.codec_context.name == "h264"
            assert float(container.duration) / av.time_base == pytest.approx(3, abs=0.2)
            assert (video.height > video.width) is (name == "deep/lantern")
        assert KEYS["aws_secret_access_key"] not in manifest.decode()


def test_a_second_run_delivers_the_files_without_a_call(
    run_id: str, stack: AirflowStack, s3: Any, sandbox: SandboxProcess
) -> None:
    before, calls = {key: body(s3, key) for key in keys(s3, "videos/")}, made(sandbox)
    again = stack.api.trigger("s3_videos")
    assert stack.api.wait_run("s3_videos", again, timeout=120) == "success"
    assert made(sandbox) == calls
    assert {key: body(s3, key) for key in keys(s3, "videos/")} == before


def test_a_lost_file_is_fetched_again_and_nothing_is_paid(
    run_id: str, stack: AirflowStack, s3: Any, sandbox: SandboxProcess
) -> None:
    data = body(s3, "videos/kite.mp4")
    s3.delete_object(Bucket=BUCKET, Key="videos/kite.mp4")
    tasks = sandbox.call("GET", "/_sandbox/stats")["creates"]["made"]
    stack.api.clear("s3_videos", run_id, ["video"])
    assert stack.api.wait_run("s3_videos", run_id, timeout=120) == "success"
    assert body(s3, "videos/kite.mp4") == data
    assert sandbox.call("GET", "/_sandbox/stats")["creates"]["made"] == tasks


def test_credentials_may_come_from_destination_conn_id(stack: AirflowStack, s3: Any) -> None:
    stack.api.wait_for_dag("s3_by_conn_id")
    assert stack.api.wait_run("s3_by_conn_id", stack.api.trigger("s3_by_conn_id"), timeout=120) == "success"
    assert "elsewhere/by-conn-id.mp4" in keys(s3, "elsewhere/")


def test_a_bucket_that_is_not_there_is_found_out_before_anything_is_paid(
    stack: AirflowStack, sandbox: SandboxProcess
) -> None:
    calls = made(sandbox)
    stack.api.wait_for_dag("s3_no_bucket")
    run_id = stack.api.trigger("s3_no_bucket")
    assert stack.api.wait_run("s3_no_bucket", run_id, timeout=120) == "failed"
    assert made(sandbox) == calls
    log = stack.api.log("s3_no_bucket", run_id, "video")
    assert "no bucket no-such-bucket" in log
