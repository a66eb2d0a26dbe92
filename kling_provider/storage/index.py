# SPDX-License-Identifier: Apache-2.0
"""Which Kling tasks are saved below a folder, by its sidecars."""

from __future__ import annotations

from pydantic import ValidationError

from kling_provider.storage.failures import as_os_error, telling
from kling_provider.storage.names import destination_path
from kling_provider.storage.sidecar import Sidecar


def saved_task_ids(destination: str, conn_id: str | None = None) -> set[str]:
    """Kling task ids whose sidecar is below ``destination`` and whose file is there, with the size it had.

    :raises KlingRequestError: where ``destination`` is no folder that can be named.
    :raises KlingStorageError: where it cannot be read; a retry may help.
    """
    root = destination_path(destination, conn_id)
    saved: set[str] = set()
    with telling(f"look through {root}"), as_os_error():
        root.fs.invalidate_cache()
        if not root.fs.exists(root.path):
            return saved
        sizes = {name: info.get("size") for name, info in root.fs.find(root.path, detail=True).items()}
        for name in sizes:
            film = name.removesuffix(".json")
            if film == name or film not in sizes:
                continue
            try:
                sidecar = Sidecar.model_validate_json(root.fs.cat_file(name))
            except ValidationError:
                continue
            if sizes[film] == sidecar.bytes:
                saved.add(sidecar.kling_task_id)
    return saved
