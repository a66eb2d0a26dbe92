# SPDX-License-Identifier: Apache-2.0
"""How a file goes to a bucket: by the real s3fs, to a server that speaks S3, without an Airflow."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from kling_provider.storage.stores import store_of
from tests.s3.conftest import BUCKET, KEYS


@pytest.mark.parametrize(("megabytes", "pieces"), [(3, None), (12, 3)])
def test_a_large_file_goes_in_pieces(
    megabytes: int, pieces: int | None, endpoint: str, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else s3fs holds all of it in memory."""
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    login = {"login": KEYS["aws_access_key_id"], "password": KEYS["aws_secret_access_key"]}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_PIECES", json.dumps({"conn_type": "aws", **login, "extra": extra}))
    key, data = f"pieces/{megabytes}.mp4", os.urandom(megabytes * 2**20)
    path = ObjectStoragePath(f"s3://aws_pieces@{BUCKET}/{key}")
    store = store_of(path)
    with store.open_part(path) as part:
        part.file.write(data)
        store.publish_part(part, path)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == data
    # S3 counts the pieces of an upload in its ETag.
    assert s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"').partition("-")[2] == str(pieces or "")
