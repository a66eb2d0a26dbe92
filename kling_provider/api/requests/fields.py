# SPDX-License-Identifier: Apache-2.0
"""Types of fields, and how a field is called on the wire in each API design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kling_provider.api.values import convert_integral_float, convert_number_to_text

#: Kling's two API designs.
ApiDesign = Literal["standard", "legacy"]


@dataclass(frozen=True, slots=True)
class Wire:
    """Say where a field stands in the body of each API design; ``None`` where that design has no such field.

    A path is dotted (``settings.duration``). ``contents[first_frame].url`` is the field ``url`` of an item of
    ``contents`` whose ``type`` is ``first_frame``; ``contents[element]`` takes each of several parts as such an item.
    ``subject_image_list[].subject_image`` is a field of each object of an array: of several values each makes an object of
    its own, and one value belongs to the first object, as do its neighbours (``face_choose[].face_id``).
    """

    standard: str | None
    legacy: str | None
    #: Our value -> the legacy API's.
    legacy_values: Mapping[Any, Any] | None = None
    #: The legacy API wants a number as text.
    legacy_text: bool = False
    #: What to write instead, where only the other design has the field; ``None`` where the class says that itself.
    instead: str | None = "leave it out"

    def find_path(self, design: ApiDesign) -> str | None:
        """Return where the field stands in the body of ``design``; ``None`` where that design lacks it."""
        return self.standard if design == "standard" else self.legacy

    def convert_value(self, value: Any, design: ApiDesign) -> Any:
        """Return ``value`` in the form that ``design`` expects."""
        if design == "legacy" and self.legacy_values is not None:
            return self.legacy_values[value]
        return str(value) if design == "legacy" and self.legacy_text else value


@dataclass(frozen=True, slots=True)
class Media:
    """Mark a field as an input: a URL, base64, a path that a worker reads just before the call, or another task's result.

    :param kind: what it must be.
    :param standard: what the standard API accepts: a row of :mod:`kling_provider.api.media_limits`.
    :param legacy: what the legacy API accepts.
    :param id_field: the field that takes Kling's own id of such an output instead, where the endpoint has one.
    :param results_field: the field that takes results of other tasks for this one, where it is not this one.
    """

    kind: Literal["image", "video", "audio"]
    standard: str | None = None
    legacy: str | None = None
    id_field: str | None = None
    results_field: str | None = None

    def find_limits(self, design: ApiDesign) -> str | None:
        """Return the row of what ``design`` accepts; ``None`` where nothing is documented."""
        return self.standard if design == "standard" else self.legacy


@dataclass(frozen=True, slots=True)
class ResultId:
    """Mark a field as Kling's id of what another task made.

    :param output_type: of the output whose id it is: ``video``, ``audio``, ``voice``, ``element``, ``session``.
    """

    output_type: str


def _refuse_flag(value: Any) -> Any:
    # A yes or on that YAML made a boolean is no 1: it would pay for another take.
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return convert_integral_float(value)


def _check_aspect_ratio(value: Any) -> Any:
    # YAML 1.1 reads an unquoted 16:9 as a number to base 60: 969.
    if isinstance(value, int) and not isinstance(value, bool) and value > 60:
        minutes, seconds = divmod(value, 60)
        raise ValueError(
            f'must be in quotes, because YAML reads it as the number {value}: write "{minutes}:{seconds}"'
        )
    if not isinstance(value, str):
        raise ValueError('must be written like "16:9"')
    return value


def _as_audio(value: Any) -> Any:
    """Read ``audio`` as people write it: on, off, yes, no, or one of its own values."""
    # YAML 1.1 reads off and on as booleans.
    if isinstance(value, bool):
        return "native" if value else "off"
    if isinstance(value, str):
        # Jinja renders such a boolean as text.
        word = value.lower()
        return {"on": "native", "yes": "native", "true": "native", "no": "off", "false": "off"}.get(
            word, word
        )
    return value


def _to_lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(convert_number_to_text)]
Whole = Annotated[int, BeforeValidator(_refuse_flag)]
Number = Annotated[float, BeforeValidator(_refuse_flag)]
Flag = Annotated[bool, BeforeValidator(convert_integral_float)]
Resolution = Annotated[Literal["720p", "1080p", "4k"], BeforeValidator(_to_lower)]
Audio = Annotated[Literal["off", "native"], BeforeValidator(_as_audio)]
#: ``original`` is the sound of a video that goes in.
AudioWithOriginal = Annotated[Literal["off", "native", "original"], BeforeValidator(_as_audio)]
AspectRatio = Annotated[str, BeforeValidator(_check_aspect_ratio), Field(pattern=r"^\d{1,2}:\d{1,2}$")]
ImageResolution = Annotated[Literal["1k", "2k", "4k", "8k"], BeforeValidator(_to_lower)]
#: ``auto``: the model decides.
ImageAspectRatio = Annotated[
    str, BeforeValidator(_check_aspect_ratio), Field(pattern=r"^(\d{1,2}:\d{1,2}|auto)$")
]
#: In either spelling; an unknown name passes.
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
ImageInput = Annotated[str, Field(min_length=1), Media("image", "image_new", "image_legacy")]
#: Of a type that only the legacy API has.
LegacyImageInput = Annotated[str, Field(min_length=1), Media("image", None, "image_legacy")]
#: An address. Kling accepts videos by URL only: a path in an object store becomes a signed link, just before the call.
Address = Annotated[str, Field(min_length=1)]
VideoInput = Annotated[Address, Media("video", "video_omni", "video_omni")]
VideoId = Annotated[Text, Field(min_length=1), ResultId("video")]
AudioId = Annotated[Text, Field(min_length=1), ResultId("audio")]
VoiceId = Annotated[Text, ResultId("voice")]
ElementId = Annotated[Text, ResultId("element")]
SessionId = Annotated[Text, Field(min_length=1), ResultId("session")]
#: How the older edits call what others call a resolution.
Mode = Annotated[Literal["std", "pro"], BeforeValidator(_to_lower)]


class RequestPart(BaseModel):
    """Something with fields of its own within a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_wire(self, design: ApiDesign) -> dict[str, Any]:
        """Return the part in the form that ``design`` expects."""
        return self.model_dump(exclude_none=True)


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
    "dynamic_masks": tuple(DynamicMask.model_fields),
    "trajectories": tuple(Point.model_fields),
    "selections": tuple(Selection.model_fields),
    "points": tuple(SelectionPoint.model_fields),
    "glossary": tuple(GlossaryEntry.model_fields),
}


