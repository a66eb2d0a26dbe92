# SPDX-License-Identifier: Apache-2.0
"""Voices and elements that the account keeps, to be used in later requests.

The rules are the vendor's (API reference of September 2026; of the older library of elements February 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.dialects.reading import read_stored_item
from kling_provider.api.problems import Problem
from kling_provider.api.requests.at_once import AnsweredAtOnce, AnswerWithoutResult
from kling_provider.api.requests.fields import Address, ImageInput, Media, Text, VideoId, VoiceId, Wire
from kling_provider.api.requests.rules import find_not_one_of
from kling_provider.api.requests.without_model import RequestWithoutModel
from kling_provider.api.tasks import Output

#: Kling's marks of what an element is.
Tag = Literal["o_101", "o_102", "o_103", "o_104", "o_105", "o_106", "o_107", "o_108"]
#: One clean human voice, 5 to 30 seconds, also with a picture; Kling reads it by URL.
VoiceSound = Annotated[Address, Media("audio", None, "sound_voice", id_field="video_id")]
ElementVideo = Annotated[Address, Media("video", None, "video_element")]


class CustomVoice(RequestWithoutModel):
    """A voice from a sound, or from a video of Kling's in which somebody speaks."""

    prompt_field: ClassVar[str] = "voice_name"
    required_texts: ClassVar[Mapping[str, str]] = {"voice_name": "what the voice is called in the library"}

    type: Literal["custom_voice"] = "custom_voice"
    voice_name: Annotated[Text, Wire(None, "voice_name", instead=None)] = Field(max_length=20)
    sound: Annotated[VoiceSound | None, Wire(None, "voice_url", instead=None)] = None
    #: Kling's id of a video with sound of kling-2.6, of an avatar, or of a lip-sync.
    video_id: Annotated[VideoId | None, Wire(None, "video_id", instead=None)] = None

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one source, a sound or Kling's id of a video."""
        return super().find_problems() + find_not_one_of(self, "sound", "video_id")


class ElementRequest(RequestWithoutModel):
    """What both libraries of elements ask for."""

    prompt_field: ClassVar[str] = "element_description"
    required_texts: ClassVar[Mapping[str, str]] = {
        "element_name": "what the element is called in the library",
        "element_description": "what the element looks like",
    }

    element_name: Annotated[Text, Wire(None, "element_name", instead=None)] = Field(max_length=20)
    element_description: Annotated[Text, Wire(None, "element_description", instead=None)] = Field(
        max_length=100
    )
    tags: Annotated[list[Tag], Wire(None, "tag_list[].tag_id", instead=None)] = Field(default_factory=list)


class CustomElement(ElementRequest):
    """A character or thing that comes back in later videos: from images of it, or from a video of a person."""

    type: Literal["custom_element"] = "custom_element"
    reference_type: Annotated[
        Literal["video_refer", "image_refer"], Wire(None, "reference_type", instead=None)
    ]
    frontal_image: Annotated[
        ImageInput | None, Wire(None, "element_image_list.frontal_image", instead=None)
    ] = None
    #: From other sides.
    reference_images: Annotated[
        list[ImageInput], Wire(None, "element_image_list.refer_images[].image_url", instead=None)
    ] = Field(default_factory=list, max_length=3)
    video: Annotated[
        ElementVideo | None, Wire(None, "element_video_list.refer_videos[].video_url", instead=None)
    ] = None
    #: A voice of the library, for images of a character.
    voice_id: Annotated[VoiceId | None, Wire(None, "element_voice_id", instead=None)] = Field(
        None, min_length=1
    )

    def find_problems(self) -> list[Problem]:
        """Find every broken rule, including inputs of the other way to make an element."""
        return super().find_problems() + self._find_by_reference()

    def _find_by_reference(self) -> list[Problem]:
        if "reference_type" not in self.model_fields_set:
            return []  # which is told on its own
        images, video = ("frontal_image", "reference_images"), ("video",)
        from_images = self.reference_type == "image_refer"
        needed = images if from_images else video
        # A person who speaks in the video gives the element a voice.
        ignored = video if from_images else (*images, "voice_id")
        missing = [
            Problem(name, None, f"must be given for reference_type {self.reference_type}")
            for name in needed
            if not getattr(self, name)
        ]
        return missing + [
            Problem(
                name,
                None,
                f"must be left out for reference_type {self.reference_type}",
            )
            for name in ignored
            if getattr(self, name)
        ]


class OldCustomElement(AnsweredAtOnce, ElementRequest):
    """An element of the older library, which is another than that of :class:`CustomElement`.

    It is not known whether Kling still serves it.
    """

    type: Literal["custom_element_old"] = "custom_element_old"
    frontal_image: Annotated[ImageInput, Wire(None, "element_frontal_image", instead=None)]
    reference_images: Annotated[
        list[ImageInput], Wire(None, "element_refer_list[].image_url", instead=None)
    ] = Field(min_length=1, max_length=3)

    @classmethod
    def read_outputs(cls, data: Any) -> tuple[Output, ...]:
        """Return one ``element``, whose id is the element's.

        :raises AnswerWithoutResult: where the answer names no element.
        """
        found = read_stored_item("element", data) if isinstance(data, Mapping) else None
        if found is None or found.id is None:
            raise AnswerWithoutResult("the response names no element")
        return (found,)
