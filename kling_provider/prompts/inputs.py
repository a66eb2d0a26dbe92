# SPDX-License-Identifier: Apache-2.0
"""Step 6: paths of inputs -> files beside those that name them, and only where prompt files may point to.

A request in Dag code may name any path. A prompt file may have another author, and what it names is read on the
worker and sent to Kling.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import Problem
from kling_provider.api.redaction import shorten
from kling_provider.prompts.fill import FilledVariant
from kling_provider.prompts.find import find_path, get_local_path, open_store_path
from kling_provider.prompts.places import Keys
from kling_provider.prompts.problems import Problems, build_call_error
from kling_provider.prompts.request_fields import EVERY, get_input_paths, is_by_link_only, is_same_field
from kling_provider.prompts.variants import Variant

if TYPE_CHECKING:
    from kling_provider.prompts.find import AnyPath

_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{200,}")
#: How a jpg and a png begin. A jpg's looks like an absolute path, and a path may be written to look like base64.
_BEGINNINGS = ("/9j/", "iVBORw0KGgo")
#: Longer ones are no paths (PATH_MAX).
_LONGEST_PATH = 4096
_BY_LINK = (
    "must be an https URL, or a path in an object store (s3://…), which gets a signed link: Kling takes it by URL only, and "
    "cannot reach a file of the worker"
)
_WIDER = "if it may be read, add its folder to inputs_below of load_prompts"


@dataclass(frozen=True, slots=True)
class ResolvedVariant:
    """A variant whose inputs are found: URLs and base64 as they were written, paths absolute."""

    variant: Variant
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Why an input cannot be used, in words that follow its field and value."""

    message: str


def resolve_inputs(
    variants: Sequence[FilledVariant],
    root: AnyPath,
    inputs_below: Sequence[str | os.PathLike[str]] | str | None,
    problems: Problems,
) -> list[ResolvedVariant]:
    """Find the input files that variants name.

    :param variants: the variants, with their texts filled.
    :param root: the folder that is loaded.
    :param inputs_below: the places in which inputs may lie, instead of ``root``.
    :param problems: gets inputs that do not exist, or lie elsewhere.
    :raises KlingRequestError: if ``inputs_below`` is not a list of places that exist.
    """
    allowed = _list_allowed_places(root, inputs_below)
    return [ResolvedVariant(each.variant, _resolve_variant(each, allowed, problems)) for each in variants]


def _list_allowed_places(
    root: AnyPath, inputs_below: Sequence[str | os.PathLike[str]] | str | None
) -> list[AnyPath]:
    """List where the inputs that prompt files name may lie.

    :param root: the folder that is loaded, which is the default; in an object store the default is its whole bucket.
    :param inputs_below: the folders and buckets to allow instead.
    :raises KlingRequestError: if one of them does not exist.
    """
    if inputs_below is None:
        return [root if get_local_path(root) else _get_bucket(root)]
    given = [inputs_below] if isinstance(inputs_below, str | os.PathLike) else inputs_below
    if not isinstance(given, list | tuple) or not all(isinstance(one, str | os.PathLike) for one in given):
        raise build_call_error(
            f"inputs_below must be a list of folders and buckets; found {inputs_below!r:.80}"
        )
    return [find_path(str(one)) for one in given]


def _resolve_variant(
    filled: FilledVariant, allowed: Sequence[AnyPath], problems: Problems
) -> Mapping[str, Any]:
    variant = filled.variant
    type_ = variant.fields.get("type")
    paths = get_input_paths(type_ and type_.value)
    data = dict(filled.data)
    for key in filled.data:
        folder = variant.fields[key].section.folder
        for path in paths:
            if not is_same_field(key, path[0], type_ and type_.value):
                continue
            for place, written in _walk_values(data[key], path[1:]):
                found = _find_input(written.strip(), folder, allowed)
                if isinstance(found, str) and found.startswith("/") and _is_for_link(found, path, type_):
                    found = _Unusable(_BY_LINK)
                if isinstance(found, _Unusable):
                    problem = Problem(key, written, found.message)
                    problems.add_for_fields([problem], variant.fields, variant.entry.own)
                else:
                    data[key] = _replace_value(data[key], place, found)
    return data


