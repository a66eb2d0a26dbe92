# SPDX-License-Identifier: Apache-2.0
"""What a user asks for, checked before money is spent.

One vocabulary for both API designs: the standard API's names, plus what only the legacy API has. Legacy
spellings (``model_name``, ``mode``, ``sound``, ``image``, ``image_tail``) are translated here, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from kling_provider.api.models import canonical, known_model
from kling_provider.api.problems import InvalidRequest, Problem, from_pydantic, suggest, unknown_key
from kling_provider.api.rules import broken_rules
from kling_provider.api.spelling import legacy_names, translate
from kling_provider.api.values import as_whole, plain, text_of_number


def _no_flag(value: Any) -> Any:
    # A yes or on that YAML made a boolean is no 1: it would pay for another take.
    if isinstance(value, bool):
        raise ValueError("is a number, not true or false")
    return as_whole(value)


def _aspect(value: Any) -> Any:
    # YAML 1.1 reads an unquoted 16:9 as a number to base 60: 969.
    if isinstance(value, int) and not isinstance(value, bool) and value > 60:
        minutes, seconds = divmod(value, 60)
        raise ValueError(f'was read as the number {value}; write it in quotes: "{minutes}:{seconds}"')
    if not isinstance(value, str):
        raise ValueError('is written like "16:9"')
    return value


def _audio(value: Any) -> Any:
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


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(text_of_number)]
Whole = Annotated[int, BeforeValidator(_no_flag)]
Number = Annotated[float, BeforeValidator(_no_flag)]
Flag = Annotated[bool, BeforeValidator(as_whole)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraConfig(_Part):
    """Movement of a ``simple`` camera: exactly one value is not zero, each in -10 to 10."""

    horizontal: Number = Field(0, ge=-10, le=10)
    vertical: Number = Field(0, ge=-10, le=10)
    pan: Number = Field(0, ge=-10, le=10)
    tilt: Number = Field(0, ge=-10, le=10)
    roll: Number = Field(0, ge=-10, le=10)
    zoom: Number = Field(0, ge=-10, le=10)


class CameraControl(_Part):
    """Legacy API, v1 models. ``config`` goes with ``simple`` only."""

    type: Literal["simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward"]
    config: CameraConfig | None = None


class Element(_Part):
    """A stored element; ``id`` is its name in the prompt (``@id``; standard API)."""

    element_id: Text
    id: Text | None = None


class Voice(_Part):
    """A stored voice; ``id`` is its name in the prompt (standard API)."""

    voice_id: Text
    id: Text | None = None


class Shot(_Part):
    """One shot of a legacy ``multi_prompt``; ``duration`` in seconds."""

    index: Whole = Field(ge=1, le=6)
    prompt: Annotated[Text, Field(max_length=512)]
    duration: Whole = Field(ge=1)


class Point(_Part):
    """Pixels from the bottom left."""

    x: Whole
    y: Whole


class DynamicMask(_Part):
    """A motion brush: where, and along which path (2 to 77 points)."""

    mask: str
    trajectories: list[Point] = Field(min_length=2, max_length=77)


class VideoRequest(BaseModel):
    """The fields that both kinds share. ``None`` means: not sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    # Ours: never sent to Kling as such.
    name: Text | None = Field(None, min_length=1, max_length=200)
    take: Whole = Field(0, ge=0)
    adopt: Text | None = None

    # Both dialects.
    prompt: Text | None = None
    model: str = Field("kling-3.0", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    duration: Whole = Field(5, ge=1, le=600)
    resolution: Annotated[Literal["720p", "1080p", "4k"], BeforeValidator(_lower)] = "720p"
    audio: Annotated[Literal["off", "native"] | None, BeforeValidator(_audio)] = None
    multi_shot: Flag | None = None
    watermark: Flag = False
    elements: list[Element] = []
    voices: list[Voice] = []
    callback_url: str | None = Field(None, pattern=r"^https?://\S+$")
    external_task_id: Text | None = Field(None, pattern=r"^[A-Za-z0-9._:-]{1,128}$")

    # Legacy only.
    negative_prompt: Text | None = Field(None, max_length=2500)
    cfg_scale: Number | None = Field(None, ge=0, le=1)
    camera_control: CameraControl | None = None
    shot_type: Literal["customize", "intelligence"] | None = None
    multi_prompt: list[Shot] = []

    @field_validator("model")
    @classmethod
    def _one_spelling(cls, value: str) -> str:
        return canonical(value)

    @property
    def sound(self) -> str | None:
        """``native``, ``off``, or ``None`` where the model has no switch."""
        model = known_model(self.model)
        if self.audio is not None or (model and not model.sound_field):
            return self.audio
        return "off"

    @property
    def one_shot(self) -> bool | None:
        """``multi_shot`` as sent: ``False`` unless asked (Kling's own default is ``True``)."""
        model = known_model(self.model)
        if self.multi_shot is not None or (model and not model.multi_shot):
            return self.multi_shot
        return False


class TextToVideo(VideoRequest):
    """A video from words. ``prompt`` may be missing only where ``multi_prompt`` tells the shots."""

    type: Literal["text_to_video"] = "text_to_video"
    aspect_ratio: Annotated[str, BeforeValidator(_aspect)] = Field("16:9", pattern=r"^\d{1,2}:\d{1,2}$")


class ImageToVideo(VideoRequest):
    """A video from a first frame; its shape is the picture's. Images: https, base64, or a path."""

    type: Literal["image_to_video"] = "image_to_video"
    first_frame: str | None = Field(None, min_length=1)
    last_frame: str | None = Field(None, min_length=1)
    static_mask: str | None = Field(None, min_length=1)
    dynamic_masks: list[DynamicMask] = Field([], max_length=6)


Request = TextToVideo | ImageToVideo
KINDS: dict[str, type[TextToVideo] | type[ImageToVideo]] = {
    "text_to_video": TextToVideo,
    "image_to_video": ImageToVideo,
}
#: The keys of what lies inside a request, for suggestions.
_KEYS_WITHIN: dict[str, tuple[str, ...]] = {
    "camera_control": tuple(CameraControl.model_fields),
    "config": tuple(CameraConfig.model_fields),
    "elements": tuple(Element.model_fields),
    "voices": tuple(Voice.model_fields),
    "multi_prompt": tuple(Shot.model_fields),
    "dynamic_masks": tuple(DynamicMask.model_fields),
    "trajectories": tuple(Point.model_fields),
}
#: Fields that hold an image: address, base64, or a path that a worker reads just before the call.
IMAGE_FIELDS = ("first_frame", "last_frame", "static_mask")


#: What to write where an input for a video from an image comes without the type that takes it.
WRITE_TYPE = "write type: image_to_video"


def parse_request(data: Mapping[str, Any] | Request) -> Request:
    """Read one request in our vocabulary or the legacy one, and check it.

    A value of ``None`` counts as not given; numbers and booleans may be text (Jinja renders text).

    :param data: a mapping, or a request that was made otherwise: its rules are checked all the same.
    :raises InvalidRequest: with every problem at once, each with field, what was found and what to write.
    """
    if isinstance(data, VideoRequest):
        data = data.model_dump(exclude_unset=True) | {"type": data.type}
    if not isinstance(data, Mapping):
        raise InvalidRequest([Problem("", data, "a request is a mapping such as {'prompt': 'A red panda'}")])
    data, problems = plain(data)
    kind = data.get("type") or "text_to_video"
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidRequest([*problems, Problem("type", kind, f"is one of: {', '.join(KINDS)}")])
    fields, misspelt = translate({key: value for key, value in data.items() if value is not None})
    problems += misspelt
    for key in [key for key in fields if key not in model.model_fields]:
        hint = _hint(key, model)
        problems.append(unknown_key(key, fields.pop(key), model.model_fields, hint))
    request: Request | None = None
    try:
        request = model.model_validate(fields)
    except ValidationError as error:
        problems += from_pydantic(error, _KEYS_WITHIN)
        wrong = _wrong_fields(error)
        if "model" not in wrong:
            # What the model says to the rest, so that its author hears of all at once. Rules that compare fields
            # would speak of defaults where the wrong ones stood.
            on_their_own = {"duration", "resolution", "aspect_ratio"} - wrong
            rest = model.model_validate({key: value for key, value in fields.items() if key not in wrong})
            problems += [problem for problem in broken_rules(rest) if problem.field in on_their_own]
    if request is not None:
        problems += broken_rules(request)
    if problems or request is None:
        raise InvalidRequest(problems)
    return request


def read_what_can_be(data: Mapping[str, Any]) -> tuple[Request, dict[str, Any]]:
    """Read a request that may be wrong: its readable fields, and the others as they were written.

    For texts about it and for its name. It is no check: nothing may be sent of it.
    """
    clean, _ = plain(data)
    fields, _ = translate({key: value for key, value in clean.items() if value is not None})
    kind = KINDS.get(str(fields.pop("type", "")), TextToVideo)
    rest = {key: fields.pop(key) for key in list(fields) if key not in kind.model_fields}
    try:
        return kind.model_validate(fields), rest
    except ValidationError as error:
        rest |= {key: fields.pop(key) for key in _wrong_fields(error)}
    return kind.model_validate(fields), rest


def _hint(key: str, model: type[TextToVideo] | type[ImageToVideo]) -> str | None:
    """What to say of a key that the type does not have; ``None`` where a plain suggestion does."""
    other = next(cls for cls in KINDS.values() if cls is not model)
    if key in other.model_fields:
        said = f"belongs to type {_type_of(other)}, not {_type_of(model)}"
        if key == "aspect_ratio":
            return f"{said}: an image's video has the shape of its first frame"
        return f"{said}; {WRITE_TYPE}" if other is ImageToVideo else said
    if not suggest(key, model.model_fields) and (near := suggest(key, legacy_names())):
        return f"no such key.{near}"
    return None


def _type_of(kind: type[TextToVideo] | type[ImageToVideo]) -> str:
    return str(kind.model_fields["type"].default)


def _wrong_fields(error: ValidationError) -> set[str]:
    return {str(item["loc"][0]) for item in error.errors()}
