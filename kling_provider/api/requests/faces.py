# SPDX-License-Identifier: Apache-2.0
"""Talking faces: recognised in a video, moved to a sound; an image that speaks; what an image shows.

The rules are the vendor's (API reference of September 2026), those of the older lip-sync clients' (October 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.dialects.fields import list_mappings, read_long_text, read_text
from kling_provider.api.problems import Problem
from kling_provider.api.requests.at_once import AnsweredAtOnce, AnswerWithoutResult
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import (
    AudioId,
    Flag,
    ImageInput,
    Media,
    Mode,
    Number,
    SessionId,
    Text,
    VideoId,
    VoiceId,
    Whole,
    Wire,
)
from kling_provider.api.requests.rules import find_not_one_of
from kling_provider.api.tasks import Output
from kling_provider.api.values import is_web_url

#: A sound must last so long, and overlap the face so long, in milliseconds.
_SHORTEST_SOUND_MS = 2000

FaceVideo = Annotated[str, Field(min_length=1), Media("video", None, "video_face", id_field="video_id")]


class IdentifyFace(AnsweredAtOnce):
    """The faces of a video, as a session of 24 hours in which their lips can be moved."""

    type: Literal["identify_face"] = "identify_face"
    video: Annotated[FaceVideo | None, Wire(None, "video_url", instead=None)] = None
    video_id: Annotated[VideoId | None, Wire(None, "video_id", instead=None)] = None

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one video, by URL or by Kling's id."""
        return super().find_problems() + find_not_one_of(self, "video", "video_id")

    @classmethod
    def read_outputs(cls, data: Any) -> tuple[Output, ...]:
        """Return one ``session``; its details have ``faces`` in Kling's order.

        Each face has ``face_id``, ``face_image`` (a URL or base64), and when it is seen: ``start_time`` and ``end_time`` in
        milliseconds.

        :raises AnswerWithoutResult: where the answer names no session.
        """
        if not isinstance(data, Mapping) or (session := read_text(data.get("session_id"))) is None:
            raise AnswerWithoutResult("the response names no session")
        faces = [
            {
                "face_id": read_text(face.get("face_id")),
                "face_image": face.get("face_image"),
                "start_time": face.get("start_time"),
                "end_time": face.get("end_time"),
            }
            for face in list_mappings(data.get("face_data"))
        ]
        return (Output("session", id=session, details={"faces": faces}),)


