# SPDX-License-Identifier: Apache-2.0
"""Images that came with a request and that Kling keeps, as those of an element."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kling_provider.sandbox.media.files import ImageFile
from kling_provider.sandbox.media.inputs import InputImage, read_image

_SIDE = 1024
_JPEG = "/9j/"
"""How every JPEG begins in base64."""


@dataclass(frozen=True, kw_only=True)
class GivenImage:
    """The image itself where it came inline or is the sandbox's own sample; a drawn one in the place of any other."""

    value: str
    """Base64 or a URL, as the request had it and as create found it good."""
    seed: str
    prompt: str

    @property
    def file_suffix(self) -> str:
        """Return the suffix of the file's name, with its dot."""
        return ".jpg" if self.value.startswith(_JPEG) else ".png"

    @property
    def content_type(self) -> str:
        """Return the media type."""
        return "image/jpeg" if self.value.startswith(_JPEG) else "image/png"

    def write_file(self, target: Path, *, short_side: int | None = None) -> None:
        """Write the image; its size is its own, whatever ``short_side`` says."""
        image = read_image(self.value, "image", legacy=True)
        data = image.data or _draw_sample(image)
        if data is not None:
            target.write_bytes(data)
            return
        drawn = ImageFile(
            seed=self.seed, prompt=self.prompt, facts="element", name=self.seed, width=_SIDE, height=_SIDE
        )
        drawn.write_file(target)


def _draw_sample(image: InputImage) -> bytes | None:
    from kling_provider.sandbox.media.image import draw_sample

    return None if image.sample_query is None else draw_sample(image.sample_query)
