# SPDX-License-Identifier: Apache-2.0
"""Claims as people find them in a folder: places that are kept for results which are not saved yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_provider.exceptions import KlingRequestError
from kling_provider.file_names import MANIFEST_SUFFIX, manifest_names
from kling_provider.storage.earlier_form import parse_sidecar, sidecar_path
from kling_provider.storage.failures import as_os_error, as_storage_error
from kling_provider.storage.manifest import Manifest, parse_manifest
from kling_provider.storage.names import destination_path
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_SIDECAR = ".json"
#: Bytes; a claim is smaller.
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """A claim in a folder. ``claim`` is ``None`` where the file is empty."""

    #: The claim's file.
    file: ObjectStoragePath
    claim: Manifest | None

    @property
    def place(self) -> str:
        """Return the path that is kept, without what follows the stem."""
        return str(self.file).removesuffix(_SIDECAR).removesuffix(MANIFEST_SUFFIX.removesuffix(_SIDECAR))


def find_claims(target: str, conn_id: str | None = None) -> list[FoundClaim]:
    """Return the claims at or below ``target``, by path.

    :param target: a folder, a claim's file, the file of a result or its path without suffix: a path or an object store's
        URL.
    :param conn_id: the connection of the storage, where ``target`` names none.
    :raises KlingRequestError: where ``target`` can be no path, or nothing is there.
    :raises KlingStorageError: where it cannot be read.
    """
    root = destination_path(target, conn_id)
    with as_storage_error(f"look for claims in {root}"), as_os_error():
        root.fs.invalidate_cache()
        if root.fs.isdir(root.path):
            return sorted(_find_below(root), key=lambda found: str(found.file))
        is_something = False
        for file in _list_candidates(root):
            if (found := _read_claim(file)) is not None:
                return [found]
            is_something = is_something or store_of(file).get_size(file) is not None
        if is_something:
            return []
    raise KlingRequestError(f"There is neither a folder nor a claim at {root}.")


def release_claim(found: FoundClaim) -> bool:
    """Remove a claim, so that others may take its place; ``False`` where it is no claim any more.

    A result that was paid under it is not lost: its task saves it beside the place, under another name.

    :raises KlingStorageError: where it cannot be removed.
    """
    store = store_of(found.file)
    with as_storage_error(f"release {found.file}"):
        now = _read_claim(found.file)
        if now is None or now.claim != found.claim:
            return False
        store.remove_file(found.file)
        return True


def _read_claim(file: ObjectStoragePath) -> FoundClaim | None:
    """Return the claim in ``file``; ``None`` where it is something else, such as the manifest of a result.

    Raises what the store raises.
    """
    store = store_of(file)
    named = file.name.removesuffix(_SIDECAR)
    is_manifest = file.name.endswith(MANIFEST_SUFFIX)
    if not is_manifest and store.get_size(file.parent / named) is not None:
        return None
    size = store.get_size(file)
    if size == 0:  # made by a worker that was killed before it could write: it had sent nothing
        return FoundClaim(file, None)
    if size is None or not 0 < size <= _LARGEST:
        return None
    text = store.read_file(file)
    claim = parse_manifest(text) if is_manifest else parse_sidecar(text, named)
    return FoundClaim(file, claim) if claim is not None and claim.is_claim else None


def _list_candidates(path: ObjectStoragePath) -> Iterator[ObjectStoragePath]:
    """List the files that may hold the claim of what a person named."""
    if path.name.endswith(_SIDECAR):
        yield path
        return
    yield path.parent / f"{path.name}{MANIFEST_SUFFIX}"
    for name in manifest_names(path.name):
        yield path.parent / name
    yield sidecar_path(path.parent, path.name)


def _find_below(root: ObjectStoragePath) -> Iterator[FoundClaim]:
    names = set(root.fs.find(root.path))
    for name in names:
        if name.endswith(MANIFEST_SUFFIX) or (
            name.endswith(_SIDECAR) and name.removesuffix(_SIDECAR) not in names
        ):
            below = name.strip("/").removeprefix(root.path.strip("/")).lstrip("/")
            if (found := _read_claim(root / below)) is not None:
                yield found
