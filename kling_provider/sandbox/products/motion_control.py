# SPDX-License-Identifier: Apache-2.0
"""The person of an image moves as the one of a video does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.media.derived import ScoredVideo
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.media.limits import MOTION_VIDEO, MOTION_VIDEO_OF_IMAGE
from kling_provider.sandbox.products.derived import (
    DerivedProduct,
    build_film,
    count_seconds,
    get_source,
    read_limited,
    read_required,
    read_watermark,
)
from kling_provider.sandbox.products.entries import find_missing
from kling_provider.sandbox.products.legacy_video import RESOLUTION_OF_MODE
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.models import LEGACY_NAMES, RETIRED
from kling_provider.sandbox.products.outputs import RenderedOutput, build_video_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

#: Units a second, by the price page of 2026-09-20.
_PRICES = {
    "kling-3.0": {"720p": "0.9", "1080p": "1.2"},
    "kling-2.6": {"720p": "0.5", "1080p": "0.8"},
}
_ORIENTATIONS = ("image", "video")
_TYPES = ("prompt", "image", "video", "element")


class MotionControlProduct(DerivedProduct):
    """``POST /motion-control/{model}`` and ``/v1/videos/motion-control``. Its length follows the video."""

    name = "motion-control"
    standard_path = "/motion-control/{model}"
    legacy_path = "/v1/videos/motion-control"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        return _read_standard(body, model) if dialect == "standard" else _read_legacy(body)

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Look at the video, whose faults only generation finds, as it comes as a URL."""
        settings = request.settings
        video = library.read_video(settings["video_url"])
        of_image = settings["orientation"] == "image" and not settings["elements"]
        fault = (MOTION_VIDEO_OF_IMAGE if of_image else MOTION_VIDEO).find_fault(video)
        failure = request.failure_message or find_missing(library, request) or fault
        return replace(request, settings={**settings, "source": video.to_json()}, failure_message=failure)

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of the video's seconds; 0 before it was looked at."""
        source = get_source(request)
        rate = Decimal(_PRICES[request.model][request.settings["resolution"]])
        return rate * count_seconds(source.seconds) if source is not None else Decimal(0)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return a video as long as the reference that shows the image, with the sound of the reference."""
        request, source = task.request, get_source(task.request)
        assert source is not None
        film = build_film(
            task,
            seconds=source.seconds - 1 / 24,  # it is counted without the frame that every video has too many
            resolution=request.settings["resolution"],
            image=request.image,
        )
        has_sound = request.settings["audio"] == "original" and source.has_sound
        video = ScoredVideo(video=film, track=source if has_sound else None)
        return [build_video_output(task.output_ids[0], video, watermark=request.watermark)]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return resolution, orientation and sound."""
        settings = request.settings
        return f"{settings['resolution']} · as the {settings['orientation']} · sound {settings['audio']}"


def _read_standard(body: object, path_model: str) -> CreateRequest:
    if path_model not in _PRICES:
        raise InvalidParameter("model is not supported")  # observed on the other paths
    fields = Fields(body)
    settings, options = fields.read_object("settings"), fields.read_object("options")
    entries = [
        Fields(entry, f"contents[{index}]") for index, entry in enumerate(fields.read_list("contents"))
    ]
    if not entries:
        raise InvalidParameter("contents cannot be empty")  # observed
    found: dict[str, list[Fields]] = {kind: [] for kind in _TYPES}
    for entry in entries:
        kind = read_required(entry, "type")
        if kind not in _TYPES:
            raise InvalidParameter(
                f"{entry.name_field('type')} value '{kind}' is invalid"
            )  # observed on omni
        found[kind].append(entry)
    for kind in ("image", "video"):
        if not found[kind]:
            raise InvalidParameter(f"{kind} is required")
    for kind, given in found.items():
        if len(given) > 1:
            raise InvalidParameter(f"contents can have at most 1 {kind}")
    prompt = read_limited(found["prompt"][0], "text") if found["prompt"] else ""
    url = read_required(found["image"][0], "url")
    image = inputs.read_image(url, found["image"][0].name_field("url"), legacy=False)
    elements = []
    for entry in found["element"]:
        if path_model != "kling-3.0":
            raise InvalidParameter(f"element is not supported by model {path_model}")
        elements.append(read_required(entry, "element_id"))
        read_required(entry, "id")
    return _build_request(
        "standard",
        model=path_model,
        model_name=path_model,
        prompt=prompt,
        image=image,
        video_url=_check_url(read_required(found["video"][0], "url")),
        elements=elements,
        orientation=_read_orientation(settings),
        audio=settings.read_choice("audio", ("original", "off"), "original"),
        resolution=settings.read_choice("resolution", ("720p", "1080p"), "720p"),
        external_id=options.read_text("external_task_id"),
        callback_url=options.read_text("callback_url"),
        watermark=read_watermark(options),
        fields=fields,
    )


