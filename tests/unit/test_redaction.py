# SPDX-License-Identifier: Apache-2.0
"""What people read carries no secret: the one place that takes them out of texts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.redaction import (
    redact_base64,
    redact_key,
    redact_key_in_body,
    redact_url,
    redact_urls,
    redact_value,
    shorten,
    show_host,
    show_origin,
    show_place,
)

SECRET = "Zs3cretZ"
#: What a secret may consist of, so that it stays one word inside a URL.
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789._~-", max_size=8)


@pytest.mark.parametrize("show", [redact_urls, redact_url, show_host, show_place, show_origin])
@given(user=words, host=words, path=words, name=st.sampled_from(["token", "X-Amz-Signature", "key", "sig"]))
def test_no_user_and_no_signature_is_left_of_a_url(
    show: Callable[[str], str], user: str, host: str, path: str, name: str
) -> None:
    url = f"https://{user}:{SECRET}@{host}.example/{path}?{name}={SECRET}&id=5"
    assert SECRET not in show(url)
    assert f"{host}.example" in show(url)


def test_urls_within_a_text_lose_what_grants_access() -> None:
    text = f"fetch https://u:{SECRET}@h.example/a?sig={SECRET} or s3://conn@bucket/b.png (see https://h?{SECRET})"
    shown = "fetch https://…@h.example/a?… or s3://conn@bucket/b.png (see https://h?…)"
    assert redact_urls(text) == shown
    assert redact_value({"a": [text, 5], "b": {"c": text}}) == {"a": [shown, 5], "b": {"c": shown}}


def test_the_path_of_a_callback_is_its_secret() -> None:
    assert show_origin(f"https://hooks.example:8443/{SECRET}?x={SECRET}") == "https://hooks.example:8443"
    assert show_origin("https://[::1/x") == "a URL that cannot be read"


@pytest.mark.parametrize("location", ["", "/login", "https://[::1", "nothing"])
def test_what_is_no_url_has_no_place(location: str) -> None:
    assert show_place(location) == ""


@given(st.text('abcXYZ0189-_"\\é可', min_size=8))
def test_a_key_that_an_answer_repeats_is_blanked(key: str) -> None:
    assert redact_key_in_body(f"no such key: {key}!".encode(), key) == b"no such key: ***!"
    assert redact_key(f"no such key: {key}!", key) == "no such key: ***!"


def test_a_key_that_is_short_leaves_json_whole() -> None:
    body = json.dumps({"code": 0, "message": "a"}).encode()
    assert redact_key_in_body(body, "a") == body


def test_long_base64_is_told_by_its_length() -> None:
    image = "QUJD" * 200
    assert redact_base64({"a": [f"see {image}"], "b": 1}) == {"a": ["see base64 (800 characters)"], "b": 1}
    assert shorten(image, 10) == "QUJDQ… (800 characters)"
    assert shorten("short", 10) == "short"
