# SPDX-License-Identifier: Apache-2.0
"""Omni videos: words, frames, reference images, a video and elements in one request.

The rules are the vendor's (API reference of September 2026 for the standard API, February 2026 for the legacy one).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.models import InputLimits, Model, known_model
from kling_provider.api.pricing import round_seconds
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import AudioRate
from kling_provider.api.requests.fields import (
    ApiDesign,
    AspectRatio,
    ImageInput,
    Media,
    ModelName,
    Text,
    VideoInput,
    Wire,
)
from kling_provider.api.requests.parts import Element, ReferenceImage, Voice
from kling_provider.api.requests.video_base import VideoRequest, limit_count, refuse_names

#: Images and elements together: without a video, and beside one; elements beside a first frame.
_MOST, _MOST_WITH_VIDEO, _MOST_ELEMENTS_WITH_FRAME = 7, 4, 3


class OmniVideo(VideoRequest):
    """A video from any of these: a prompt, frames, images to refer to, a video to refer to or to change, elements."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kling-3.0-omni",
        "duration": 5,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "audio": "off",
        "multi_shot": False,
        "watermark": False,
    }
    wire_order: ClassVar[tuple[str, ...]] = ("prompt", "first_frame", "middle_frames", "last_frame")

    type: Literal["omni_video"] = "omni_video"
    model: ModelName = "kling-3.0-omni"
    prompt: Annotated[Text | None, Wire("contents[prompt].text", "prompt")] = None
    # The legacy API has them in one list: see to_body.
    first_frame: Annotated[ImageInput | None, Wire("contents[first_frame].url", None, instead=None)] = None
    middle_frames: Annotated[list[ImageInput], Wire("contents[middle_frame].url", None)] = Field(
        default_factory=list
    )
    last_frame: Annotated[ImageInput | None, Wire("contents[last_frame].url", None, instead=None)] = None
    reference_images: Annotated[list[ReferenceImage], Wire("contents[refer_image]", None, instead=None)] = (
        Field(default_factory=list)
    )
    reference_video: Annotated[VideoInput | None, Wire("contents[feature_video].url", None, instead=None)] = (
        None
    )
    #: Several, which Kling 4.0 takes.
    reference_videos: Annotated[
        list[VideoInput],
        Wire("contents[feature_video].url", None, instead="write one as reference_video"),
    ] = Field(default_factory=list)
    base_video: Annotated[VideoInput | None, Wire("contents[base_video].url", None, instead=None)] = None
    elements: Annotated[list[Element], Wire("contents[element]", "element_list")] = Field(
        default_factory=list
    )
    voices: Annotated[list[Voice], Wire("contents[voice]", None)] = Field(default_factory=list)
    aspect_ratio: Annotated[AspectRatio | None, Wire("settings.aspect_ratio", "aspect_ratio")] = None
    #: Names of inputs for the prompt (``@name``; standard API), by field; images to refer to have an ``id`` of their own.
    image_ids: dict[Literal["first_frame", "last_frame"], Text] | None = None
    video_ids: dict[Literal["reference_video", "base_video"], Text] | None = None

    def find_media_row(self, media: Media, design: ApiDesign) -> str | None:
        """Return the row that an input must keep to: one model takes shorter and smaller videos."""
        model = known_model(self.model)
        if media.kind == "video" and model is not None and model.one_kind_of_reference:
            return "video_o1"
        return super().find_media_row(media, design)

    @property
    def has_video(self) -> bool:
        """Tell whether a video goes in, which changes the price."""
        return bool(self.reference_video or self.reference_videos or self.base_video)

    @property
    def one_shot(self) -> bool | None:
        """Return what is sent as ``multi_shot``: with a video to refer to Kling requires ``True``."""
        model = known_model(self.model)
        if self.multi_shot is None and self.reference_video is not None and model and model.multi_shot:
            return True
        return super().one_shot

    @property
    def audio_rate(self) -> AudioRate:
        """Return the column of the price list that applies."""
        return "video" if self.has_video else super().audio_rate

    def count_billed_seconds(self, seconds: Mapping[str, float]) -> int | None:
        """Return the seconds that are billed: of the result, and with Kling 4.0 those of the videos that go in as well.

        ``None`` where the length of a video decides and is not known.
        """
        result: int | None = self.duration
        if self.base_video is not None:
            length = seconds.get("base_video")
            result = None if length is None else round_seconds(length)
        model = known_model(self.model)
        if result is None or model is None or not model.bills_input_seconds or not self.has_video:
            return result
        lengths = [seconds.get(field) for field in self._video_fields]
        if any(length is None for length in lengths):
            return None
        return max(result + round_seconds(sum(filter(None, lengths))), 2 * result)

    @property
    def _video_fields(self) -> list[str]:
        """The dotted fields of the videos that go in."""
        one = [name for name in ("reference_video", "base_video") if getattr(self, name)]
        return one + [f"reference_videos.{number}" for number in range(len(self.reference_videos))]

    def wire_value(self, field: str) -> Any:
        """Return what is sent: a shape only where no input has one, and no length where the video decides."""
        if field == "aspect_ratio" and self.aspect_ratio is None:
            return None if self.first_frame or self.has_video else "16:9"
        if field == "duration" and self.base_video is not None:
            return None
        return super().wire_value(field)

    def to_body(self, design: ApiDesign) -> dict[str, Any]:
        """Return the body; on the legacy API images and video are lists that name the role of each."""
        body = super().to_body(design)
        if design == "standard":
            self._name_contents(body)
            return body
        model = known_model(self.model)
        if model is not None and "native" not in model.audio:
            body.pop("sound", None)  # it has no such field
        if self.multi_shot is None and "multi_shot" in body:
            body["multi_shot"] = False  # that a video to refer to wants it is a rule of the standard API
        if not (self.first_frame or self.base_video):
            body.setdefault("aspect_ratio", "16:9")  # required there, beside a video to refer to as well
        images = [
            {"image_url": frame, "type": role}
            for frame, role in ((self.first_frame, "first_frame"), (self.last_frame, "end_frame"))
            if frame
        ]
        images += [{"image_url": one.image} for one in self.reference_images]
        if images:
            body["image_list"] = images
        if (video := self.reference_video or self.base_video) is not None:
            role = "feature" if self.reference_video else "base"
            kept = "yes" if self.audio == "original" else "no"
            body["video_list"] = [{"video_url": video, "refer_type": role, "keep_original_sound": kept}]
        return body

    def _name_contents(self, body: dict[str, Any]) -> None:
        kinds = {"reference_video": "feature_video"}
        for field, given in self._input_names.items():
            for one in body["contents"]:
                if one["type"] == kinds.get(field, field):
                    one["id"] = given

    @property
    def _input_names(self) -> dict[str, str]:
        """The names of frames and videos, by field."""
        given = (*(self.image_ids or {}).items(), *(self.video_ids or {}).items())
        return {str(field): name for field, name in given}

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result: the shape as sent, and no seconds where the video decides."""
        fields = super().fingerprint_fields(inputs)
        fields["aspect_ratio"] = self.wire_value("aspect_ratio")
        if self.base_video is not None:
            fields.pop("duration", None)
        return fields

    # -- rules --------------------------------------------------------------------------------------------------

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express, including images."""
        found = super().find_unsupported(design)
        if design == "standard" and not all(one.id for one in self.voices):
            message = "must have an id each, the name that the prompt uses (@id)"
            found.append(Problem("voices", None, message))
        if design == "legacy":
            if any(one.id for one in self.reference_images):
                found.append(refuse_names("reference_images", "<<<image_1>>>"))
            if self.image_ids:
                found.append(_refuse_input_names("image_ids", "<<<image_1>>>"))
            if self.video_ids:
                found.append(_refuse_input_names("video_ids", "<<<video_1>>>"))
            if self.last_frame and len(self.reference_images) + 2 > 2:
                message = "must be left out on the legacy API beside more than two images"
                found.append(Problem("last_frame", None, message))
            model = known_model(self.model)
            if model and model.one_kind_of_reference and self._is_text_alone and self.duration not in (5, 10):
                message = f"must be 5 or 10 seconds for {model.name} from words alone on the legacy API"
                found.append(Problem("duration", self.duration, message))
        return found

    @property
    def _is_text_alone(self) -> bool:
        return not (self.first_frame or self.reference_images or self.elements or self.has_video)

    def _name_parts(self) -> list[str]:
        return [
            *super()._name_parts(),
            *self._input_names.values(),
            *(one.id for one in self.reference_images if one.id),
            *(one.id for one in self.voices if one.id),
        ]

    def _count_parts(self) -> dict[str, int]:
        videos = len(self._video_fields)
        return super()._count_parts() | {"image": self._image_count, "video": videos}

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        if not (self.prompt or "").strip() and not self.multi_prompt:
            found.append(Problem("prompt", None, "must be given: write what the video shows"))
        if self.last_frame and not self.first_frame:
            found.append(Problem("first_frame", None, "must be given: a last_frame alone is not accepted"))
        elif self.middle_frames and not self.first_frame:
            found.append(Problem("first_frame", None, "must be given: middle_frames alone are not accepted"))
        if self.reference_video and self.base_video and self._limits is None:
            message = "cannot be combined with reference_video: one video at most"
            found.append(Problem("base_video", None, message))
        if self.audio == "original" and not self.has_video:
            found.append(Problem("audio", self.audio, "needs reference_video or base_video"))
        if self.base_video:
            found += self._find_beside_base_video()
        for ids in ("image_ids", "video_ids"):
            found += [
                Problem(ids, None, f"must name what the request has: it has no {field}")
                for field in getattr(self, ids) or ()
                if not getattr(self, field)
            ]
        return found + (self._find_too_many() if self._limits is None else self._find_beyond(self._limits))

    @property
    def _limits(self) -> InputLimits | None:
        model = known_model(self.model)
        return None if model is None else model.omni_inputs

    @property
    def _image_count(self) -> int:
        frames = bool(self.first_frame) + len(self.middle_frames) + bool(self.last_frame)
        return len(self.reference_images) + frames

    def _find_too_many(self) -> list[Problem]:
        """Find more images and elements than 3.0 and O1 take."""
        found = []
        together = self._image_count + len(self.elements)
        most = _MOST_WITH_VIDEO if self.has_video else _MOST
        if together > most:
            beside = "beside a video " if self.has_video else ""
            message = f"images and elements must be at most {most} together {beside}(has {together})"
            found.append(Problem("reference_images" if self.reference_images else "elements", None, message))
        if self.first_frame and len(self.elements) > _MOST_ELEMENTS_WITH_FRAME:
            message = f"must be at most {_MOST_ELEMENTS_WITH_FRAME} beside a first frame"
            found.append(Problem("elements", None, message))
        return found

    def _find_beyond(self, limits: InputLimits) -> list[Problem]:
        """Find more inputs than a model takes that counts their kinds apart."""
        kinds = (
            ("reference_images", "images", self._image_count, limits.images),
            ("reference_videos", "videos", len(self._video_fields), limits.videos),
            ("elements", "elements", len(self.elements), limits.elements),
            ("voices", "voices", len(self.voices), limits.voices),
        )
        found = [
            Problem(field, None, f"{noun} must be at most {most} for {self.model} (has {count})")
            for field, noun, count, most in kinds
            if count > most
        ]
        if (total := sum(count for _, _, count, _ in kinds)) > limits.total:
            message = f"all inputs must be at most {limits.total} together for {self.model} (has {total})"
            found.append(Problem("reference_images", None, message))
        if self.reference_video and self.reference_videos:
            message = "must be left out beside reference_videos: write all of them there"
            found.append(Problem("reference_video", None, message))
        return found

    def find_wrong_lengths(self, seconds: Mapping[str, float]) -> list[Problem]:
        """Find videos that are too long together."""
        if self._limits is None:
            return []
        total = sum(seconds.get(field, 0) for field in self._video_fields)
        if total <= (most := self._limits.video_seconds):
            return []
        message = f"must be at most {most} seconds together for {self.model} (have {total:g})"
        return [Problem(self._video_fields[0].partition(".")[0], None, message)]

    def _find_beside_base_video(self) -> list[Problem]:
        frames = [
            Problem(field, None, "cannot be combined with base_video: the video itself is changed")
            for field in ("first_frame", "middle_frames", "last_frame")
            if getattr(self, field)
        ]
        if "duration" in self.model_fields_set:
            frames.append(Problem("duration", None, "must be left out: it follows the base video"))
        if self.multi_shot:
            frames.append(Problem("multi_shot", True, "cannot be combined with base_video"))
        if self.audio == "native":
            frames.append(Problem("audio", self.audio, "must be original or off with base_video"))
        return frames

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = super()._find_by_model(model)
        if self.base_video is not None:
            found = [one for one in found if one.field != "duration"]
        if len(self.middle_frames) > model.middle_frames:
            found.append(Problem("middle_frames", None, limit_count(model.middle_frames, model.name)))
        if model.omni_inputs is None:
            if self.reference_videos:
                message = f"must be left out for {model.name}: write one video as reference_video"
                found.append(Problem("reference_videos", None, message))
            if self.voices:
                found.append(Problem("voices", None, limit_count(0, model.name)))
        if self.aspect_ratio is not None and self.aspect_ratio not in model.aspect_ratios:
            message = f"must be {' or '.join(model.aspect_ratios)} for {model.name}"
            found.append(Problem("aspect_ratio", self.aspect_ratio, message))
        if self.reference_video is not None:
            if model.multi_shot and self.multi_shot is False:
                found.append(Problem("multi_shot", False, "must be true with reference_video; leave it out"))
            if model.multi_shot and self.audio not in (None, "off"):
                found.append(Problem("audio", self.audio, "must be off with reference_video"))
        if model.one_kind_of_reference:
            found += self._find_by_o1(model)
        return found

    def _most_elements(self, model: Model) -> int:
        return model.elements if model.omni_inputs is None else model.omni_inputs.elements

    def _find_by_o1(self, model: Model) -> list[Problem]:
        found = []
        if self.last_frame and self.reference_video:
            message = f"must be left out for {model.name} beside reference_video"
            found.append(Problem("last_frame", None, message))
        references = [name for name in ("reference_images", "elements") if getattr(self, name)]
        if self.last_frame:
            found += [
                Problem(name, None, f"must be left out for {model.name} beside a last frame")
                for name in references
            ]
        alone = self.first_frame and not (references or self.last_frame or self.has_video)
        if alone and self.duration not in (5, 10):
            message = f"must be 5 or 10 seconds for {model.name} from a first frame alone"
            found.append(Problem("duration", self.duration, message))
        return found


def _refuse_input_names(field: str, reference: str) -> Problem:
    """Describe the problem that the legacy API refers to inputs by number, and not by name."""
    message = (
        f"must be left out on the legacy API, which has no names for inputs: write {reference} in the prompt"
    )
    return Problem(field, None, message)
