# SPDX-License-Identifier: Apache-2.0
"""Finished tasks -> files and their manifest under an ``ObjectStoragePath``; below it inputs of a request -> the wire.

requests, fsspec and ``ObjectStoragePath`` are imported by the functions that need them.
"""

from kling_provider.storage.claims import FoundClaim, find_claims, release_claim
from kling_provider.storage.index import FolderIndex, read_folder_index
from kling_provider.storage.manifest import (
    Manifest,
    Origin,
    SavedFile,
    SavedOutput,
    SavedResult,
    manifest_path,
)
from kling_provider.storage.names import destination_path, file_stem, stem_beside, stem_of_type
from kling_provider.storage.places import (
    choose_place,
    claim_place,
    find_saved_by_file,
    find_saved_result,
    release_place,
)
from kling_provider.storage.saving import save_outputs

__all__ = [
    "FolderIndex",
    "FoundClaim",
    "Manifest",
    "Origin",
    "SavedFile",
    "SavedOutput",
    "SavedResult",
    "choose_place",
    "claim_place",
    "destination_path",
    "file_stem",
    "find_claims",
    "find_saved_by_file",
    "find_saved_result",
    "manifest_path",
    "read_folder_index",
    "release_claim",
    "release_place",
    "save_outputs",
    "stem_beside",
    "stem_of_type",
]
