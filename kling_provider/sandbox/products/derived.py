# SPDX-License-Identifier: Apache-2.0
"""What the kinds of the legacy design have in common that work on a video or a sound that is there already."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from kling_provider.sandbox.http.errors import ApiError, InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import format_amount
from kling_provider.sandbox.media.derived import CopiedFile, format_seconds
from kling_provider.sandbox.media.files import VideoFile
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.media.limits import SoundLimits, VideoLimits
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_NO_CASH = {"quota": "0", "list_price": "0"}
"""``final_balance_deduction`` of an account that pays in units."""
_PARENT = "parent.mp4"


class DerivedProduct(Product):
    """A kind whose legacy answers have more fields than those of plain videos."""

    has_parent: ClassVar[bool] = False
    """``task_info`` of a finished task names the video that it was made of."""
    has_watermark: ClassVar[bool] = True
    """Answers of reads have ``watermark_info``."""

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return the video that it was made of, where that is an output of the account."""
        source = get_source(task.request)
        if not self.has_parent or source is None or not source.task_id:
            return ()
        return (Link(_PARENT, CopiedFile(source=source)),)

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the task as reads and lists of a design describe it."""
        data = super().describe_task(task, dialect, now, sign, echo=echo, status=status)
        return self._complete_legacy(data, task, now, sign) if dialect == "legacy" else data

    def describe_callback(self, task: Task, now: float, sign: Sign) -> dict[str, Any]:
        """Return the body of a callback."""
        data = super().describe_callback(task, now, sign)
        return self._complete_legacy(data, task, now, sign) if task.request.dialect == "legacy" else data

    def _complete_legacy(self, data: dict[str, Any], task: Task, now: float, sign: Sign) -> dict[str, Any]:
        if not task.is_live(now):
            data["final_balance_deduction"] = dict(_NO_CASH)
        if self.has_watermark:
            data["watermark_info"] = {"enabled": task.request.watermark}
        source = get_source(task.request)
        if self.has_parent and source is not None and task.get_state(now) == "succeeded":
            # its link belongs to the new task, so that it is good as long as the others of it
            url = sign(task, _PARENT) if source.task_id else source.url
            parent = {"id": source.id, "url": url, "duration": format_seconds(source.seconds)}
            data["task_info"] = {**data["task_info"], "parent_video": parent}
        return data


class ToolProduct(Product):
    """A kind that is answered at once, in a form of its own."""

    answered_at_once = True

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return what a call costs; default: nothing, where no price is known."""
        return Decimal(0)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return nothing: what its answer has is no output of a task."""
        return ()

    @abc.abstractmethod
    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return the answer's own fields."""

    def describe_create(self, task: Task, dialect: Dialect, sign: Sign, *, echo: bool) -> dict[str, Any]:
        """Return ``data`` of the answer.

        :raises ApiError: a fault let it fail (5000; no recording says which code).
        """
        if task.message:
            raise ApiError(5000, task.message)
        return {
            **self.build_answer(task, sign),
            "final_unit_deduction": format_amount(task.price),
            "final_balance_deduction": dict(_NO_CASH),
        }


def get_source(request: CreateRequest) -> Source | None:
    """Return the video that a request works on; None where there is none."""
    return get_kept(request, "source")


def get_kept(request: CreateRequest, name: str) -> Source | None:
    """Return a source that the settings keep."""
    kept = request.settings.get(name)
    return None if kept is None else Source.from_json(kept)


def check_one(fields: Fields, *keys: str) -> str:
    """Return which of the keys is given: it must be one of them and no other."""
    given = [key for key in keys if fields.raw.get(key)]
    if not given:
        raise InvalidParameter(f"{' or '.join(keys)} is required")  # observed on lip-sync
    if len(given) > 1:
        raise InvalidParameter(
            f"only one of {' and '.join(fields.name_field(key) for key in keys)} can be set"
        )
    if fields.read_text(given[0]) is None:
        raise InvalidParameter(f"{fields.name_field(given[0])} is required")
    return given[0]


def read_required(fields: Fields, key: str, most: int | None = None) -> str:
    """Return a text that must be there, of so many characters at most."""
    value = fields.read_text(key)
    if value is None or not value.strip():
        raise InvalidParameter(f"{fields.name_field(key)} is required")
    return value if most is None else read_limited(fields, key, most)


def read_required_choice(fields: Fields, key: str, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed texts, none of which is a default."""
    value = fields.read_choice(key, allowed, "")
    if not value:
        raise InvalidParameter(f"{fields.name_field(key)} is required")
    return value


def read_limited(fields: Fields, key: str, most: int = 2500) -> str:
    """Return a text of so many characters at most; an absent one is empty."""
    value = fields.read_text(key) or ""
    if len(value) > most:
        raise InvalidParameter(f"{fields.name_field(key)} cannot exceed {most} characters")
    return value


def read_span(fields: Fields, key: str, low: float, high: float, default: float) -> float:
    """Return a number of a range."""
    value = fields.read_number(key)
    if value is not None and not low <= value <= high:
        raise InvalidParameter(f"{fields.name_field(key)} must be between {low:g} and {high:g}")
    return default if value is None else value


def read_watermark(fields: Fields) -> bool:
    """Return ``watermark_info.enabled``."""
    return fields.read_object("watermark_info").read_flag("enabled") or False


def find_video(
    fields: Fields, library: Library, limits: VideoLimits, *, at_once: bool = False
) -> tuple[Source, str | None]:
    """Return the video of ``video_id`` or ``video_url``, and why generation will fail.

    :param at_once: the call has its answer now, so that everything wrong is refused.
    :raises InvalidParameter: the id is unknown, or its video outside of the limits, which Kling knows at once.
    """
    key = check_one(fields, "video_id", "video_url")
    value = read_required(fields, key)
    video = library.find_video(value) if key == "video_id" else library.read_video(value)
    return video, _judge(limits.find_fault(video), at_once=at_once or key == "video_id")


def find_sound(
    fields: Fields, library: Library, limits: SoundLimits, *, keys: Sequence[str] = ("audio_id", "sound_file")
) -> tuple[Source, str | None]:
    """Return the sound of an id, a URL or inline data, and why generation will fail.

    :raises InvalidParameter: the id is unknown, or the sound wrong where Kling knows that at once.
    """
    key = check_one(fields, *keys)
    value = read_required(fields, key)
    if key == "audio_id":
        sound = library.find_sound(value, fields.name_field(key))
    else:
        sound = library.read_sound(value, fields.name_field(key), max_mb=limits.max_mb)
    fault = limits.find_fault(sound)
    from_url = key != "audio_id" and not sound.data
    return sound, _judge(fault, at_once=not from_url or "format" in (fault or ""))


def _judge(fault: str | None, *, at_once: bool) -> str | None:
    if fault is not None and at_once:
        raise InvalidParameter(fault)
    return fault


def count_seconds(seconds: float) -> int:
    """Return the seconds that are charged: rounded to the nearest integer (documented)."""
    return math.floor(seconds + 0.5)


def build_film(task: Task, *, seconds: float, resolution: str, image: InputImage | None) -> VideoFile:
    """Describe a video that shows an image."""
    request = task.request
    return VideoFile(
        seed=task.id,
        prompt=request.prompt,
        facts=f"{request.product} · {seconds:.4g} s · {resolution}",
        name=request.external_id or f"task {task.id}",
        title=f"Kling sandbox task {task.id}",
        seconds=seconds,
        resolution=resolution,
        first_frame=image,
    )
