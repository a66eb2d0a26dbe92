# SPDX-License-Identifier: Apache-2.0
"""Sounds, videos and inconvenient pictures as inputs: measured, converted, signed, or refused with the ways out."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import struct
import wave
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image as Pillow

from kling_provider.api.media_limits import find_paths
from kling_provider.api.parsing import parse_request
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.prompts import load_prompts
from kling_provider.storage.inputs import LoadedInput, load_input, load_inputs, sign_links
from kling_provider.storage.inputs.formats import find_format
from kling_provider.storage.media import read_image_size
from tests.unit.storage_stand_ins import make_video

_numbers = count()


def picture(kind: str, size: tuple[int, int] = (640, 360), **options: Any) -> bytes:
    target = io.BytesIO()
    Pillow.effect_noise(size, 40).convert("RGB").save(target, kind, **options)
    return target.getvalue()


def sound(seconds: float) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        waves = (int(9000 * math.sin(number / 4)) for number in range(int(8000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", one) for one in waves))
    return target.getvalue()


def encoded(kind: str, codec: str, seconds: float = 3) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(io.BytesIO(sound(seconds)), "r") as source, av.open(target, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=44100)
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=44100)
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        container.mux(stream.encode())
    return target.getvalue()


def hashed(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], str]:
    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


class SigningStore(MemoryFileSystem):
    """An object store of its own, which signs links as S3 and Google do."""

    protocol = "s3"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.store, self.pseudo_dirs = {}, [""]
        self.asked: list[int] = []

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        self.asked.append(expiration)
        return f"https://store.example/{path.lstrip('/')}?Signature=s3cr3t-{len(self.asked)}&Expires=9"

    def invalidate_cache(self, path: str | None = None) -> None:
        pass


class PlainStore(SigningStore):
    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        raise NotImplementedError


@pytest.fixture
def store() -> tuple[SigningStore, str]:
    conn, made = f"signing{next(_numbers)}", SigningStore()
    attach("s3", conn, fs=made)
    return made, f"s3://{conn}@bucket"


# -- formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: picture("JPEG"), "jpg"),
        (lambda: picture("PNG"), "png"),
        (lambda: picture("WEBP"), "webp"),
        (lambda: picture("GIF"), "gif"),
        (lambda: picture("AVIF"), "avif"),
        (lambda: sound(0.1), "wav"),
        (lambda: encoded("mp3", "mp3"), "mp3"),
        (lambda: encoded("adts", "aac"), "aac"),
        (lambda: encoded("ipod", "aac"), "m4a"),
        (lambda: encoded("mov", "aac"), "mov"),
        (lambda: make_video(0.2), "mp4"),
        (lambda: b"no picture" * 10, None),
        (lambda: b"", None),
    ],
    ids=["jpg", "png", "webp", "gif", "avif", "wav", "mp3", "aac", "m4a", "mov", "mp4", "text", "empty"],
)
def test_the_first_bytes_tell_the_format(make: Callable[[], bytes], expected: str | None) -> None:
    assert find_format(make()[:64]) == expected


# -- sounds ----------------------------------------------------------------------------------------------------


def load_sound(value: str) -> LoadedInput:
    return load_input(value, kind="audio", row="audio_lip_sync", field="sound")


def test_a_sound_travels_as_base64_and_is_measured(put: Callable[[str, bytes], str]) -> None:
    data = sound(2.5)
    for value in (put("hello.wav", data), base64.b64encode(data).decode()):
        loaded = load_sound(value)
        assert base64.b64decode(loaded.wire) == data
        assert loaded.identity == hashed(data)
        assert loaded.seconds == pytest.approx(2.5, abs=0.01)
        assert not loaded.needs_link
        assert loaded.wire[:30] not in f"{loaded!r} {loaded.shown}"


@pytest.mark.parametrize(
    ("kind", "codec"), [("mp3", "mp3"), ("adts", "aac"), ("ipod", "aac"), ("mp4", "aac")]
)
def test_every_documented_format_of_a_sound_is_taken(
    kind: str, codec: str, put: Callable[[str, bytes], str]
) -> None:
    """An m4a that its writer calls an mp4 is one."""
    assert load_sound(put("a.bin", encoded(kind, codec))).seconds == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(
    ("seconds", "says"), [(1.9, "lasts 1.9 s; it must last 2 to 60 s"), (2.0, None), (60.0, None), (60.2, "60.2 s")]
)  # fmt: skip
def test_a_sound_that_is_too_short_or_too_long_is_refused(
    seconds: float, says: str | None, put: Callable[[str, bytes], str]
) -> None:
    value = put("a.wav", sound(seconds))
    if says is None:
        assert load_sound(value).seconds == pytest.approx(seconds, abs=0.01)
        return
    with pytest.raises(KlingRequestError, match=says):
        load_sound(value)


def test_what_is_no_sound_is_refused(put: Callable[[str, bytes], str]) -> None:
    for data, says in (
        (picture("PNG"), "must be a mp3, wav, m4a or aac, and is a png"),
        (b"nothing at all" * 30, "must be a mp3, wav, m4a or aac"),
        (sound(2.5) + bytes(5 * 1024 * 1024), "5.0 MB; it must have at most 5"),
    ):
        with pytest.raises(KlingRequestError, match=says):
            load_sound(put("a.wav", data))


def test_without_pyav_the_length_is_left_to_kling(
    put: Callable[[str, bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_provider.storage.inputs.measuring.find_spec", lambda name: None)
    assert load_sound(put("a.wav", sound(1))).seconds is None


# -- pictures ----------------------------------------------------------------------------------------------------


def sides(loaded: LoadedInput) -> tuple[str, int, int]:
    size = read_image_size(base64.b64decode(loaded.wire))
    assert size is not None
    return tuple(size)  # type: ignore[return-value]


def turned(data: bytes) -> bytes:
    """The same picture, as a telephone that lay on its side stores it."""
    image = Pillow.open(io.BytesIO(data))
    exif = image.getexif()
    exif[0x0112] = 6
    target = io.BytesIO()
    image.save(target, "JPEG", exif=exif)
    return target.getvalue()


@pytest.mark.parametrize(
    ("make", "expected", "says"),
    [
        (lambda: picture("WEBP"), ("jpeg", 640, 360), "is a webp: sent as jpg"),
        (lambda: picture("AVIF"), ("jpeg", 640, 360), "is a avif: sent as jpg"),
        (lambda: turned(picture("JPEG")), ("jpeg", 360, 640), "is stored turned (EXIF): sent as jpg"),
        (lambda: picture("PNG", (3000, 2000)), None, "is of 13"),
    ],
    ids=["webp", "avif", "turned", "large"],
)
def test_an_inconvenient_picture_is_converted_and_the_log_says_so(
    make: Callable[[], bytes],
    expected: tuple[str, int, int] | None,
    says: str,
    put: Callable[[str, bytes], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    data = make()
    loaded = load_input(put("a.bin", data), row="image_legacy")
    assert loaded.identity == hashed(data)
    assert says in caplog.text
    assert len(base64.b64decode(loaded.wire)) <= 10 * 1024 * 1024
    if expected is not None:
        assert sides(loaded) == expected


def test_a_convenient_picture_is_sent_as_it_is(put: Callable[[str, bytes], str]) -> None:
    for kind in ("PNG", "JPEG"):
        data = picture(kind)
        assert base64.b64decode(load_input(put("a.bin", data)).wire) == data
    # One type takes WebP itself.
    webp = picture("WEBP")
    assert base64.b64decode(load_input(put("a.webp", webp), row="image_solutions").wire) == webp


def test_a_see_through_picture_stays_so(put: Callable[[str, bytes], str]) -> None:
    target = io.BytesIO()
    Pillow.new("RGBA", (400, 400), (255, 0, 0, 80)).save(target, "WEBP")
    assert sides(load_input(put("a.webp", target.getvalue())))[0] == "png"


def test_heic_is_converted_where_its_library_is_installed(put: Callable[[str, bytes], str]) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    data = picture("HEIF")
    assert find_format(data) == "heic"
    assert sides(load_input(put("a.heic", data))) == ("jpeg", 640, 360)


@pytest.mark.parametrize("missing", ["PIL", "pillow_heif"])
def test_without_the_library_the_way_out_is_told(
    missing: str, put: Callable[[str, bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kling_provider.storage.inputs.pictures.find_spec", lambda name: None if name == missing else object()
    )
    data = picture("WEBP") if missing == "PIL" else b"\0\0\0\x18ftypheic" + bytes(300)
    with pytest.raises(
        KlingRequestError, match=r"convert it to a jpg or png, or install .* \(the extra media\)"
    ):
        load_input(put("a.bin", data))


def test_a_cut_picture_that_must_be_converted_is_refused(put: Callable[[str, bytes], str]) -> None:
    data = turned(picture("JPEG"))
    with pytest.raises(KlingRequestError, match=r"stored turned \(EXIF\), and cannot be converted: OSError"):
        load_input(put("a.jpg", data[: len(data) // 2]))


def test_a_damaged_webp_is_refused(put: Callable[[str, bytes], str]) -> None:
    with pytest.raises(KlingRequestError, match="is a webp that cannot be read"):
        load_input(put("a.webp", picture("WEBP")[:200]))


# -- videos, by address only ----------------------------------------------------------------------------------------


def omni(**fields: Any) -> Any:
    return parse_request({"type": "omni_video", "prompt": "It goes on", **fields})


@pytest.fixture(scope="module")
def clip() -> bytes:
    """24 frames per second, which is the least that Kling takes."""
    return whole_video(3.5, 720, 720)


def whole_video(seconds: float, width: int, height: int, rate: int = 24) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_image(Pillow.new("RGB", (width, height), "red"))
        for number in range(int(seconds * rate)):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


def test_a_video_in_an_object_store_gets_a_signed_link_just_before_the_call(
    store: tuple[SigningStore, str], clip: bytes
) -> None:
    fs, root = store
    fs.pipe_file("/bucket/clips/a.mp4", clip)
    request = omni(reference_video=f"{root}/clips/a.mp4")
    (name, loaded), *none = load_inputs(request).items()
    assert (name, none, loaded.needs_link) == ("reference_video", [], True)
    assert loaded.wire == f"{root}/clips/a.mp4"
    assert loaded.identity == hashed(clip)
    assert loaded.seconds == pytest.approx(3.5, abs=0.1)
    assert "s3cr3t" not in f"{loaded!r} {loaded.shown} {loaded.wire}"
    wire = request.with_inputs({name: loaded.wire})
    assert [one.field for one in find_paths(wire, "standard")] == ["reference_video"]
    signed: Any = sign_links(wire, {name: loaded.wire})
    assert signed.reference_video.startswith("https://store.example/bucket/clips/a.mp4?Signature=s3cr3t-")
    assert find_paths(signed, "standard") == []
    assert fs.asked[-1] == 24 * 3600
    again: Any = sign_links(wire, {name: loaded.wire})
    assert again.reference_video != signed.reference_video


def test_a_local_video_is_refused_with_the_ways_out(put: Callable[[str, bytes], str], clip: bytes) -> None:
    path = put("a.mp4", clip)
    for value, says in (
        (path, "must not be a path of the worker: Kling takes it by URL only; copy it to an object store"),
        (f"file://{path}", "must not be a path of the worker"),
        (base64.b64encode(clip).decode(), "must not be base64: Kling takes it by URL only"),
    ):
        with pytest.raises(KlingRequestError, match=says) as wrong:
            load_inputs(omni(base_video=value))
        assert [one.field for one in wrong.value.problems] == ["base_video"]
        assert "or write an https URL" in str(wrong.value)
        assert len(str(wrong.value)) < 500


def test_the_hook_sends_no_path_as_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a task of your own nobody signs links."""
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({"conn_type": "kling", "password": "sk-one"}))
    with pytest.raises(KlingRequestError, match="base_video: must be an http or https URL here") as wrong:
        KlingHook().submit(omni(base_video="s3://bucket/a.mp4"), external_task_id=None)
    assert "nothing was sent" in str(wrong.value)


