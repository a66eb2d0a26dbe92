# SPDX-License-Identifier: Apache-2.0
"""Finished tasks -> files and sidecars under an ``ObjectStoragePath``; pictures of a request -> the wire.

requests, fsspec and ``ObjectStoragePath`` are imported by the functions that need them.
"""

from kling_provider.storage.claims import Claim, FoundClaim, find_claims, release_claim
from kling_provider.storage.images import (
    Image,
    image_addresses,
    load_image,
    resolve_images,
    shown_request,
)
from kling_provider.storage.index import saved_task_ids
from kling_provider.storage.names import destination_path, file_name, file_stem, stem_beside
from kling_provider.storage.places import choose_place, claim_place, find_delivered, release_place
from kling_provider.storage.result import result, saved_result
from kling_provider.storage.saving import save_output
from kling_provider.storage.sidecar import (
    Origin,
    SavedFile,
    Sidecar,
    find_saved,
    read_sidecar,
    sidecar_path,
)

__all__ = [
    "Claim",
    "FoundClaim",
    "Image",
    "Origin",
    "SavedFile",
    "Sidecar",
    "choose_place",
    "claim_place",
    "destination_path",
    "file_name",
    "file_stem",
    "find_claims",
    "find_delivered",
    "find_saved",
    "image_addresses",
    "load_image",
    "read_sidecar",
    "release_claim",
    "release_place",
    "resolve_images",
    "result",
    "save_output",
    "saved_result",
    "saved_task_ids",
    "shown_request",
    "sidecar_path",
    "stem_beside",
]