def _is_for_link(found: str, path: tuple[str, ...], type_: Any) -> bool:
    """Say whether a file of the worker is found where Kling takes a URL only, and not base64, which may begin alike."""
    return not _is_base64(found) and is_by_link_only(path, type_ and type_.value)


def _walk_values(value: Any, path: Sequence[str], place: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Walk through the texts at ``path`` of a value; yield the place of each in it, and the text."""
    if not path:
        if isinstance(value, str):
            yield place, value
    elif path[0] == EVERY:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _walk_values(item, path[1:], (*place, index))
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _walk_values(value[path[0]], path[1:], (*place, path[0]))


def _replace_value(value: Any, place: Keys, new: str) -> Any:
    """Copy ``value`` with ``new`` at ``place``."""
    if not place:
        return new
    copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
    copy[place[0]] = _replace_value(copy[place[0]], place[1:], new)
    return copy


def _find_input(written: str, folder: AnyPath, allowed: Sequence[AnyPath]) -> str | _Unusable:
    """Return an input as a request holds it: a URL or base64 as it is, a path made absolute.

    :param folder: the folder of the file that names it.
    """
    if not written or written.lower().startswith(("http://", "https://", "data:")) or _is_base64(written):
        return written
    path = _locate_input(written, folder)
    if isinstance(path, _Unusable):
        return path
    if not any(_is_below(path, one) for one in allowed):
        places = ", ".join(map(str, allowed)) or "no files"
        return _Unusable(f"must lie below what prompt files may name ({places}); {_WIDER}")
    try:
        there = path.is_file()
    except ImportError as error:
        return _Unusable(f"cannot be read here: {error}")
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        there = False
    if not there:
        return _Unusable(f"there is no such file (looked for {shorten(str(path))})")
    # Links stay: the one that a mounted volume swaps at each change must not be followed now.
    return os.path.abspath(path) if isinstance(path, Path) else str(path)  # noqa: PTH100


def _is_base64(text: str) -> bool:
    return bool(_BASE64.fullmatch(text)) and (text.startswith(_BEGINNINGS) or len(text) > _LONGEST_PATH)


def _locate_input(written: str, folder: AnyPath) -> AnyPath | _Unusable:
    """Return the path that is meant, whether or not there is a file."""
    if "://" in written:
        try:
            named = open_store_path(written)
        except ValueError as error:
            return _Unusable(f"cannot be read here: {error}")
        if get_local_path(named) is None:
            return named
        written = named.path
    if isinstance(folder, Path):
        return folder / written
    if written.startswith("/"):
        # Write access to a bucket must not give read access to the worker's disk.
        return _Unusable(f"must be relative, not a path of the worker, in a prompt file of {folder}")
    place = folder
    for part in PurePosixPath(written).parts:
        place = place.parent if part == ".." else place / part
    return place


def _is_below(path: AnyPath, allowed: AnyPath) -> bool:
    here, there = get_local_path(path), get_local_path(allowed)
    if here is not None:
        try:
            return there is not None and Path(os.path.realpath(here)).is_relative_to(os.path.realpath(there))
        except ValueError:  # a zero byte
            return False
    if isinstance(path, Path) or isinstance(allowed, Path) or path.protocol != allowed.protocol:
        return False
    # Whose credentials are used is no prompt file's choice.
    if path.conn_id not in (None, allowed.conn_id):
        return False
    # A key may hold .. as a name, and some stores take it for a way up.
    key = PurePosixPath(path.path)
    return ".." not in key.parts and key.is_relative_to(allowed.path)


def _get_bucket(path: AnyPath) -> AnyPath:
    if isinstance(path, Path):
        return path
    bucket = PurePosixPath(path.path.lstrip("/")).parts[0]
    return type(path)(f"{path.protocol}://{bucket}", conn_id=path.conn_id)
