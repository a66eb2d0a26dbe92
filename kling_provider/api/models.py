# SPDX-License-Identifier: Apache-2.0
"""What each model can do (Kling's capability map of 2026-05-19 and its endpoint pages).

The list is open: a name that is not here passes through with type checks only, because models appear and
retire without notice. Names are the standard API's; :func:`to_standard_name` knows the legacy ones.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from kling_provider.api.prompt_lengths import find_excess

_P = ("720p", "1080p")
_P4K = (*_P, "4k")
_SHAPES = ("16:9", "9:16", "1:1")
_TO_15 = tuple(range(3, 16))
_COMMON_RATE = 46.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """How many inputs go into one omni video, where their kinds are counted apart."""

    total: int
    images: int
    videos: int
    elements: int
    voices: int
    #: Of all videos together.
    video_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model's rules. An empty ``audio`` means that the model has no such switch."""

    name: str
    legacy_name: str | None
    resolutions: tuple[str, ...]
    durations: tuple[int, ...]
    audio: tuple[str, ...] = ()
    #: Sound comes whether asked or not, and is billed.
    always_audio: bool = False
    aspect_ratios: tuple[str, ...] = _SHAPES
    last_frame: bool = True
    #: Frames between the first and the last one.
    middle_frames: int = 0
    #: Where a video goes in, its seconds are billed as well, and at least as many as the result has.
    bills_input_seconds: bool = False
    #: What goes into an omni video, where it is not the rules of 3.0 and O1.
    omni_inputs: InputLimits | None = None
    multi_shot: bool = False
    #: Reads shots in the prompt without being asked.
    shots_in_prompt: bool = False
    elements: int = 0
    voices: int = 0
    #: ``cfg_scale`` and ``camera_control`` belong to the v1 models (legacy docs, February 2026).
    v1_controls: bool = False
    #: The standard API serves it (the retired ones live on at gateways, in the legacy dialect).
    standard: bool = True
    prompt_limit: int = 2500
    #: The limit for ``image_to_video``, where it differs.
    image_prompt_limit: int | None = None
    #: The limit for a prompt wholly in another script than Latin; ``None`` where every character counts alike.
    other_script_limit: int | None = None
    #: The types of requests that it serves.
    types: tuple[str, ...] = ("text_to_video", "image_to_video")
    #: Resolutions with native audio, and with a last frame, where not all are possible then.
    native_audio_resolutions: tuple[str, ...] = ()
    last_frame_resolutions: tuple[str, ...] = ()
    silent_with_last_frame: bool = False
    #: O1: no references beside a last frame, no last frame beside a video, 5 or 10 s from a first frame alone.
    one_kind_of_reference: bool = False
    #: Its voices go into videos from words, too.
    voices_of_words: bool = True
    #: The standard API takes its voices (the legacy one takes them with others as well).
    standard_voices: bool = False
    #: What ``external_task_id`` is worth: a second create with the same id was seen or is documented to be refused.
    locked: bool = True
    #: Takes ``external_task_id`` and ``callback_url`` at all.
    external_ids: bool = True
    #: Seconds of rendering per second of video, typically. Measured: 3.0-turbo 28 s for 3 s, 2.5-turbo 30 to 60 s for
    #: 5 s, 3.0-omni 83 s for 3 s, others about 230 s for 5 s.
    render_rate: float = _COMMON_RATE

    @property
    def has_audio_field(self) -> bool:
        """Tell whether sound can be switched on and off."""
        return bool(self.audio)

    @property
    def durations_as_text(self) -> str:
        """Return the durations in seconds for messages: ``3 to 15``, ``5 or 10``."""
        numbers = self.durations
        if len(numbers) > 2 and numbers == tuple(range(numbers[0], numbers[-1] + 1)):
            return f"{numbers[0]} to {numbers[-1]}"
        return " or ".join(str(number) for number in numbers)

    def find_excess(self, prompt: str, limit: int) -> str | None:
        """Return a message where a prompt is too long, else ``None``.

        Where a script counts for more, a mixed text counts by its parts.

        :param limit: characters, for the type of request.
        """
        return find_excess(prompt, limit, self.other_script_limit, self.name)


def _make_retired_model(
    name: str, *, text: bool = True, v1: bool = False, last_frame_resolutions: tuple[str, ...] = ()
) -> Model:
    """Make the rules of a model of 2024 or 2025 that only gateways still serve, on the legacy API."""
    return Model(
        name=name,
        legacy_name=name,
        resolutions=_P,
        durations=(5, 10),
        v1_controls=v1,
        last_frame_resolutions=last_frame_resolutions,
        standard=False,
        types=("text_to_video", "image_to_video") if text else ("image_to_video",),
    )


