# SPDX-License-Identifier: Apache-2.0
"""The rows of the catalog, a module for each family of types. :mod:`kling_provider.api.catalog` looks them up."""

from __future__ import annotations

from kling_provider.api.request_types import audio, faces, images, library, solutions, video, video_edit
from kling_provider.api.request_types.spec import RequestClass, RequestSpec

__all__ = ["ALL_SPECS", "RETIRED_TYPES", "RequestClass", "RequestSpec"]

#: In the order in which messages name them: the plainest first.
ALL_SPECS: tuple[RequestSpec, ...] = (
    *video.SPECS,
    *video_edit.SPECS,
    *faces.SPECS,
    *audio.SPECS,
    *library.SPECS,
    *images.SPECS,
    *solutions.SPECS,
)

#: Types that Kling no longer serves, and what to write instead.
RETIRED_TYPES = {
    "multi_image_to_video": "type: omni_video with the images as reference_images",
}
