# SPDX-License-Identifier: Apache-2.0
"""What a task has made, as both API designs describe it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kling_provider.sandbox.media.derived import DerivedFile, MadeVideo
from kling_provider.sandbox.media.expanded import ExpandedImageFile
from kling_provider.sandbox.media.files import ImageFile, MediaFile, SoundFile
from kling_provider.sandbox.state.tasks import Task

Sign = Callable[[Task, str], str]
"""(task, name of a file) -> its signed URL"""


@dataclass(frozen=True)
class Link:
    """Stands in an output where the signed URL of a file belongs. ``name`` is the file's own in its task."""

    name: str
    media: MediaFile | DerivedFile


Value = str | int | Link | Sequence["Value"] | Mapping[str, "Value"]
"""What an output holds under one name; nested where the API nests, as an element's images."""


@dataclass(frozen=True, kw_only=True)
class RenderedOutput:
    """One output of a task, as each API design describes it; a :class:`Link` becomes its signed URL."""

    type: str
    """``video``, ``image``, ``audio`` …: the standard design's word."""
    standard: Mapping[str, Value]
    """Its fields in ``outputs[]``, without ``type``."""
    legacy: Mapping[str, Value]
    """Its fields in ``task_result``."""
    legacy_list: str
    """The list of ``task_result`` that it stands in: ``videos``, ``images`` …"""

    def list_links(self) -> list[Link]:
        """Return the files behind it, each once."""
        found = _find_links([self.standard, self.legacy])
        return list({link.name: link for link in found}.values())


def _find_links(value: Value) -> Iterator[Link]:
    if isinstance(value, Link):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _find_links(part)
    elif not isinstance(value, str | int):
        for part in value:
            yield from _find_links(part)


def build_video_output(output_id: str, video: MadeVideo, *, watermark: bool) -> RenderedOutput:
    """Describe a video.

    :param watermark: it has a second file with a watermark.
    """
    fields: dict[str, Value] = {
        "id": output_id,
        "url": Link(f"{output_id}.mp4", video),
        "duration": video.wire_duration,
    }
    if watermark:
        fields["watermark_url"] = Link(f"{output_id}-watermark.mp4", replace(video, watermark=True))
    return RenderedOutput(type="video", standard=fields, legacy=fields, legacy_list="videos")


def build_image_output(
    output_id: str,
    image: ImageFile | ExpandedImageFile,
    *,
    index: int,
    watermark: bool,
    group_id: str | None = None,
) -> RenderedOutput:
    """Describe one of a task's images.

    :param index: its place among them, from 0, which only the legacy design tells.
    :param watermark: it has a second file with a watermark.
    :param group_id: the series that it belongs to, which only the standard design tells.
    """
    fields: dict[str, Value] = {"url": Link(f"{output_id}{image.file_suffix}", image)}
    if watermark:
        marked = replace(image, watermark=True)
        fields["watermark_url"] = Link(f"{output_id}-watermark{image.file_suffix}", marked)
    group = {} if group_id is None else {"group_id": group_id}
    return RenderedOutput(
        type="image", standard={**fields, **group}, legacy={"index": index, **fields}, legacy_list="images"
    )


def build_sound_output(output_id: str, sound: SoundFile) -> RenderedOutput:
    """Describe a sound, which comes as MP3 and as WAV."""
    mp3, wav = replace(sound, format="mp3"), replace(sound, format="wav")
    links = {"mp3": Link(f"{output_id}.mp3", mp3), "wav": Link(f"{output_id}.wav", wav)}
    return RenderedOutput(
        type="audio",
        standard={
            "id": output_id,
            "mp3_url": links["mp3"],
            "wav_url": links["wav"],
            "mp3_duration": mp3.wire_duration,
            "wav_duration": wav.wire_duration,
        },
        legacy={
            "id": output_id,
            "url_mp3": links["mp3"],
            "url_wav": links["wav"],
            "duration_mp3": mp3.wire_duration,
            "duration_wav": wav.wire_duration,
        },
        legacy_list="audios",
    )