def find_marker(
    marker: type[Wire] | type[Media] | type[ResultId], annotation: Any, metadata: Any = ()
) -> Any:
    """Return the :class:`Wire`, :class:`Media` or :class:`ResultId` of a field, also within ``list[…]`` and ``… | None``."""
    for one in metadata:
        if isinstance(one, marker):
            return one
    parts = get_args(annotation)
    # Annotated[…] gives its markers as further arguments.
    found = next((one for one in parts if isinstance(one, marker)), None)
    return found or next(filter(None, (find_marker(marker, part) for part in parts)), None)


@cache
def input_fields(model: type[BaseModel]) -> tuple[tuple[str, str | None, bool], ...]:
    """Return the inputs of a class: name, the name within each part of a list (or ``None``), and whether it is a list."""
    return tuple(_walk_inputs(model))


def _walk_inputs(model: type[BaseModel]) -> Iterator[tuple[str, str | None, bool]]:
    for name, info in model.model_fields.items():
        if find_marker(Media, info.annotation, info.metadata) is not None:
            yield name, None, _is_list(info.annotation)
            continue
        for part in (one for one in get_args(info.annotation) if _is_part(one)):
            for within, inner in part.model_fields.items():
                if find_marker(Media, inner.annotation, inner.metadata) is not None:
                    yield name, within, True


def find_media(model: type[BaseModel], field: str) -> Media:
    """Return the marker of an input.

    :param field: dotted, as :meth:`~kling_provider.api.requests.base.KlingRequest.iter_inputs` gives it.
    :raises KeyError: where it is no input.
    """
    name, _, rest = field.partition(".")
    return list_media(model)[name, rest.partition(".")[2] or None]


@cache
def list_media(model: type[BaseModel]) -> Mapping[tuple[str, str | None], Media]:
    """Return the markers of the inputs of a class, by name and the name within each part of a list (or ``None``)."""
    return _list_marked(model, Media)


@cache
def list_result_ids(model: type[BaseModel]) -> Mapping[tuple[str, str | None], ResultId]:
    """Return the markers of fields that take Kling's id of an output, as :func:`list_media` those of inputs."""
    return _list_marked(model, ResultId)


def _list_marked(model: type[BaseModel], marker: Any) -> dict[tuple[str, str | None], Any]:
    found: dict[tuple[str, str | None], Any] = {}
    for name, info in model.model_fields.items():
        if (own := find_marker(marker, info.annotation, info.metadata)) is not None:
            found[name, None] = own
        for part in filter(_is_part, _walk_parts(info.annotation)):
            for within, inner in part.model_fields.items():
                if (own := find_marker(marker, inner.annotation, inner.metadata)) is not None:
                    found[name, within] = own
    return found


def _walk_parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _walk_parts(part)


def is_list_field(model: type[BaseModel], name: str) -> bool:
    """Tell whether a field takes a list."""
    return _is_list(model.model_fields[name].annotation)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, RequestPart)
