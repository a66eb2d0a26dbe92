# SPDX-License-Identifier: Apache-2.0
"""Videos that start from a video or from a template: motion, effects, extensions, edits of what is in a video.

The rules are the vendor's (API reference of September 2026 for the standard API, February 2026 for the legacy one).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kling_provider.api.dialects.fields import list_mappings, read_long_text, read_text
from kling_provider.api.effects import ENDED, TWO_IMAGES, find_near_scene, is_known, suggest_scene
from kling_provider.api.problems import Problem
from kling_provider.api.requests.at_once import AnsweredAtOnce, AnswerRefused, AnswerWithoutResult
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import (
    Flag,
    ImageInput,
    Media,
    Mode,
    Number,
    SessionId,
    Text,
    VideoId,
    Whole,
    Wire,
)
from kling_provider.api.requests.parts import Selection, SelectionPoint
from kling_provider.api.requests.references import find_wrong_numbers
from kling_provider.api.requests.rules import find_not_one_of
from kling_provider.api.tasks import Output
from kling_provider.api.values import parse_whole_number

EditedVideo = Annotated[
    str, Field(min_length=1), Media("video", None, "video_multi_elements", id_field="video_id")
]

#: How many images each way of editing takes.
_IMAGES_OF_MODES = {"addition": (1, 2), "swap": (1, 1), "removal": (0, 0)}


def _read_number(value: Any) -> Any:
    number = parse_whole_number(value)
    return value if number is None else number


class VideoExtend(KlingRequest):
    """A video that goes on for 4 to 5 seconds, up to 3 minutes in all; with the model and the quality of its source.

    Nobody has confirmed lately that Kling still makes them: the models of its sources are retired.
    """

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"cfg_scale": 0.5, "watermark": False}

    type: Literal["video_extend"] = "video_extend"
    video_id: Annotated[VideoId, Wire(None, "video_id", instead=None)]
    prompt: Annotated[Text | None, Wire(None, "prompt", instead=None)] = Field(None, max_length=2500)
    negative_prompt: Annotated[Text | None, Wire(None, "negative_prompt", instead=None)] = Field(
        None, max_length=2500
    )
    cfg_scale: Annotated[Number, Wire(None, "cfg_scale", instead=None)] = Field(0.5, ge=0, le=1)
    watermark: Annotated[Flag, Wire(None, "watermark_info.enabled", instead=None)] = False


class Effects(KlingRequest):
    """A template of Kling's with the people or things of one image, or of two."""

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    prompt_field: ClassVar[str] = "scene"
    foreign_fields: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("duration", "resolution", "mode", "aspect_ratio", "audio"), "the scene decides it"
    )

    type: Literal["effects"] = "effects"
    scene: Annotated[Text, Wire(None, "effect_scene", instead=None)] = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
    )
    image: Annotated[ImageInput | None, Wire(None, "input.image", instead=None)] = None
    images: Annotated[list[ImageInput], Wire(None, "input.images", instead=None)] = Field(
        default_factory=list, min_length=2, max_length=2
    )

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: as many images as the scene has places; a scene that is plainly misspelt."""
        found = super().find_problems()
        if not is_known(self.scene) and (near := find_near_scene(self.scene)):
            found.append(Problem("scene", self.scene, f"must be a known scene. Did you mean {near!r}?"))
        elif self.scene in TWO_IMAGES and self.image is not None:
            message = f"must be left out for {self.scene}: write images, the left one and the right one"
            return [*found, Problem("image", None, message)]
        elif is_known(self.scene) and self.scene not in TWO_IMAGES and self.images:
            message = f"must be left out for {self.scene}, which takes one: write image"
            return [*found, Problem("images", None, message)]
        fields = ("images", "image") if self.scene in TWO_IMAGES else ("image", "images")
        return found + find_not_one_of(self, *fields)

    def find_warnings(self) -> list[str]:
        """Find a scene that Kling did not name when the list was read, or that has ended."""
        if self.scene in ENDED:
            return [f"scene {self.scene!r} has ended by Kling's update log"]
        if is_known(self.scene):
            return []
        near = suggest_scene(self.scene)
        said = f"scene {self.scene!r} was not on Kling's list of 2026-09-20, and is sent all the same"
        return [f"{said}; the most similar one is {near!r}" if near else said]


class MultiElements(KlingRequest):
    """A video in which something is added, swapped for another, or removed.

    What is meant is marked in a session: either that of ``multi_elements_init`` is given, or the video and ``selections``,
    with which a worker opens one first.
    """

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"mode": "std", "duration": 5, "watermark": False}

    type: Literal["multi_elements"] = "multi_elements"
    # Of the session's making: not in the body of this call.
    video: EditedVideo | None = None
    video_id: VideoId | None = None
    selections: list[Selection] = Field(default_factory=list, max_length=10)

    session_id: Annotated[SessionId | None, Wire(None, "session_id", instead=None)] = None
    edit_mode: Annotated[Literal["addition", "swap", "removal"], Wire(None, "edit_mode", instead=None)]
    images: Annotated[list[ImageInput], Wire(None, "image_list[].image", instead=None)] = Field(
        default_factory=list, max_length=2
    )
    prompt: Annotated[Text, Wire(None, "prompt", instead=None)] = Field(max_length=2500)
    negative_prompt: Annotated[Text | None, Wire(None, "negative_prompt", instead=None)] = Field(
        None, max_length=2500
    )
    mode: Annotated[Mode, Wire(None, "mode", instead=None)] = "std"
    duration: Annotated[
        Literal[5, 10],
        BeforeValidator(_read_number),
        Wire(None, "duration", legacy_text=True, instead=None),
    ] = 5
    watermark: Annotated[Flag, Wire(None, "watermark_info.enabled", instead=None)] = False

    @property
    def has_session(self) -> bool:
        """Tell whether a session is given; if not, one must be opened on the video first."""
        return self.session_id is not None

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one source of the video, images by the way of editing, references that exist."""
        found = super().find_problems() + find_not_one_of(self, "session_id", "video", "video_id")
        found += self._find_in_selections()
        if not self.prompt.strip():
            found.append(Problem("prompt", None, "must be given: write what the edited video shows"))
        least, most = _IMAGES_OF_MODES[self.edit_mode]
        if not least <= len(self.images) <= most:
            many = f"{least} or {most}" if least != most else f"exactly {most}" if most else "no"
            message = (
                f"must be {many} image{'' if most == 1 else 's'} for edit_mode: {self.edit_mode} "
                f"(has {len(self.images)})"
            )
            found.append(Problem("images", None, message))
        return found + find_wrong_numbers(self.prompt, {"video": 1, "image": len(self.images)})

    def find_wrong_lengths(self, seconds: Mapping[str, float]) -> list[Problem]:
        """Find a duration that is not that of the video: 5 of 2 to 5 seconds, 10 of 7 to 10."""
        if (length := seconds.get("video")) is None:
            return []
        # Kling's own videos are a frame longer than was asked; a length between the two ranges is refused elsewhere.
        wanted = 5 if length < 6 else 10
        if self.duration == wanted:
            return []
        message = f"must be {wanted} for a video of {length:g} seconds"
        return [Problem("duration", self.duration, message)]

    def _find_in_selections(self) -> list[Problem]:
        frames = [one.frame_index for one in self.selections]
        if self.session_id is not None:
            wrong = "must be left out beside session_id: what is marked belongs to the session"
            return [Problem("selections", None, wrong)] if frames else []
        if not frames and self.edit_mode != "addition":
            wrong = f"must be given for edit_mode: {self.edit_mode}: mark with points what is meant"
            return [Problem("selections", None, wrong)]
        twice = sorted({frame for frame in frames if frames.count(frame) > 1})
        return [
            Problem("selections", None, f"must name each frame once: put all points of {frame} together")
            for frame in twice
        ]


