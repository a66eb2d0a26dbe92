# SPDX-License-Identifier: Apache-2.0
"""Elements of the account, made of several images or of a video, and those that everybody has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.derived import CopiedFile
from kling_provider.sandbox.media.limits import VideoLimits
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.custom_voice import describe_voice
from kling_provider.sandbox.products.derived import read_required, read_required_choice
from kling_provider.sandbox.products.element_fields import (
    describe_tags,
    link_images,
    read_images,
    read_names,
)
from kling_provider.sandbox.products.entries import LibraryEntry, LibraryProduct, find_entry
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Value
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_FROM_VIDEO, _FROM_IMAGES = "video_refer", "image_refer"
_LIMITS = VideoLimits(seconds=((3, 8),), sides=(1, 100_000))
_NOBODY = "there is no human in the video"
"""Observed for lips; only realistic people can be elements from a video (documented)."""
_PRESETS = ("Harbour cat", "Tin robot", "Paper lantern", "Market stall")
_FIRST_PRESET = 829_820_000_000_000_000


class CustomElementProduct(LibraryProduct):
    """``POST /v1/general/advanced-custom-elements``, its presets and its deletion by two paths."""

    name = "custom-element"
    legacy_path = "/v1/general/advanced-custom-elements"
    presets_path = "/v1/general/advanced-presets-elements"
    delete_paths = ("/v1/general/delete-advanced-elements", "/v1/general/delete-elements")
    kind = "element"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check the names, and the images or the video that the type of reference needs."""
        fields = Fields(body)
        names = read_names(fields)
        reference_type = read_required_choice(fields, "reference_type", (_FROM_VIDEO, _FROM_IMAGES))
        voice_id = fields.read_text("element_voice_id")
        if reference_type == _FROM_VIDEO and voice_id is not None:
            raise InvalidParameter(f"element_voice_id is not supported with reference_type {_FROM_VIDEO}")
        given: dict[str, Any] = {}
        failure = None
        if reference_type == _FROM_IMAGES:
            given, failure = read_images(
                fields.read_object("element_image_list"), "frontal_image", "refer_images"
            )
        else:
            given["url"] = _get_url(fields.read_object("element_video_list"))
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=names["name"],
            settings={**names, **given, "reference_type": reference_type},
            voices=[voice_id] if voice_id is not None else [],
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            failure_message=failure,
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find its video, or the voice that it speaks with.

        :raises InvalidParameter: there is no such voice, or the video is no URL.
        """
        settings = request.settings
        if (url := settings.get("url")) is not None:
            video = library.read_video(url)
            kept = {**settings, "video": video.to_json(), "speaks": video.has_sound and video.faces > 0}
            return replace(request, settings=kept, failure_message=_find_fault(video))
        for voice_id in request.voices:
            voice = find_entry(library, "voice", voice_id)
            if voice is None:
                raise InvalidParameter("Voice id not found")  # observed for speech
            kept = {"id": voice.id, "name": voice.name, "owner": voice.task.account}
            return replace(request, settings={**settings, "voice": kept})
        return request

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return 0, which was seen live."""
        return Decimal(0)

    def count_outputs(self, request: CreateRequest) -> int:
        """Return two: the element, and the voice that may come out of its video."""
        return 2

    def list_entries(self, task: Task) -> Sequence[LibraryEntry]:
        """Return the element, and the voice of its video where somebody speaks in it."""
        settings, (element_id, voice_id) = task.request.settings, task.output_ids
        element = LibraryEntry(
            kind="element",
            id=element_id,
            name=settings["name"],
            task=task,
            is_character=settings["reference_type"] == _FROM_VIDEO,
        )
        if not settings.get("speaks"):
            return [element]
        return [element, LibraryEntry(kind="voice", id=voice_id, name=settings["name"], task=task)]

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one element with its images or its video, and its voice."""
        settings, element = task.request.settings, self.list_entries(task)[0]
        status = "deleted" if element.is_deleted else "succeed"
        images, videos = link_images(task), _link_videos(task)
        return [
            RenderedOutput(
                type="element",
                standard={
                    "id": element.id,
                    "name": element.name,
                    "description": settings["description"],
                    "element_type": settings["reference_type"],
                    "references": [
                        *({"type": "image", "url": image} for image in images),
                        *({"type": "video", "url": video} for video in videos),
                    ],
                    "owned_by": task.account,
                    "status": status,
                    "tags": describe_tags(task),
                },
                legacy={
                    "element_id": int(element.id),
                    "element_name": element.name,
                    "element_description": settings["description"],
                    "reference_type": settings["reference_type"],
                    "element_image_list": _describe_images(images),
                    "element_video_list": (
                        {"refer_videos": [{"video_url": video} for video in videos]} if videos else {}
                    ),
                    "element_voice_info": self._describe_voice(task),
                    "tag_list": describe_tags(task),
                    "owned_by": task.account,
                    "status": status,
                },
                legacy_list="elements",
            )
        ]

    def _describe_voice(self, task: Task) -> Mapping[str, Value]:
        voice: dict[str, Any] | None = task.request.settings.get("voice")
        if voice is not None:
            return describe_voice(voice["id"], voice["name"], voice["owner"])
        for entry in self.list_entries(task)[1:]:
            return describe_voice(entry.id, entry.name, task.account)
        return {}

    def list_presets(self) -> Sequence[Task]:
        """Return the presets; their names are made up, their images drawn."""
        return [
            self.build_preset(
                _FIRST_PRESET + 10 * number,
                name,
                name=name,
                description=f"A {name.lower()} that everybody can use",
                tags=["o_103" if number == 0 else "o_104"],
                reference_type=_FROM_IMAGES,
                images=[f"https://presets.example/{number}-{view}.png" for view in range(2)],
            )
            for number, name in enumerate(_PRESETS)
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return what it is made of."""
        if request.settings["reference_type"] == _FROM_VIDEO:
            return "from a video"
        return f"from {len(request.settings['images'])} images"


def _describe_images(images: Sequence[Link]) -> Mapping[str, Value]:
    if not images:
        return {}
    frontal, *others = images
    return {"frontal_image": frontal, "refer_images": [{"image_url": image} for image in others]}


def _get_url(fields: Fields) -> str:
    """Return the URL of the one video."""
    entries = fields.read_list("refer_videos")
    if len(entries) != 1:
        raise InvalidParameter(f"{fields.name_field('refer_videos')} must have exactly 1 video")
    one = Fields(entries[0], f"{fields.name_field('refer_videos')}[0]")
    return read_required(one, "video_url")


def _find_fault(video: Source) -> str | None:
    """Return why generation fails for a video; of one from elsewhere nobody knows the size."""
    fault = _LIMITS.find_fault(video)
    if fault is not None or not video.is_seen:
        return fault
    if sorted((video.width, video.height)) != [1080, 1920]:
        return "The input video must be 1080p with an aspect ratio of 16:9 or 9:16"
    return None if video.faces else _NOBODY


def _link_videos(task: Task) -> Sequence[Link]:
    """Return the file of an element's video; none for an element from images."""
    kept = task.request.settings.get("video")
    if kept is None:
        return []
    return [Link(f"{task.output_ids[0]}.mp4", CopiedFile(source=Source.from_json(kept)))]
