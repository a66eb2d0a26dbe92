# SPDX-License-Identifier: Apache-2.0
"""Finished tasks -> files and sidecars under an ``ObjectStoragePath``; pictures of a request -> the wire.

requests, fsspec and ``ObjectStoragePath`` are imported by the functions that need them.
"""

from kling_provider.storage.images import (
    Image,
    image_addresses,
    load_image,
    resolve_images,
    shown_request,
)
from kling_provider.storage.index import saved_task_ids
from kling_provider.storage.names import SUFFIXES, destination_path, file_name
from kling_provider.storage.result import result, saved_result
from kling_provider.storage.saving import save_output
from kling_provider.storage.sidecar import (
    Origin,
    SavedFile,
    Sidecar,
    check_free,
    find_saved,
    read_sidecar,
    sidecar_path,
)

__all__ = [
    "SUFFIXES",
    "Image",
    "Origin",
    "SavedFile",
    "Sidecar",
    "check_free",
    "destination_path",
    "file_name",
    "find_saved",
    "image_addresses",
    "load_image",
    "read_sidecar",
    "resolve_images",
    "result",
    "save_output",
    "saved_result",
    "saved_task_ids",
    "shown_request",
    "sidecar_path",
]
