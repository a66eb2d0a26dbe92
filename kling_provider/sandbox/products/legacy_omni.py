# SPDX-License-Identifier: Apache-2.0
"""The body of ``POST /v1/videos/omni-video``: images, elements and one video in lists of their own.

All of it is documented (legacy pages, 2026); nobody has recorded this path. So a body is refused at create, as on
the other legacy paths.
"""

from __future__ import annotations

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.products import legacy_video
from kling_provider.sandbox.products.legacy_video import RESOLUTION_OF_MODE
from kling_provider.sandbox.products.models import LEGACY_NAMES, MODELS, OMNI
from kling_provider.sandbox.products.prices import Rate
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest

_O1 = "kling-video-o1"
_IMAGE_TYPES = ("first_frame", "end_frame")
_REFER_TYPES = ("feature", "base")


def read_create(body: object, *, lenient: bool = False) -> CreateRequest:
    """Check a create body.

    :param lenient: as resellers do it: whole numbers may be numbers.
    """
    fields = Fields(body)
    name = legacy_video.read_model_name(fields, OMNI)
    model = MODELS[LEGACY_NAMES[name]]
    mode = fields.read_choice("mode", tuple(RESOLUTION_OF_MODE), "pro")
    if RESOLUTION_OF_MODE[mode] not in model.resolutions:
        raise InvalidParameter(f"mode {mode} is not supported by model {name}")
    prompt = legacy_video.read_prompt(fields, name, required=True)
    given = _References(fields)
    duration = legacy_video.read_duration(fields, name, lenient=lenient)
    if name == _O1 and given.is_plain and duration not in (5, 10):
        raise InvalidParameter(f"duration must be one of 5, 10 for model {name} without references")
    sound = fields.read_choice("sound", ("on", "off"), "off") == "on"
    if sound and "native" not in model.audio:
        raise InvalidParameter(f"sound is not supported by model {name}")
    if sound and given.refer_type:
        raise InvalidParameter("sound must be off with video_list")
    aspect_ratio = fields.read_choice("aspect_ratio", model.aspect_ratios, "")
    if not aspect_ratio and given.first_frame is None and given.refer_type != "base":
        raise InvalidParameter("aspect_ratio is required without a first frame or a base video")
    rate: Rate = "video" if given.refer_type else "native" if sound else "silent"
    return CreateRequest(
        dialect="legacy",
        product=OMNI,
        model=model.name,
        model_name=name,
        prompt=prompt,
        settings=VideoSettings(
            duration=duration,  # a base video decides it on Kling; the sandbox cannot read one
            resolution=RESOLUTION_OF_MODE[mode],
            aspect_ratio=None if given.first_frame is not None else aspect_ratio or "16:9",
            sound=sound or given.keeps_sound,
            rate=rate,
        ).to_json(),
        image=given.first_frame or next(iter(given.images), None),
        elements=given.elements,
        external_id=fields.read_text("external_task_id"),
        callback_url=fields.read_text("callback_url"),
        watermark=fields.read_object("watermark_info").read_flag("enabled") or False,
        failure_message=given.failure_message,
        body=fields.raw,
    )


class _References:
    """The images, elements and the video of a body."""

    def __init__(self, fields: Fields) -> None:
        self.images: list[inputs.InputImage] = []
        self.first_frame: inputs.InputImage | None = None
        self.keeps_sound = False
        self.failure_message: str | None = None
        types = [
            self._read_image(Fields(entry, f"image_list[{index}]"))
            for index, entry in enumerate(fields.read_list("image_list"))
        ]
        self.refer_type = self._read_video(fields)
        """None: there is no video."""
        self.elements = [
            self._read_element(Fields(entry, f"element_list[{index}]"))
            for index, entry in enumerate(fields.read_list("element_list"))
        ]
        for kind in _IMAGE_TYPES:
            if types.count(kind) > 1:
                raise InvalidParameter(f"image_list can have at most 1 {kind}")
        if "end_frame" in types and "first_frame" not in types:
            raise InvalidParameter("end_frame requires first_frame")
        if "end_frame" in types and len(types) > 2:
            raise InvalidParameter("end_frame is not supported with more than 2 images")
        if len(types) > 7:
            raise InvalidParameter("image_list can have at most 7 images")
        most = 4 if self.refer_type else 7
        if len(types) + len(self.elements) > most:
            raise InvalidParameter(f"image_list and element_list can have at most {most} images and elements")
        self.is_plain = types in ([], ["first_frame"]) and not self.elements and not self.refer_type
        """Text or a first frame, and nothing else."""

    def _note_failure(self, message: str | None) -> None:
        """Keep the first reason for which generation will fail."""
        self.failure_message = self.failure_message or message

    def _read_image(self, entry: Fields) -> str:
        if not entry.raw.get("image_url"):
            raise InvalidParameter(f"{entry.name_field('image_url')} is required")
        image = inputs.read_image(entry.raw["image_url"], entry.name_field("image_url"), legacy=True)
        kind = entry.read_choice("type", _IMAGE_TYPES, "")
        self.images.append(image)
        self._note_failure(image.failure_message)
        if kind == "first_frame":
            self.first_frame = image
        return kind

    def _read_video(self, fields: Fields) -> str | None:
        videos = fields.read_list("video_list")
        if len(videos) > 1:
            raise InvalidParameter("video_list can have at most 1 video")
        for value in videos:
            entry = Fields(value, "video_list[0]")
            url = entry.read_text("video_url")
            if url is None:
                raise InvalidParameter(f"{entry.name_field('video_url')} is required")
            self._note_failure(inputs.check_video(url))
            refer_type = entry.read_choice("refer_type", _REFER_TYPES, "")
            if not refer_type:  # resellers' pages say that the default is base
                raise InvalidParameter(f"{entry.name_field('refer_type')} is required")
            # the default is of resellers' pages
            self.keeps_sound = entry.read_choice("keep_original_sound", ("yes", "no"), "yes") == "yes"
            return refer_type
        return None

    def _read_element(self, entry: Fields) -> str:
        value = entry.raw.get("element_id")
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
            raise InvalidParameter(f"{entry.name_field('element_id')} must be an integer")
        return str(value)
