# SPDX-License-Identifier: Apache-2.0
"""Types of fields, and how a field is called on the wire in each API design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

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
