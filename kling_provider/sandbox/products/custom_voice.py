# SPDX-License-Identifier: Apache-2.0
"""Voices of the account, made of a recording, and those that everybody has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlsplit

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.limits import SoundLimits
from kling_provider.sandbox.media.sources import SAMPLE_VIDEO, Source
from kling_provider.sandbox.media.speech import SpeechFile
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.derived import check_one, read_required
from kling_provider.sandbox.products.entries import LibraryEntry, LibraryProduct
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Value
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PRESETS = (
    "Warm narrator",
    "Bright presenter",
    "Calm teacher",
    "Old storyteller",
    "Cheerful child",
    "Deep announcer",
)
_FIRST_PRESET = 829_810_000_000_000_000
_LIMITS = SoundLimits(seconds=(5, 30), formats=("mp3", "wav", "mp4", "mov"))
_SPEAKING_PATHS = (
    "/v1/videos/avatar/image2video",
    "/v1/videos/lip-sync",
    "/v1/videos/advanced-lip-sync",
)


class CustomVoiceProduct(LibraryProduct):
    """``POST /v1/general/custom-voices``, its presets and its deletion."""

    name = "custom-voice"
    legacy_path = "/v1/general/custom-voices"
    presets_path = "/v1/general/presets-voices"
    delete_paths = ("/v1/general/delete-voices",)
    kind = "voice"
    page_limit = 1000

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check the name, and that there is one recording."""
        fields = Fields(body)
        name = read_required(fields, "voice_name", 20)
        check_one(fields, "voice_url", "video_id")
        url = fields.read_text("voice_url")
        if url is not None and not url.startswith(("http://", "https://")):
            raise InvalidParameter("voice_url must be a url")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=name,
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the recording; one that cannot be had, or is of another length, fails at generation.

        :raises InvalidParameter: the video is unknown or of a kind whose voices cannot be taken.
        """
        url, video_id = request.body.get("voice_url"), request.body.get("video_id")
        if video_id:
            task, _ = library.find_output(video_id, "video", where="video_id")
            if not _can_be_heard(library.products[task.request.product], task.request):
                raise InvalidParameter(f"video_id {video_id} has no voice that can be taken")
            sound = library.find_video(video_id)
            if (fault := _find_fault(sound)) is not None:  # Kling knows its own videos at once
                raise InvalidParameter(fault)
        elif urlsplit(str(url)).path.endswith(SAMPLE_VIDEO):
            sound = library.read_video(str(url))
        else:
            sound = library.read_sound(str(url), "voice_url", max_mb=0)
        return replace(request, failure_message=_find_fault(sound))

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of one call."""
        return Decimal("0.05")

    def list_entries(self, task: Task) -> Sequence[LibraryEntry]:
        """Return the one voice."""
        return [LibraryEntry(kind="voice", id=task.output_ids[0], name=task.request.prompt, task=task)]

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one voice, with a sentence that it says."""
        (entry,) = self.list_entries(task)
        return [
            RenderedOutput(
                type="voice",
                standard={
                    "id": entry.id,
                    "name": entry.name,
                    "url": _link_trial(entry.id, entry.name),
                    "owned_by": task.account,
                    "status": "deleted" if entry.is_deleted else "succeed",
                },
                legacy=describe_voice(entry.id, entry.name, task.account),
                legacy_list="voices",
            )
        ]

    def list_presets(self) -> Sequence[Task]:
        """Return the presets; their names are made up."""
        return [self.build_preset(_FIRST_PRESET + 10 * number, name) for number, name in enumerate(_PRESETS)]


def describe_voice(voice_id: str, name: str, owner: str) -> Mapping[str, Value]:
    """Return a voice as the legacy design has it, in results and in elements that speak with it."""
    return {
        "voice_id": voice_id,
        "voice_name": name,
        "trial_url": _link_trial(voice_id, name),
        "owned_by": owner,
    }


def _link_trial(voice_id: str, name: str) -> Link:
    speech = SpeechFile(voice=voice_id, text=f"Hello, my name is {name}, and this is how I sound.")
    return Link(f"{voice_id}.mp3", speech)


def _find_fault(sound: Source) -> str | None:
    """Return why generation fails for a recording."""
    if not sound.has_sound:
        return "there is no voice in the video"
    return _LIMITS.find_fault(sound)


def _can_be_heard(product: Product, request: CreateRequest) -> bool:
    """Tell whether voices can be made of a kind's videos (documented: those of V2.6 with sound, avatars, lip-syncs)."""
    if product.legacy_path in _SPEAKING_PATHS:
        return True
    return request.model == "kling-2.6" and request.settings.get("sound") is True