class MultiElementsTool(AnsweredAtOnce):
    """A step in a session of multi-elements, which lives for 24 hours."""

    @classmethod
    def read_outputs(cls, data: Any) -> tuple[Output, ...]:
        """Return the session as one output, with what the step found as its details.

        :raises AnswerRefused: where Kling refused the step.
        :raises AnswerWithoutResult: where the answer names no session.
        """
        if not isinstance(data, Mapping):
            raise AnswerWithoutResult("the response names no session")
        if (status := data.get("status")) not in (0, "0", None):
            raise AnswerRefused(f"Kling refused it: status {read_text(status, 20)}")
        if (session := read_text(data.get("session_id"))) is None:
            raise AnswerWithoutResult("the response names no session")
        return (cls._read_output(session, data),)

    @classmethod
    def _read_output(cls, session: str, data: Mapping[str, Any]) -> Output:
        return Output("session", id=session)


class MultiElementsInit(MultiElementsTool):
    """A session in which elements of a video are marked."""

    type: Literal["multi_elements_init"] = "multi_elements_init"
    video: Annotated[EditedVideo | None, Wire(None, "video_url", instead=None)] = None
    video_id: Annotated[VideoId | None, Wire(None, "video_id", instead=None)] = None

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one video, by URL or by Kling's id."""
        return super().find_problems() + find_not_one_of(self, "video", "video_id")

    @classmethod
    def _read_output(cls, session: str, data: Mapping[str, Any]) -> Output:
        """Return the session with facts of the video: frames a second, length in milliseconds, sides, its new link."""
        names = ("fps", "original_duration", "width", "height", "total_frame", "normalized_video")
        return Output("session", id=session, details={name: data.get(name) for name in names})


