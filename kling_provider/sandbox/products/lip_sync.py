# SPDX-License-Identifier: Apache-2.0
"""A face of a video speaks: with a sound that is set in where it belongs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.derived import TalkingVideo
from kling_provider.sandbox.media.limits import FACE_VIDEO, LIP_SYNC_SOUND
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.derived import (
    DerivedProduct,
    check_one,
    count_seconds,
    find_sound,
    find_video,
    get_kept,
    get_source,
    read_limited,
    read_required,
    read_span,
    read_watermark,
)
from kling_provider.sandbox.products.identify_face import IDENTIFY_FACE, list_intervals
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput, Sign, build_video_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

NOBODY = "there is no human in the video"  # observed
_SHORTEST_MS = 2000
_TIMES = ("sound_start_time", "sound_end_time", "sound_insert_time")


class _LipSync(DerivedProduct):
    """What both kinds have in common: the price, and the video with the sound in it."""

    has_parent = True
    read_by_external_id = False

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of the begun blocks of 5 s of the video; 0 before it was found."""
        source = get_source(request)
        blocks = math.ceil(count_seconds(source.seconds) / 5) if source is not None else 0
        return Decimal("0.5") * blocks

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the video with the sound in it."""
        source, sound = get_source(task.request), get_kept(task.request, "sound")
        assert source is not None
        assert sound is not None
        place = task.request.settings["place"]
        video = TalkingVideo(source=source, sound=sound, **place)
        return [build_video_output(task.output_ids[0], video, watermark=task.request.watermark)]


class AdvancedLipSyncProduct(_LipSync):
    """``POST /v1/videos/advanced-lip-sync``: one face of a session of identify-face."""

    name = "advanced-lip-sync"
    legacy_path = "/v1/videos/advanced-lip-sync"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        read_required(fields, "session_id")
        chosen = fields.read_list("face_choose")
        if len(chosen) != 1:
            raise InvalidParameter("face_choose must have exactly 1 face")
        face = Fields(chosen[0], "face_choose[0]")
        read_required(face, "face_id")
        check_one(face, "audio_id", "sound_file")
        start, end, insert = (_read_time(face, key) for key in _TIMES)
        if end - start < _SHORTEST_MS:
            raise InvalidParameter("the cut sound must be at least 2 seconds")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            settings={
                "place": {
                    "start": start / 1000,
                    "end": end / 1000,
                    "at": insert / 1000,
                    "volume": read_span(face, "sound_volume", 0, 2, 1),
                    "own_volume": read_span(face, "original_audio_volume", 0, 2, 1),
                }
            },
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            watermark=read_watermark(fields),
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find session, face and sound, and check where the sound is set in."""
        session = library.find_session(IDENTIFY_FACE, str(request.body["session_id"]))
        source = get_source(session.request)
        assert source is not None
        face = Fields(request.body["face_choose"][0], "face_choose[0]")
        names = [str(number) for number in range(source.faces)]
        if face.raw["face_id"] not in names:
            raise InvalidParameter("face_choose[0].face_id is not found in the session")
        sound, failure = find_sound(face, library, LIP_SYNC_SOUND)
        start, end, insert = (int(face.raw[key]) for key in _TIMES)
        if sound.is_seen and end > sound.milliseconds:
            raise InvalidParameter("face_choose[0].sound_end_time cannot be after the end of the sound")
        if not sound.is_seen:  # it is as long as it must be
            sound = replace(sound, seconds=max(sound.seconds, end / 1000))
        if insert + end - start > source.milliseconds:
            raise InvalidParameter("the cut sound must lie inside the video")
        seen_from, seen_to = list_intervals(source)[names.index(face.raw["face_id"])]
        if min(insert + end - start, seen_to) - max(insert, seen_from) < _SHORTEST_MS:
            raise InvalidParameter("the cut sound must overlap the face by at least 2 seconds")
        settings = {**request.settings, "source": source.to_json(), "sound": sound.to_json()}
        return replace(request, settings=settings, failure_message=failure)

    def _complete_legacy(self, data: dict[str, Any], task: Task, now: float, sign: Sign) -> dict[str, Any]:
        """Leave the external id out: the query page does not have it (documented)."""
        complete = super()._complete_legacy(data, task, now, sign)
        complete["task_info"].pop("external_task_id", None)
        return complete


def _read_time(face: Fields, key: str) -> int:
    value = face.read_integer(key)
    if value is None:
        raise InvalidParameter(f"{face.name_field(key)} is required")
    if value < 0:
        raise InvalidParameter(f"{face.name_field(key)} must not be negative")
    return value


class LipSyncProduct(_LipSync):
    """``POST /v1/videos/lip-sync``, the older one: the sound, or a text that is spoken, from the start on.

    The texts of its refusals were observed in September 2026; its fields are those of pages of 2025. Whether it takes
    an external id is not known, so it does not.
    """

    name = "lip-sync"
    legacy_path = "/v1/videos/lip-sync"
    has_watermark = False

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        given = fields.read_object("input")
        check_one(given, "video_id", "video_url")
        mode = given.read_choice("mode", ("text2video", "audio2video"), "")
        if not mode:
            raise InvalidParameter("input.mode is required")
        text = ""
        if mode == "text2video":
            if not (given.read_text("text") or "").strip():
                raise InvalidParameter("text is required")  # observed
            text = read_limited(given, "text", 120)
            voice = read_required(given, "voice_id")
            if voice.isdecimal():  # the ids of the other catalogue are numbers
                raise InvalidParameter("Voice id not found")  # observed
            given.read_choice("voice_language", ("zh", "en"), "zh")
            read_span(given, "voice_speed", 0.8, 2, 1)
        else:
            kind = given.read_choice("audio_type", ("file", "url"), "")
            if not kind:
                raise InvalidParameter("Audio type is null")  # observed
            value = read_required(given, f"audio_{kind}")
            if (kind == "url") is not value.startswith(("http://", "https://")):
                raise InvalidParameter(f"input.audio_{kind} must be {'a url' if kind == 'url' else 'base64'}")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=text,
            settings={"place": {"own_volume": 0}},
            callback_url=fields.read_text("callback_url"),
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the video and the sound; a text is spoken at about fourteen characters a second."""
        given = Fields(request.body["input"], "input")
        source, failure = find_video(given, library, FACE_VIDEO)
        if request.prompt:
            speed = given.read_number("voice_speed") or 1
            seconds = round(max(1.0, len(request.prompt) / 14) / speed, 2)
            sound = Source(seconds=seconds, format="wav", sample=f"text={request.prompt}")
        else:
            key = f"audio_{given.raw['audio_type']}"
            sound, wrong = find_sound(given, library, LIP_SYNC_SOUND, keys=(key,))
            failure = failure or wrong
        if failure is None and not source.faces:
            failure = NOBODY
        settings = {**request.settings, "source": source.to_json(), "sound": sound.to_json()}
        return replace(request, settings=settings, failure_message=failure)
