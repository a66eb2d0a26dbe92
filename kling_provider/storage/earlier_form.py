# SPDX-License-Identifier: Apache-2.0
"""The form that earlier releases saved in: a sidecar or a claim ``<file>.json`` beside each file.

It counts as what it says, and :func:`turn_into_manifest` makes a manifest of it, without a download or a payment.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from kling_provider.storage.manifest import LARGEST, Manifest, SavedOutput
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


class _Sidecar(BaseModel):
    """What the sidecar of one file says beyond what a manifest says."""

    model_config = ConfigDict(extra="ignore")

    output_type: str
    output_id: str | None = None
    bytes: int
    sha256: str
    duration: float | None = None
    poster: str | None = None
    #: What follows the stem in the names of all files of the result; empty where this is the only one.
    suffixes: list[str] = []


@dataclass(frozen=True, slots=True)
class Earlier:
    """A result or a claim in the earlier form: what its manifest would say, and the files that say it now."""

    manifest: Manifest
    paths: list[ObjectStoragePath]


def sidecar_path(folder: ObjectStoragePath, file_name: str) -> ObjectStoragePath:
    """Return where the sidecar of a file was."""
    path: ObjectStoragePath = folder / f"{file_name}.json"
    return path


def read_earlier(folder: ObjectStoragePath, base: str, suffixes: Iterable[str]) -> Earlier | None:
    """Return what sidecars beside the files ``{base}{suffix}`` say. The files themselves are not looked at.

    Raises what the store raises.
    """
    plain = [suffix for suffix in suffixes if not suffix.startswith("-")]
    for suffix in (*plain, *(f"-0{suffix}" for suffix in plain)):
        found = _read_sidecar(folder, f"{base}{suffix}")
        if found is None:
            continue
        manifest, others = found
        if suffix in plain or suffix in others:  # else it is of a result that is itself called {base}-0
            return _with_others(folder, base, suffix, manifest, others)
    return None


def turn_into_manifest(path: ObjectStoragePath, earlier: Earlier) -> None:
    """Write the manifest of what an earlier release saved or claimed, then remove what said it before. Never raises.

    :param path: of the manifest.
    """
    store, told = store_of(path), ", ".join(one.name for one in earlier.paths)
    try:
        store.write_file(path, earlier.manifest.as_bytes(), new=True)
        for one in earlier.paths:
            store.remove_file(one)
    except FileExistsError:
        log.debug("Another task has just made %s", path)
    except OSError as error:
        log.info(
            "The manifest %s could not be made of %s (%s), which counts as before",
            path,
            told,
            type(error).__name__,
        )
    else:
        log.info("The manifest %s was made of %s", path, told)


def parse_sidecar(text: bytes, file_name: str) -> Manifest | None:
    """Read a sidecar or a claim, as the manifest of that one file; ``None`` for anything else."""
    try:
        manifest = Manifest.model_validate_json(text)
        told = json.loads(text)
        if told.get("claim") is True:
            return manifest.model_copy(update={"outputs": []})
        sidecar = _Sidecar.model_validate(told)
        output = SavedOutput(
            type=sidecar.output_type,
            id=sidecar.output_id,
            file=file_name,
            bytes=sidecar.bytes,
            sha256=sidecar.sha256,
            duration=sidecar.duration,
            poster=sidecar.poster,
        )
    except ValidationError:
        return None
    return manifest.model_copy(update={"outputs": [output]})


def _read_sidecar(folder: ObjectStoragePath, file_name: str) -> tuple[Manifest, list[str]] | None:
    """Read what the sidecar of a file says, and the suffixes of all files of its result."""
    path = sidecar_path(folder, file_name)
    store = store_of(path)
    size = store.get_size(path)
    if size is None or not 0 < size <= LARGEST:
        return None
    try:
        text = store.read_file(path)
    except FileNotFoundError:  # a claim that was released in this moment
        return None
    manifest = parse_sidecar(text, file_name)
    if manifest is None:
        return None
    return manifest, [] if manifest.is_claim else _Sidecar.model_validate_json(text).suffixes


def _with_others(
    folder: ObjectStoragePath, base: str, first: str, manifest: Manifest, suffixes: list[str]
) -> Earlier:
    paths = [sidecar_path(folder, f"{base}{first}")]
    outputs = list(manifest.outputs)
    for suffix in suffixes:
        if suffix == first:
            continue
        name = f"{base}{suffix}"
        if (found := _read_sidecar(folder, name)) is not None and found[0].identity == manifest.identity:
            outputs += found[0].outputs
            paths.append(sidecar_path(folder, name))
        else:  # it was not saved yet: no file can be this one
            outputs.append(SavedOutput(type=manifest.outputs[0].type, file=name, bytes=-1))
    return Earlier(manifest.model_copy(update={"outputs": outputs}), paths)