class AdvancedLipSync(KlingRequest):
    """A video whose face speaks a sound.

    The face is one of a session of ``identify_face``: either both ids are given, or the video, whose faces a worker has Kling
    recognise first. ``face`` is the number of the face then, from 1, in the order of that answer; it may be left out where
    there is one face only.
    """

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        # The only face of a video is its first one.
        "face": 1,
        "sound_volume": 1,
        "original_audio_volume": 1,
        "watermark": False,
    }

    type: Literal["advanced_lip_sync"] = "advanced_lip_sync"
    # Of the session's making: not in the body of this call.
    video: FaceVideo | None = None
    video_id: VideoId | None = None
    face: Whole | None = Field(None, ge=1)

    session_id: Annotated[SessionId | None, Wire(None, "session_id", instead=None)] = None
    face_id: Annotated[Text | None, Wire(None, "face_choose[].face_id", instead=None)] = Field(
        None, min_length=1
    )
    audio_id: Annotated[AudioId | None, Wire(None, "face_choose[].audio_id", instead=None)] = None
    sound: Annotated[
        str | None,
        Media("audio", None, "audio_lip_sync", id_field="audio_id"),
        Wire(None, "face_choose[].sound_file", instead=None),
    ] = Field(None, min_length=1)
    sound_start_time: Annotated[Whole, Wire(None, "face_choose[].sound_start_time", instead=None)] = Field(
        ge=0
    )
    sound_end_time: Annotated[Whole, Wire(None, "face_choose[].sound_end_time", instead=None)] = Field(ge=0)
    sound_insert_time: Annotated[Whole, Wire(None, "face_choose[].sound_insert_time", instead=None)] = Field(
        ge=0
    )
    sound_volume: Annotated[Number, Wire(None, "face_choose[].sound_volume", instead=None)] = Field(
        1, ge=0, le=2
    )
    original_audio_volume: Annotated[
        Number, Wire(None, "face_choose[].original_audio_volume", instead=None)
    ] = Field(1, ge=0, le=2)
    watermark: Annotated[Flag, Wire(None, "watermark_info.enabled", instead=None)] = False

    @property
    def has_session(self) -> bool:
        """Tell whether session and face are given; if not, the faces of the video must be recognised first."""
        return self.session_id is not None and self.face_id is not None

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one source of the face, one sound, and a cut of the sound that is long enough."""
        found = super().find_problems()
        found += find_not_one_of(self, "session_id", "video", "video_id")
        if self.session_id is not None:
            if self.face_id is None:
                message = "must be given with session_id: write one of the faces that identify_face found"
                found.append(Problem("face_id", None, message))
            if self.face is not None:
                found.append(Problem("face", self.face, "must be left out beside session_id: write face_id"))
        elif self.face_id is not None:
            message = "must be left out without session_id: an id belongs to a session; write face, its number from 1"
            found.append(Problem("face_id", None, message))
        found += find_not_one_of(self, "sound", "audio_id")
        if self.sound_end_time - self.sound_start_time < _SHORTEST_SOUND_MS:
            message = (
                f"must be at least {_SHORTEST_SOUND_MS} ms after sound_start_time ({self.sound_start_time})"
            )
            found.append(Problem("sound_end_time", self.sound_end_time, message))
        return found

    def find_wrong_lengths(self, seconds: Mapping[str, float]) -> list[Problem]:
        """Find a cut that ends after its sound, or after the video."""
        found = []
        if (sound := seconds.get("sound")) is not None and self.sound_end_time > sound * 1000:
            message = f"must not be after the end of the sound, {sound * 1000:.0f} ms"
            found.append(Problem("sound_end_time", self.sound_end_time, message))
        if (video := seconds.get("video")) is not None and self._insert_end > video * 1000:
            message = (
                f"must let the sound end within the video, which lasts {video * 1000:.0f} ms "
                f"(it would end at {self._insert_end} ms)"
            )
            found.append(Problem("sound_insert_time", self.sound_insert_time, message))
        return found

    @property
    def _insert_end(self) -> int:
        """When the sound ends, in milliseconds of the video."""
        return self.sound_insert_time + self.sound_end_time - self.sound_start_time

    def find_problems_with_face(self, start_time: int, end_time: int) -> list[Problem]:
        """Find whether the sound misses the face: they must overlap by 2 seconds.

        :param start_time: when the face is first seen, in milliseconds of the video.
        :param end_time: when it is last seen.
        """
        ends = self._insert_end
        overlap = min(ends, end_time) - max(self.sound_insert_time, start_time)
        if overlap >= _SHORTEST_SOUND_MS:
            return []
        message = (
            f"must let the sound overlap the face, which is seen from {start_time} to {end_time} ms, by at least "
            f"{_SHORTEST_SOUND_MS} ms (the sound runs from {self.sound_insert_time} to {ends} ms of the video)"
        )
        return [Problem("sound_insert_time", self.sound_insert_time, message)]


class LipSync(KlingRequest):
    """A video whose face speaks a text or a sound, by the older call. Kling's pages no longer describe it."""

    #: Nobody has seen it take an external id.
    without: ClassVar[frozenset[str]] = frozenset({"model", "external_task_id"})
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"voice_language": "zh", "voice_speed": 1.0}
    prompt_field: ClassVar[str] = "text"

    type: Literal["lip_sync"] = "lip_sync"
    mode: Annotated[Literal["text2video", "audio2video"], Wire(None, "input.mode", instead=None)]
    video: Annotated[FaceVideo | None, Wire(None, "input.video_url", instead=None)] = None
    video_id: Annotated[VideoId | None, Wire(None, "input.video_id", instead=None)] = None
    text: Annotated[Text | None, Wire(None, "input.text", instead=None)] = Field(None, max_length=120)
    voice_id: Annotated[VoiceId | None, Wire(None, "input.voice_id", instead=None)] = None
    voice_language: Annotated[
        Literal["zh", "en"] | None, Wire(None, "input.voice_language", instead=None)
    ] = None
    voice_speed: Annotated[Number | None, Wire(None, "input.voice_speed", instead=None)] = Field(
        None, ge=0.8, le=2
    )
    audio_type: Annotated[Literal["file", "url"] | None, Wire(None, "input.audio_type", instead=None)] = None
    audio_file: Annotated[
        str | None, Media("audio", None, "audio_lip_sync"), Wire(None, "input.audio_file", instead=None)
    ] = Field(None, min_length=1)
    audio_url: Annotated[
        str | None,
        Media("audio", None, "audio_lip_sync", results_field="audio_file"),
        Wire(None, "input.audio_url", instead=None),
    ] = Field(None, pattern=r"^https?://\S+$")

    @property
    def _speaks_text(self) -> bool:
        return self.mode == "text2video"

    @property
    def _sound_url(self) -> str | None:
        """The sound where it is an address: also as ``audio_file``, which takes whatever is known of a result."""
        return self.audio_url or (self.audio_file if is_web_url(self.audio_file) else None)

    def wire_value(self, field: str) -> Any:
        """Return what is sent: Kling's defaults explicitly, and how the sound comes."""
        match field:
            case "voice_language" if self._speaks_text:
                return self.voice_language or "zh"
            case "voice_speed" if self._speaks_text:
                return 1.0 if self.voice_speed is None else self.voice_speed
            case "audio_type" if not self._speaks_text:
                return "file" if self._sound_url is None else "url"
            case "audio_url" | "audio_file":
                return (
                    self._sound_url if field == "audio_url" else None if self._sound_url else self.audio_file
                )
        return super().wire_value(field)

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result, with the sound's way as sent."""
        fields = super().fingerprint_fields(inputs)
        if is_web_url(fields.get("audio_file")):
            fields["audio_url"] = fields.pop("audio_file")
        # By what stands for the sound: a result is the same one by its link and by its file.
        ways = ("url", "file")
        fields["audio_type"] = next((way for way in ways if f"audio_{way}" in fields), None)
        return fields

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one video, and what the mode needs and has no use for."""
        found = super().find_problems() + find_not_one_of(self, "video", "video_id")
        text, sound = ("text", "voice_id"), ("audio_file", "audio_url")
        if self._speaks_text:
            found += [
                Problem(field, None, "must be given with mode: text2video")
                for field in text
                if not (getattr(self, field) or "").strip()
            ]
        else:
            found += find_not_one_of(self, *sound)
        foreign = (*sound, "audio_type") if self._speaks_text else (*text, "voice_language", "voice_speed")
        found += [
            Problem(field, None, f"must be left out with mode: {self.mode}")
            for field in foreign
            if getattr(self, field) is not None
        ]
        if not self._speaks_text and self.audio_type not in (None, sent := self.wire_value("audio_type")):
            found.append(
                Problem("audio_type", self.audio_type, f"must be {sent} with audio_{sent}, or left out")
            )
        return found


class Avatar(KlingRequest):
    """An image of somebody who speaks a sound."""

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"mode": "std", "watermark": False}

    type: Literal["avatar"] = "avatar"
    image: Annotated[ImageInput, Wire(None, "image", instead=None)]
    audio_id: Annotated[AudioId | None, Wire(None, "audio_id", instead=None)] = None
    sound: Annotated[
        str | None,
        Media("audio", None, "audio_avatar", id_field="audio_id"),
        Wire(None, "sound_file", instead=None),
    ] = Field(None, min_length=1)
    prompt: Annotated[Text | None, Wire(None, "prompt", instead=None)] = Field(None, max_length=2500)
    mode: Annotated[Mode, Wire(None, "mode", instead=None)] = "std"
    watermark: Annotated[Flag, Wire(None, "watermark_info.enabled", instead=None)] = False

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one sound, by address or file, or by Kling's id."""
        return super().find_problems() + find_not_one_of(self, "sound", "audio_id")


class ImageRecognize(AnsweredAtOnce):
    """Masks of what an image shows: object, head, face, clothes."""

    type: Literal["image_recognize"] = "image_recognize"
    image: Annotated[ImageInput, Wire(None, "image", instead=None)]

    @classmethod
    def read_outputs(cls, data: Any) -> tuple[Output, ...]:
        """Return one output for each kind of segment; its details have ``segment`` (``face_seg`` …) and ``is_contain``.

        It is an ``image`` where Kling made one, else a ``segment`` without a file.

        :raises AnswerWithoutResult: where the answer lists no segments.
        """
        result = data.get("task_result") if isinstance(data, Mapping) else None
        segments = list_mappings(result.get("images")) if isinstance(result, Mapping) else ()
        outputs = []
        for one in segments:
            url = read_long_text(one.get("url"))
            details = {"segment": read_text(one.get("type")), "is_contain": one.get("is_contain")}
            outputs.append(Output("image" if url else "segment", url=url, details=details))
        if not outputs:
            raise AnswerWithoutResult("the response lists no segments")
        return tuple(outputs)