def _read_legacy(body: object) -> CreateRequest:
    fields = Fields(body)
    name = fields.read_text("model_name") or "kling-v2-6"
    if name in RETIRED:
        raise InvalidParameter(f"The model '{name}' has been discontinued and is no longer available.")
    if LEGACY_NAMES.get(name) not in _PRICES:
        raise InvalidParameter("model is not supported")
    prompt = read_limited(fields, "prompt")
    image = inputs.read_image(read_required(fields, "image_url"), "image_url", legacy=True)
    video_url = _check_url(read_required(fields, "video_url"))
    elements = []
    for index, value in enumerate(fields.read_list("element_list")):
        entry = Fields(value, f"element_list[{index}]")
        element = entry.raw.get("element_id")
        if isinstance(element, bool) or not isinstance(element, int | str) or not str(element).isdecimal():
            raise InvalidParameter(f"{entry.name_field('element_id')} must be an integer")
        elements.append(str(element))
    if len(elements) > 1:
        raise InvalidParameter("element_list can have at most 1 element")
    if elements and name != "kling-v3":
        raise InvalidParameter(f"element_list is not supported by model {name}")
    mode = fields.read_choice("mode", ("std", "pro"), "")
    if not mode:
        raise InvalidParameter("mode is required")
    keeps = fields.read_choice("keep_original_sound", ("yes", "no"), "yes") == "yes"
    return _build_request(
        "legacy",
        model=LEGACY_NAMES[name],
        model_name=name,
        prompt=prompt,
        image=image,
        video_url=video_url,
        elements=elements,
        orientation=_read_orientation(fields),
        audio="original" if keeps else "off",
        resolution=RESOLUTION_OF_MODE[mode],
        external_id=fields.read_text("external_task_id"),
        callback_url=fields.read_text("callback_url"),
        watermark=read_watermark(fields),
        fields=fields,
    )


def _read_orientation(fields: Fields) -> str:
    value = fields.read_choice("character_orientation", _ORIENTATIONS, "")
    if not value:
        raise InvalidParameter(f"{fields.name_field('character_orientation')} is required")
    return value


def _check_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise InvalidParameter("Video URL is invalid")  # observed on omni
    return url


def _build_request(
    dialect: Dialect,
    *,
    model: str,
    model_name: str,
    prompt: str,
    image: InputImage,
    video_url: str,
    elements: list[str],
    orientation: str,
    audio: str,
    resolution: str,
    external_id: str | None,
    callback_url: str | None,
    watermark: bool,
    fields: Fields,
) -> CreateRequest:
    return CreateRequest(
        dialect=dialect,
        product=MotionControlProduct.name,
        model=model,
        model_name=model_name,
        prompt=prompt,
        settings={
            "video_url": video_url,
            "elements": elements,
            "orientation": orientation,
            "audio": audio,
            "resolution": resolution,
        },
        image=image,
        elements=elements,
        external_id=external_id,
        callback_url=callback_url,
        watermark=watermark,
        failure_message=image.failure_message,
        body=fields.raw,
    )