class _MarkingTool(MultiElementsTool):
    """Points in one frame, as shares of its width and height."""

    session_id: Annotated[SessionId, Wire(None, "session_id", instead=None)]
    frame_index: Annotated[Whole, Wire(None, "frame_index", instead=None)] = Field(ge=0)
    points: Annotated[list[SelectionPoint], Wire(None, "points", instead=None)] = Field(
        min_length=1, max_length=10
    )

    @classmethod
    def _read_output(cls, session: str, data: Mapping[str, Any]) -> Output:
        """Return the session with ``frame_index`` and ``masks``, each with ``object_id``, ``rle_mask`` and ``png_mask``."""
        found = data.get("res")
        result = found if isinstance(found, Mapping) else {}
        masks = [dict(one) for one in list_mappings(result.get("rle_mask_list"))]
        return Output(
            "session", id=session, details={"frame_index": result.get("frame_index"), "masks": masks}
        )


class MultiElementsAdd(_MarkingTool):
    """Mark something in a frame; up to 10 frames of a session, one frame a call."""

    type: Literal["multi_elements_add"] = "multi_elements_add"


class MultiElementsDelete(_MarkingTool):
    """Take marks back; the points must be the very ones that were added."""

    type: Literal["multi_elements_delete"] = "multi_elements_delete"


class MultiElementsClear(MultiElementsTool):
    """Take all marks of a session back."""

    type: Literal["multi_elements_clear"] = "multi_elements_clear"
    session_id: Annotated[SessionId, Wire(None, "session_id", instead=None)]


class MultiElementsPreview(MultiElementsTool):
    """A video that shows what is marked in a session."""

    type: Literal["multi_elements_preview"] = "multi_elements_preview"
    session_id: Annotated[SessionId, Wire(None, "session_id", instead=None)]

    @classmethod
    def _read_output(cls, session: str, data: Mapping[str, Any]) -> Output:
        """Return the video; its details have the session, and links to its cover and to what was tracked."""
        found = data.get("res")
        result = found if isinstance(found, Mapping) else {}
        if (url := read_long_text(result.get("video"))) is None:
            raise AnswerWithoutResult("the response has no preview")
        details = {"session_id": session} | {
            name: result.get(name) for name in ("video_cover", "tracking_output")
        }
        return Output("video", url=url, details=details)
