# SPDX-License-Identifier: Apache-2.0
"""Parts of requests with fields of their own: stored things, shots, masks, choices in a frame."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kling_provider.api.requests.fields import (
    ApiDesign,
    ElementId,
    ImageInput,
    Media,
    Number,
    RequestPart,
    Text,
    VoiceId,
    Whole,
)


class CameraConfig(RequestPart):
    """Movement of a ``simple`` camera: exactly one value is not zero, each in -10 to 10."""

    horizontal: Number = Field(0, ge=-10, le=10)
    vertical: Number = Field(0, ge=-10, le=10)
    pan: Number = Field(0, ge=-10, le=10)
    tilt: Number = Field(0, ge=-10, le=10)
    roll: Number = Field(0, ge=-10, le=10)
    zoom: Number = Field(0, ge=-10, le=10)


class CameraControl(RequestPart):
    """Legacy API, v1 models. ``config`` goes with ``simple`` only."""

    type: Literal["simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward"]
    config: CameraConfig | None = None

    def to_wire(self, design: ApiDesign) -> dict[str, Any]:
        """Return the keys that were given."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class Element(RequestPart):
    """A stored element; ``id`` is its name in the prompt (``@id``; standard API)."""

    element_id: ElementId
    id: Text | None = None

    def to_wire(self, design: ApiDesign) -> dict[str, Any]:
        """Return the id alone on the legacy API, which has no names for elements."""
        return {"element_id": self.element_id} | ({"id": self.id} if design == "standard" else {})


class Voice(RequestPart):
    """A stored voice; ``id`` is its name in the prompt (standard API)."""

    voice_id: VoiceId
    id: Text | None = None

    def to_wire(self, design: ApiDesign) -> dict[str, Any]:
        """Return the id alone on the legacy API, which has no names for voices."""
        named = {"id": self.id} if design == "standard" and self.id else {}
        return {"voice_id": self.voice_id, **named}


class ReferenceImage(RequestPart):
    """An image to refer to; ``id`` is its name in the prompt (``@id``; standard API). An image alone may be written as text."""

    image: ImageInput
    id: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"image": value} if isinstance(value, str) else value

    def to_wire(self, design: ApiDesign) -> dict[str, Any]:
        """Return the image as an item of ``contents``."""
        return {"url": self.image} | ({"id": self.id} if self.id else {})


class Shot(RequestPart):
    """One shot of a legacy ``multi_prompt``; ``duration`` in seconds."""

    index: Whole = Field(ge=1, le=6)
    prompt: Annotated[Text, Field(max_length=512)]
    duration: Whole = Field(ge=1)

    def to_wire(self, design: ApiDesign) -> dict[str, Any]:
        """Return the shot with its seconds as text."""
        return {"index": self.index, "prompt": self.prompt, "duration": str(self.duration)}


class Point(RequestPart):
    """Pixels from the bottom left."""

    x: Whole
    y: Whole


class DynamicMask(RequestPart):
    """A motion brush: where, and along which path (2 to 77 points)."""

    mask: Annotated[str, Media("image", None, "image_legacy")]
    trajectories: list[Point] = Field(min_length=2, max_length=77)


class SelectionPoint(RequestPart):
    """A point of a frame as shares of its width and height, from the top left."""

    x: Number = Field(ge=0, le=1)
    y: Number = Field(ge=0, le=1)


class Selection(RequestPart):
    """What is chosen in one frame of a video, by 1 to 10 points on it."""

    frame_index: Whole = Field(ge=0)
    points: list[SelectionPoint] = Field(min_length=1, max_length=10)


class GlossaryEntry(RequestPart):
    """How a word of the video is translated; each 1 to 100 characters."""

    source: Annotated[Text, Field(max_length=100, pattern=r"\S")]
    target: Annotated[Text, Field(max_length=100, pattern=r"\S")]


#: The keys of what lies inside a request, for suggestions.
KEYS_WITHIN: dict[str, tuple[str, ...]] = {
    "camera_control": tuple(CameraControl.model_fields),
    "config": tuple(CameraConfig.model_fields),
    "elements": tuple(Element.model_fields),
    "voices": tuple(Voice.model_fields),
    "multi_prompt": tuple(Shot.model_fields),
    "reference_images": tuple(ReferenceImage.model_fields),
    "image_ids": ("first_frame", "last_frame"),
    "video_ids": ("reference_video", "base_video"),
    "dynamic_masks": tuple(DynamicMask.model_fields),
    "trajectories": tuple(Point.model_fields),
    "selections": tuple(Selection.model_fields),
    "points": tuple(SelectionPoint.model_fields),
    "glossary": tuple(GlossaryEntry.model_fields),
}
