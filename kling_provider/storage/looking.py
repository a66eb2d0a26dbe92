# SPDX-License-Identifier: Apache-2.0
"""What stands at a place: a manifest or a claim, its files, and files of others that are in the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_provider.file_names import MANIFEST_SUFFIX
from kling_provider.storage.earlier_form import Earlier, read_earlier
from kling_provider.storage.manifest import Manifest, SavedOutput, read_manifest_file
from kling_provider.storage.output_types import find_defect
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


@dataclass(frozen=True, slots=True)
class PlaceContents:
    """What was seen at a place.

    :param path: of the manifest.
    :param beside: bytes of that file; ``None`` where there is none.
    :param manifest: a manifest or a claim, in the earlier form too.
    :param earlier: the same, where only that form is there.
    :param sizes: of the manifest's files, by name: ``None`` is not there, -1 is no file.
    :param strays: names that files of ours would have, and that no manifest names.
    """

    path: ObjectStoragePath
    beside: int | None
    manifest: Manifest | None
    earlier: Earlier | None
    sizes: Mapping[str, int | None]
    strays: Mapping[str, int]

    @property
    def is_nothing(self) -> bool:
        """Return whether the place is free."""
        return self.beside is None and self.manifest is None and not self.strays

    @property
    def is_whole(self) -> bool:
        """Return whether it is a result whose files are all there, and are those that its manifest describes."""
        manifest = self.manifest
        return (
            manifest is not None
            and not manifest.is_claim
            and all(self.is_intact(one) for one in manifest.files.values())
        )

    def is_intact(self, output: SavedOutput) -> bool:
        """Return whether the file of an output has the right size and, on disk, the right bytes."""
        if output.file is None or self.sizes.get(output.file) != output.bytes or output.sha256 is None:
            return False
        place = self.path.parent / output.file
        return store_of(place).has_bytes(place, output.sha256)

    def find_edited(self) -> str | None:
        """Return the first file that was changed after it was saved and is still a whole one of its type; else ``None``."""
        for name, output in (self.manifest.files if self.manifest else {}).items():
            size = self.sizes.get(name)
            if not size or size < 0 or self.is_intact(output):
                continue
            place = self.path.parent / name
            with store_of(place).open_file(place) as file:
                if find_defect(output.type, file, size) is None:
                    return name
        return None


def look_at_place(path: ObjectStoragePath, names: Iterable[str]) -> PlaceContents:
    """Read what stands at a place.

    :param path: of the manifest.
    :param names: what follows the stem in the names that our own files would have.
    :raises OSError: where the store does.
    """
    store, folder = store_of(path), path.parent
    base = path.name.removesuffix(MANIFEST_SUFFIX)
    names = tuple(names)
    # In the opposite order to the one in which they appear: a file of ours is never seen without its manifest.
    seen = [name for name in (f"{base}{one}" for one in names) if store.get_size(folder / name) is not None]
    beside, manifest = read_manifest_file(path)
    earlier = read_earlier(folder, base, names) if beside is None else None
    if earlier is not None:
        manifest = earlier.manifest
    files = manifest.files if manifest is not None else {}
    sizes = {name: store.get_size(folder / name) for name in files}
    strays = {
        name: size
        for name in seen
        if name not in files and (size := store.get_size(folder / name)) is not None
    }
    return PlaceContents(path, beside, manifest, earlier, sizes, strays)
