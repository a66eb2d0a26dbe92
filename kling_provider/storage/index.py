# SPDX-License-Identifier: Apache-2.0
"""Which Kling tasks are saved below a folder, and of which types others are, by its manifests."""

from __future__ import annotations

from dataclasses import dataclass, field

from kling_provider.file_names import MANIFEST_SUFFIX
from kling_provider.storage.earlier_form import parse_sidecar
from kling_provider.storage.failures import as_os_error, as_storage_error
from kling_provider.storage.manifest import parse_manifest
from kling_provider.storage.names import destination_path


@dataclass(frozen=True, slots=True)
class FolderIndex:
    """What the manifests below a folder tell.

    :param saved: Kling task ids whose files are there, with the size they had.
    :param types: the types of requests by identity and by Kling task id: of claims, and of results whose files are gone.
    """

    saved: set[str] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)


def read_folder_index(destination: str, conn_id: str | None = None) -> FolderIndex:
    """Read the manifests and claims below ``destination``.

    :raises KlingRequestError: where ``destination`` is no folder that can be named.
    :raises KlingStorageError: where it cannot be read; a retry may help.
    """
    root = destination_path(destination, conn_id)
    index = FolderIndex()
    with as_storage_error(f"look through {root}"), as_os_error():
        root.fs.invalidate_cache()
        if not root.fs.exists(root.path):
            return index
        sizes = {name: info.get("size") for name, info in root.fs.find(root.path, detail=True).items()}
        for name in sizes:
            folder, slash, own = name.rpartition("/")
            if own.endswith(MANIFEST_SUFFIX):
                manifest = parse_manifest(root.fs.cat_file(name))
            elif own.endswith(".json") and name.removesuffix(".json") in sizes:
                manifest = parse_sidecar(root.fs.cat_file(name), own.removesuffix(".json"))
            else:
                continue
            if manifest is None:
                continue
            if manifest.type:
                known = {manifest.identity, manifest.kling_task_id} - {None}
                index.types.update(dict.fromkeys(map(str, known), manifest.type))
            if manifest.is_claim or manifest.kling_task_id is None:
                continue
            if all(sizes.get(f"{folder}{slash}{file}") == one.bytes for file, one in manifest.files.items()):
                index.saved.add(manifest.kling_task_id)
    return index