_MODELS = (
    Model(
        name="kling-3.0-turbo",
        legacy_name=None,
        resolutions=_P,
        durations=_TO_15,
        always_audio=True,
        last_frame=False,
        shots_in_prompt=True,
        prompt_limit=3072,
        image_prompt_limit=2500,
        render_rate=10.0,
    ),
    Model(
        name="kling-3.0",
        legacy_name="kling-v3",
        resolutions=_P4K,
        durations=_TO_15,
        audio=("native", "off"),
        types=("text_to_video", "image_to_video", "motion_control"),
        multi_shot=True,
        elements=3,
        voices=2,
        prompt_limit=3072,
    ),
    Model(
        name="kling-3.0-omni",
        legacy_name="kling-v3-omni",
        types=("omni_video",),
        resolutions=_P4K,
        durations=_TO_15,
        audio=("native", "original", "off"),
        multi_shot=True,
        elements=7,
        prompt_limit=3072,
        render_rate=28.0,
    ),
    Model(
        name="kling-o1",
        legacy_name="kling-video-o1",
        types=("omni_video",),
        resolutions=_P,
        durations=tuple(range(3, 11)),
        audio=("original", "off"),
        elements=7,
        one_kind_of_reference=True,
    ),
    Model(
        name="kling-2.6",
        legacy_name="kling-v2-6",
        resolutions=_P,
        durations=(5, 10),
        types=("text_to_video", "image_to_video", "motion_control"),
        audio=("native", "off"),
        native_audio_resolutions=("1080p",),
        last_frame_resolutions=("1080p",),
        silent_with_last_frame=True,
        voices=2,
        voices_of_words=False,
        standard_voices=True,
    ),
    Model(
        name="kling-2.5-turbo",
        legacy_name="kling-v2-5-turbo",
        resolutions=_P,
        durations=(5, 10),
        last_frame_resolutions=("1080p",),
        render_rate=9.0,
    ),
    # Kling 4.0: known from gateways' pages only (state of November 2026), which refuse external_task_id and callback_url.
    Model(
        name="kling-4.0",
        legacy_name=None,
        resolutions=_P,
        durations=tuple(range(3, 31)),
        always_audio=True,
        aspect_ratios=(*_SHAPES, "21:9"),
        middle_frames=8,
        bills_input_seconds=True,
        types=("text_to_video", "image_to_video", "omni_video"),
        omni_inputs=InputLimits(total=15, images=10, videos=5, elements=7, voices=3, video_seconds=30),
        prompt_limit=26000,
        other_script_limit=11000,
        locked=False,
        external_ids=False,
    ),
    Model(
        name="kling-4.0-flash",
        legacy_name=None,
        resolutions=("720p",),
        durations=tuple(range(3, 21)),
        always_audio=True,
        aspect_ratios=(*_SHAPES, "21:9"),
        last_frame=False,
        prompt_limit=26000,
        other_script_limit=11000,
        locked=False,
        external_ids=False,
    ),
    _make_retired_model("kling-v1", v1=True),
    _make_retired_model("kling-v1-5", text=False, v1=True, last_frame_resolutions=("1080p",)),
    _make_retired_model("kling-v1-6", v1=True, last_frame_resolutions=("1080p",)),
    _make_retired_model("kling-v2-master"),
    _make_retired_model("kling-v2-1", text=False, last_frame_resolutions=("1080p",)),
    _make_retired_model("kling-v2-1-master"),
)

_BY_NAME = {model.name: model for model in _MODELS} | {
    model.legacy_name: model for model in _MODELS if model.legacy_name
}

#: Kling's name -> Tencent's (Tencent Cloud's documentation of TokenHub, October 2026).
_TOKENHUB_NAMES = {
    "kling-3.0": "kling-video-v3",
    "kling-3.0-turbo": "kling-video-v3-turbo",
    "kling-3.0-omni": "kling-video-v3-omni",
    "kling-o1": "kling-video-o1",
    "kling-2.6": "kling-video-v2.6",
    "kling-2.5-turbo": "kling-video-v2.5-turbo",
}


def known_model(name: str) -> Model | None:
    """Return the rules of a model by either of its names; ``None`` for a name that is not in the table."""
    return _BY_NAME.get(name)


def takes_external_id(name: str) -> bool:
    """Tell whether a model accepts ``external_task_id`` and ``callback_url``; unknown names of the 4.0 family do not."""
    model = known_model(name)
    return model.external_ids if model else not name.startswith("kling-4.0")


def is_locked(name: str) -> bool:
    """Tell whether Kling refuses a second create with the same external id, by observation or documentation."""
    model = known_model(name)
    return model is not None and model.locked


def expected_seconds(name: str, duration: float) -> float:
    """Return how many seconds a task typically takes from its creation to its end, until a process has seen how long.

    :param duration: seconds of video.
    """
    rate = next((model.render_rate for model in _MODELS if model.name == name), None)
    return duration * (rate or _COMMON_RATE)


def find_near_name(name: str) -> str | None:
    """Return the known model whose name differs from ``name`` in dots, dashes and case only; else ``None``."""
    return next((known for known in model_names() if _fold_name(known) == _fold_name(name)), None)


def _fold_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]|v", "", name.lower())


def to_standard_name(name: str) -> str:
    """Return the standard API's name of a model; an unknown name stays."""
    model = _BY_NAME.get(name)
    return model.name if model else name


def legacy_name(name: str) -> str:
    """Return the legacy API's name of a model; an unknown name stays."""
    model = _BY_NAME.get(name)
    return (model.legacy_name or name) if model else name


def find_successor(name: str, type: str) -> str | None:
    """Return the nearest other model that serves a type of request now, in the standard API's spelling; ``None`` for none."""
    model = _find_nearest_current(name, type)
    return None if model is None else model.name


def tokenhub_name(name: str) -> str:
    """Return Tencent TokenHub's name of a model; an unknown name stays."""
    return _TOKENHUB_NAMES.get(name, name)


def suggest_current_model(name: str, type: str) -> str | None:
    """Return what :func:`find_successor` does, in both spellings."""
    model = _find_nearest_current(name, type)
    if model is None:
        return None
    return f"{model.name} ({model.legacy_name})" if model.legacy_name else model.name


def _find_nearest_current(name: str, type: str) -> Model | None:
    current = {
        spelling: model
        for model in _MODELS
        if model.standard
        and type in model.types
        and model.name != to_standard_name(name)
        and not model.name.startswith("kling-4")
        for spelling in (model.name, model.legacy_name)
        if spelling
    }
    near = difflib.get_close_matches(name, current, n=1, cutoff=0.0)
    return current[near[0]] if near else None


def model_names() -> tuple[str, ...]:
    """Return the names in the table, in both spellings, for suggestions."""
    return tuple(_BY_NAME)
