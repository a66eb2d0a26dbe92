# SPDX-License-Identifier: Apache-2.0
"""Images, sounds and videos of a request: what goes over the wire, what stands for it elsewhere, what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.parsing import parse_request
from kling_provider.api.requests.base import KlingRequest
from kling_provider.exceptions import KlingRequestError
from kling_provider.storage.inputs import load_input, load_inputs, shown_request
from kling_provider.storage.media import read_image_size
from tests.unit.arrays import make_array


def drawn(width: int = 640, height: int = 360, kind: str = "PNG", **options: Any) -> bytes:
    from PIL import Image as Pillow

    target = io.BytesIO()
    Pillow.effect_noise((width, height), 40).convert("RGB").save(target, kind, **options)
    return target.getvalue()


def inline(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hashed(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture(scope="module")
def png() -> bytes:
    return drawn()


@pytest.fixture(scope="module")
def jpg() -> bytes:
    return drawn(kind="JPEG")


def test_files_become_base64(tmp_path: Path, png: bytes, jpg: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir/b#1.jpg").write_bytes(jpg)
    for value, base, data in (
        (str(tmp_path / "a.png"), None, png),
        (f"file://{tmp_path}/a.png", None, png),
        ("a.png", str(tmp_path), png),
        ("a.png", f"file://{tmp_path}/", png),
        ("sub dir/b#1.jpg", str(tmp_path), jpg),
        ("../a.png", str(tmp_path / "sub dir"), png),
    ):
        image = load_input(value, base=base)
        assert image.wire == inline(data)
        assert image.identity == hashed(data)
        assert image.shown == f"{value} (sha256 {hashed(data)[7:19]})"


@pytest.mark.parametrize("kind", ["raw", "wrapped", "data", "unpadded"])
def test_base64_in_every_spelling_is_one_image(kind: str, jpg: bytes) -> None:
    text = inline(jpg)
    value = {
        "raw": text,
        "wrapped": "\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
        "data": f"data:image/jpeg;base64,{text}",
        "unpadded": text.rstrip("="),
    }[kind]
    image = load_input(value)
    assert image.wire == text
    assert image.identity == hashed(jpg)
    assert image.shown == f"base64 (sha256 {hashed(jpg)[7:19]})"
    assert text[:40] not in repr(image)


# Golden: these enter every identity, so they are the same for ever. Another result would pay again.
ADDRESSES = {
    "https://example.org/a.png": "https://example.org/a.png",
    "HTTPS://Example.ORG/A%20b.png?v=2&w=100#top": "https://example.org/A%20b.png?v=2&w=100",
    "https://user:pass@example.org/a.png": "https://example.org/a.png",
    "https://b.s3.amazonaws.com/a.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d"
    "&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=s&x-amz-security-token=t&versionId=7": (
        "https://b.s3.amazonaws.com/a.png?versionId=7"
    ),
    "https://b.s3.amazonaws.com/a.png?AWSAccessKeyId=a&Signature=s&Expires=1": "https://b.s3.amazonaws.com/a.png",
    "https://storage.googleapis.com/b/a.png?X-Goog-Signature=s&X-Goog-Expires=9&generation=12": (
        "https://storage.googleapis.com/b/a.png?generation=12"
    ),
    "https://storage.googleapis.com/b/a.png?GoogleAccessId=g&Expires=1&Signature=s": (
        "https://storage.googleapis.com/b/a.png"
    ),
    "https://d.cloudfront.net/a.png?size=l&Expires=1&Signature=s&Key-Pair-Id=k&Policy=p": (
        "https://d.cloudfront.net/a.png?size=l"
    ),
    "https://acc.blob.core.windows.net/c/a.png?sv=2024-11-04&st=1&se=2&sr=b&sp=r&spr=https&sig=s&snapshot=9": (
        "https://acc.blob.core.windows.net/c/a.png?snapshot=9"
    ),
    # Without a sig these are no Azure signature, and may choose the image.
    "https://example.org/a.png?sv=1&se=2&sp=3": "https://example.org/a.png?sv=1&se=2&sp=3",
    "https://b.oss-cn-hangzhou.aliyuncs.com/a.png?x-oss-process=image/resize,w_1&OSSAccessKeyId=a&Signature=s"
    "&x-oss-signature-version=OSS4": "https://b.oss-cn-hangzhou.aliyuncs.com/a.png?x-oss-process=image/resize,w_1",
    "https://b.cos.ap-beijing.myqcloud.com/a.png?q-sign-algorithm=sha1&q-ak=a&q-sign-time=1&q-key-time=1"
    "&q-header-list=&q-url-param-list=&q-signature=s&imageMogr2/thumbnail/50x": (
        "https://b.cos.ap-beijing.myqcloud.com/a.png?imageMogr2/thumbnail/50x"
    ),
    "https://v16-kling-fdl.klingai.com/x.png?cacheKey=c&x-kcdn-pid=112781&ksSecret=s&ksTime=694fa816": (
        "https://v16-kling-fdl.klingai.com/x.png"
    ),
    "https://example.org/a.png?id=5&id=6&empty=&&flag": "https://example.org/a.png?id=5&id=6&empty=&flag",
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.items(), ids=range(len(ADDRESSES)))
def test_addresses_stand_for_themselves_without_what_grants_access(address: str, expected: str) -> None:
    image = load_input(address)
    assert image.wire == address
    assert image.identity == image.shown == expected
    assert address == expected or address not in repr(image)


def test_what_may_grant_access_or_choose_the_image_counts_and_is_not_shown() -> None:
    image = load_input("https://example.org/a.png?access_token=leo&id=5")
    assert image.shown == "https://example.org/a.png?id=5"
    assert "leo" not in repr(image)
    assert image.identity == "https://example.org/a.png?access_token=sha256:8535e86c8118bbbb&id=5"
    assert load_input("https://example.org/a.png?access_token=mia&id=5").identity != image.identity


def test_what_is_no_image_is_refused_with_the_field_and_what_to_write(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "text.png").write_text("no picture" * 100)
    (tmp_path / "small.png").write_bytes(drawn(299, 400))
    (tmp_path / "flat.jpg").write_bytes(drawn(1000, 399, "JPEG"))
    (tmp_path / "anim.gif").write_bytes(drawn(kind="GIF"))
    (tmp_path / "cut.png").write_bytes(png[:20])
    with (tmp_path / "large.png").open("wb") as file:
        file.write(png)
        file.truncate(201 * 1024 * 1024)
    for value, says in (
        ("text.png", "text.png must be a jpg or png"),
        ("anim.gif", "anim.gif must be a jpg or png, and is a gif"),
        ("cut.png", "cut.png must be a whole png"),
        ("small.png", "299x400 pixels; each side must have 300"),
        ("flat.jpg", "1000x399 pixels; their ratio must be from 1:2.5"),
        ("large.png", "201.0 MB, which is too much"),
        ("nothing.png", "there is no file"),
        (".", "there is no file"),
        ("data:image/png,abc", "without base64"),
        ("data:image/png;base64,a*b", "damaged"),
        (inline(b"no picture" * 1000), "the base64 must be a jpg or png"),
        (inline(png)[:5000] + "*", "too long for a path"),
        ("nosuch://bucket/a.png", "cannot be read here"),
        ("https://[::1/a.png", "an address that cannot be read"),
    ):
        with pytest.raises(KlingRequestError, match="nothing was sent") as error:
            load_input(value, field="first_frame", base=str(tmp_path))
        assert "first_frame: " in str(error.value)
        assert says in str(error.value)
        assert len(str(error.value)) < 400
    with pytest.raises(KlingRequestError, match="is a relative path"):
        load_input("text.png")


def request_of(**fields: Any) -> KlingRequest:
    return parse_request({"type": "image_to_video", "prompt": "It turns", **fields})


def load(request: KlingRequest, **how: Any) -> tuple[Any, dict[str, str]]:
    loaded = load_inputs(request, **how)
    wire = request.with_inputs({name: one.wire for name, one in loaded.items()})
    return wire, {name: one.identity for name, one in loaded.items()}


def test_a_request_gets_its_images_for_the_wire(tmp_path: Path, png: bytes, jpg: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png)
    request = request_of(
        first_frame="a.png", last_frame="https://example.org/z.png?Signature=s&Expires=9&v=1"
    )
    resolved, identities = load(request, base=str(tmp_path))
    assert resolved.first_frame == inline(png)
    assert resolved.last_frame == "https://example.org/z.png?Signature=s&Expires=9&v=1"
    assert identities == {"first_frame": hashed(png), "last_frame": "https://example.org/z.png?v=1"}
    assert request.first_frame == "a.png"

    masked = request_of(
        model="kling-v1",
        first_frame="a.png",
        static_mask=inline(jpg),
        dynamic_masks=[{"mask": "a.png", "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
    )
    resolved, identities = load(masked, base=str(tmp_path), api="legacy")
    assert resolved.dynamic_masks[0].mask == inline(png)
    assert resolved.dynamic_masks[0].trajectories == masked.dynamic_masks[0].trajectories
    assert identities == {
        "first_frame": hashed(png),
        "static_mask": hashed(jpg),
        "dynamic_masks.0.mask": hashed(png),
    }

    text = parse_request({"prompt": "A panda"})
    assert load_inputs(text) == {}


def test_all_wrong_images_are_told_at_once(tmp_path: Path) -> None:
    request = request_of(first_frame="a.png", last_frame="b.png")
    with pytest.raises(KlingRequestError) as error:
        load_inputs(request, base=str(tmp_path))
    assert [problem.field for problem in error.value.problems] == ["first_frame", "last_frame"]


def test_what_is_shown_carries_neither_bytes_nor_signatures(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png)
    written = {
        "type": "image_to_video",
        "prompt": "https://example.org/?Signature=s3cr3t is written on a wall",
        "negative_prompt": "https://example.org/?Signature=s3cr3t",
        "image": f"{tmp_path}/a.png",
        "image_tail": inline(png),
        "callback_url": "https://user:pw@hook.example/cb?token=t0k&id=1",
        "dynamic_masks": [{"mask": f"data:image/png;base64,{inline(png)}", "trajectories": []}],
        "static_mask": "https://example.org/m.png?X-Amz-Signature=sig",
        "duration": "5",
    }
    digest = hashed(png)
    shown = shown_request(written, {"first_frame": f"{tmp_path}/a.png (sha256 {digest[7:19]})"})
    assert shown == {
        **written,
        "negative_prompt": "https://example.org/",
        "image": f"{tmp_path}/a.png (sha256 {digest[7:19]})",
        "image_tail": f"base64 (sha256 {digest[7:19]})",
        "callback_url": "https://hook.example",
        "dynamic_masks": [{"mask": f"base64 (sha256 {digest[7:19]})", "trajectories": []}],
        "static_mask": "https://example.org/m.png",
    }
    assert shown_request(written)["image"] == f"{tmp_path}/a.png"


def test_arrays_are_shown_without_signatures() -> None:
    masks = [{"mask": "https://example.org/m.png?X-Amz-Signature=sig", "trajectories": []}]
    written = {"type": "image_to_video", "dynamic_masks": masks}
    assert shown_request({**written, "dynamic_masks": make_array(masks)}) == shown_request(written)


@pytest.mark.parametrize(
    "request_",
    [
        {"first_frame": "A_b-" * 900},
        {"first_frame": "/" + "a" * 3000},
        {"prompt": "as in data:image/png;base64," + "iVBO" * 5000},
        {"imgae": "iVBO" * 5000},
        {"elements": [{"element_id": "1", "url": "iVBO" * 5000}]},
        {"matrix": {"first_frame": ["/9j/" * 5000]}},
        {"image": "data:image/png;base64," + "iVBO" * 5000 + "!"},
    ],
)
def test_base64_is_never_shown_whole(request_: dict[str, Any]) -> None:
    assert len(str(shown_request({"type": "image_to_video", **request_}))) < 400


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    kind=st.sampled_from(["PNG", "JPEG"]),
    progressive=st.booleans(),
)
def test_sides_are_read_as_pillow_writes_them(width: int, height: int, kind: str, progressive: bool) -> None:
    from PIL import Image as Pillow

    target = io.BytesIO()
    options = {"progressive": progressive, "exif": b"Exif\0\0" + b"x" * 300} if kind == "JPEG" else {}
    Pillow.new("RGB", (width, height)).save(target, kind, **options)
    assert read_image_size(target.getvalue()) == (kind.lower(), width, height)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_garbage_is_no_image_and_no_crash(data: bytes, start: bytes) -> None:
    found = read_image_size(start + data)
    assert found is None or (found.width >= 0 and found.height >= 0)