def test_a_store_that_signs_no_links_is_told(clip: bytes) -> None:
    conn, fs = f"plain{next(_numbers)}", PlainStore()
    attach("s3", conn, fs=fs)
    fs.pipe_file("/bucket/a.mp4", clip)
    with pytest.raises(KlingRequestError, match="is in a store that signs no links"):
        load_inputs(omni(base_video=f"s3://{conn}@bucket/a.mp4"))


@pytest.mark.parametrize(
    ("fields", "make", "says"),
    [
        ({}, lambda: whole_video(2.5, 720, 720), "lasts 2.5 s; it must last 3 to 15.5 s"),
        ({}, lambda: whole_video(3, 640, 720), "640x720 pixels; each side must have 700 or more"),
        ({}, lambda: whole_video(3, 1600, 720), "their ratio must be from 1:2.5 to 2:1"),
        ({}, lambda: whole_video(3, 720, 720, 12), "has 12 frames per second; it must have 24 to 60"),
        ({}, lambda: sound(4), "must be a mp4 or mov, and is a wav"),
        ({"model": "kling-o1"}, lambda: whole_video(11, 720, 720), "it must last 3 to 10 s"),
        ({"model": "kling-o1"}, lambda: whole_video(3, 720, 2200), "each side must have 2160 or fewer"),
    ],
    ids=["short", "small", "wide", "slow", "wav", "o1 long", "o1 large"],
)
def test_a_video_is_measured_by_the_row_of_its_model(
    fields: dict[str, Any], make: Callable[[], bytes], says: str, store: tuple[SigningStore, str]
) -> None:
    fs, root = store
    fs.pipe_file("/bucket/a.mp4", make())
    with pytest.raises(KlingRequestError, match=says):
        load_inputs(omni(reference_video=f"{root}/a.mp4", **fields))


def test_a_video_that_is_not_there_is_told(store: tuple[SigningStore, str]) -> None:
    with pytest.raises(KlingRequestError, match="there is no file"):
        load_inputs(omni(reference_video=f"{store[1]}/a.mp4"))


def test_a_prompt_file_may_name_a_video_in_a_store_and_no_local_one(
    tmp_path: Path, store: tuple[SigningStore, str], clip: bytes
) -> None:
    fs, root = store
    fs.pipe_file("/bucket/clips/a.mp4", clip)
    (tmp_path / "a.mp4").write_bytes(clip)
    (tmp_path / "a.yaml").write_text("type: omni_video\nprompt: On\nbase_video: a.mp4\n")
    with pytest.raises(KlingRequestError, match="must be an https URL, or a path in an object store"):
        load_prompts(tmp_path)
    (tmp_path / "a.yaml").write_text(f"type: omni_video\nprompt: On\nbase_video: {root}/clips/a.mp4\n")
    (request,) = load_prompts(tmp_path, inputs_below=[root])
    assert request["base_video"] == f"{root}/clips/a.mp4"
