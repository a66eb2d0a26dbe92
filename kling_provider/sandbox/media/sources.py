# SPDX-License-Identifier: Apache-2.0
"""What a video or a sound of a request stands for: its facts, and how its file is made for whoever shows it.

A :class:`Source` is plain data, so that a task can keep it (``to_json``). It stands for one of four things: a file of
a task of this sandbox, a sample of the sandbox (``/_sandbox/video.mp4``, ``/_sandbox/sound.mp3``), sound that came
inline as base64, or any other URL. The sandbox never fetches from outside, so such a URL counts as a good file of
five seconds at 720p, which a stand-in replaces; under ``.invalid`` it is unreachable.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.media.files import MediaFile, SoundFile, VideoFile
from kling_provider.sandbox.media.inputs import UNREACHABLE, is_unreachable
from kling_provider.sandbox.media.speech import SpeechFile

SAMPLE_VIDEO, SAMPLE_SOUNDS = "/_sandbox/video.mp4", ("/_sandbox/sound.mp3", "/_sandbox/sound.wav")
BAD_SOUND = "Audio format is invalid"  # observed
_UNSEEN_SECONDS = 5.041
_MEDIA_SUFFIXES = (
    "mp4",
    "mov",
    "avi",
    "mkv",
    "webm",
    "flv",
    "gif",
    "mp3",
    "wav",
    "wave",
    "m4a",
    "aac",
    "ogg",
    "flac",
)
_FACES = re.compile(r"\bfaces=(\d)\b")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One video or sound of a request."""

    seconds: float
    width: int = 0
    """Pixels, as the resolution means them; 0: it is a sound."""
    height: int = 0
    has_sound: bool = True
    format: str = ""
    """``mp4``, ``mp3`` …; empty: its name does not tell."""
    faces: int = 1
    """How many people it shows: see :func:`count_faces`."""
    id: str = ""
    """The id of the output that it is; empty for a URL."""
    url: str = ""
    task_id: str = ""
    """The task whose file it is; empty for other URLs and inline data."""
    file: str = ""
    """The name of the file in that task."""
    sample: str | None = None
    """The query of a sample of the sandbox."""
    data: str = ""
    """Inline data, as base64."""
    failure_message: str | None = None
    """Why generation fails."""

    @property
    def is_seen(self) -> bool:
        """Tell whether the sandbox has what it shows, not a stand-in."""
        return bool(self.task_id or self.data) or self.sample is not None

    @property
    def milliseconds(self) -> int:
        """Return the length in milliseconds."""
        return round(self.seconds * 1000)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Return what :meth:`to_json` has kept."""
        return cls(**kept)

    def load_data(self) -> bytes:
        """Return the bytes of inline data."""
        return base64.b64decode(self.data)

    def build_stand_in(self) -> MediaFile:
        """Return what makes the file of a sample, or of a URL that the sandbox does not fetch."""
        seed = self.url if self.sample is None else f"sample {self.sample}"
        if not self.width:
            suffix = "wav" if self.format == "wav" else "mp3"
            return SoundFile(seed=seed, prompt=seed, seconds=self.seconds, format=suffix)
        return VideoFile(
            seed=seed,
            prompt="A sample" if self.is_seen else "A video from elsewhere, which the sandbox does not fetch",
            facts=f"{self.seconds:g} s · {self.width} x {self.height}",
            name=urlsplit(self.url).path[-60:],
            title="Kling sandbox sample",
            seconds=self.seconds - 1 / 24,
            resolution=f"{min(self.width, self.height)}p",
            aspect_ratio=f"{self.width}:{self.height}",
            sound=self.has_sound,
        )


def read_video_url(value: str, where: str) -> Source:
    """Return what the URL of a video stands for where it is none of a task's: a sample, or a film from elsewhere.

    :raises InvalidParameter: it is no URL.
    """
    if not value.startswith(("http://", "https://")):
        raise InvalidParameter("Video URL is invalid")  # observed
    parts = urlsplit(value)
    faces = count_faces(parts.query, default=1)
    if parts.path.endswith(SAMPLE_VIDEO):
        sample = _read_sample(parts.query)
        return Source(
            seconds=math.floor((sample["seconds"] + 1 / 24) * 1000 + 1e-6) / 1000,  # as on the wire
            width=round(sample["w"] / 2) * 2,
            height=round(sample["h"] / 2) * 2,
            has_sound=parse_qs(parts.query).get("sound") != ["off"],
            format="mp4",
            faces=faces,
            url=value,
            sample=parts.query,
        )
    return Source(
        seconds=_UNSEEN_SECONDS,
        width=1280,
        height=720,
        format=_read_suffix(parts.path),
        faces=faces,
        url=value,
        failure_message=UNREACHABLE if is_unreachable(value) else None,
    )


def read_sound(value: str, where: str, *, max_mb: int) -> Source:
    """Return what a sound stands for that is a URL of no task's, or raw base64.

    :raises InvalidParameter: it is neither, too large, or no sound.
    """
    if not value.startswith(("http://", "https://")):
        return _read_inline_sound(value, where, max_mb=max_mb)
    parts = urlsplit(value)
    if parts.path.endswith(SAMPLE_SOUNDS):
        seconds = _read_sample(parts.query)["seconds"]
        return Source(seconds=seconds, format=_read_suffix(parts.path), url=value, sample=parts.query)
    return Source(
        seconds=_UNSEEN_SECONDS,
        format=_read_suffix(parts.path),
        url=value,
        failure_message=UNREACHABLE if is_unreachable(value) else None,
    )


def _read_inline_sound(value: str, where: str, *, max_mb: int) -> Source:
    if value.startswith("data:"):
        raise InvalidParameter(f"{where} must be raw base64 without the data: prefix")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter(f"{where} is neither a url nor valid base64") from None
    if len(data) > max_mb * 1024 * 1024:
        raise InvalidParameter(f"{where} is larger than {max_mb}MB")
    from kling_provider.sandbox.media.mixing import measure_sound  # the decoders are heavy: only now

    measured = measure_sound(io.BytesIO(data))
    if measured is None:
        raise InvalidParameter(BAD_SOUND)
    return Source(seconds=measured[1], format=measured[0], data=value)


def count_faces(text: str, *, default: int) -> int:
    """Return how many people a video shows, by the words of its prompt or the query of its URL.

    ``faces=3`` says it in both; in a prompt "no face" stands for none and "three faces" for three. A video of
    which nothing says it shows one.
    """
    if (found := _FACES.search(text)) is not None:
        return int(found[1])
    words = text.lower()
    return 0 if "no face" in words else 3 if "three faces" in words else default


def describe_file(media: object) -> Source | None:
    """Return the facts of a file of a task; None for one that neither moves nor sounds."""
    measure = getattr(media, "measure", None)
    return measure() if measure is not None else _measure_plain(media)


def _measure_plain(media: object) -> Source | None:
    if isinstance(media, SoundFile | SpeechFile):
        return Source(seconds=float(media.wire_duration), format=media.format)
    if not isinstance(media, VideoFile):
        return None
    from kling_provider.sandbox.media.image import load_input
    from kling_provider.sandbox.media.video import compute_size

    still = load_input(media.first_frame)
    width, height = compute_size(media.resolution, media.aspect_ratio, still.size if still else None)
    return Source(
        seconds=float(media.wire_duration),
        width=width,
        height=height,
        has_sound=media.sound,
        format="mp4",
        faces=count_faces(media.prompt, default=1),
    )


def _read_sample(query: str) -> dict[str, float]:
    """Read ``seconds``, ``w`` and ``h`` of a sample's query, each within bounds."""
    values = parse_qs(query)
    found = {}
    for key, default, most in (("seconds", 5.0, 400.0), ("w", 1280.0, 4600.0), ("h", 720.0, 4600.0)):
        text = values.get(key, [""])[0]
        good = re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text)
        found[key] = min(most, max(0.1 if key == "seconds" else 16.0, float(text))) if good else default
    return found


def _read_suffix(path: str) -> str:
    """Return the suffix of a path that is known for media; empty: the name does not tell."""
    suffix = path.rpartition(".")[2].lower()
    return suffix if suffix in _MEDIA_SUFFIXES else ""
