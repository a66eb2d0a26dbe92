# SPDX-License-Identifier: Apache-2.0
"""What the files of a result are called, and where they go. Names never leave the destination."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING
from unicodedata import normalize

from airflow.sdk import ObjectStoragePath

from kling_provider.exceptions import KlingRequestError
from kling_provider.file_names import ABSOLUTE, NAMELESS, OUTSIDE, UNSAFE, add_take, parse_template
from kling_provider.storage.output_types import SUFFIXES

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Bytes of one part of a path. File systems take 255; the sidecar's and the temporary names are longer.
_LONGEST = 200
#: Bytes of the last part of a stem: identity, number and suffix follow.
_LONGEST_STEM = 180

_UNSAFE = re.compile(UNSAFE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: An identity that we computed: ``af-``, 8 hex of the owner, 32 hex of the video.
_COMPUTED = re.compile(r"af-[0-9a-f]{8}([0-9a-f]{8})[0-9a-f]{24}")


def file_stem(
    template: str = "{name}",
    *,
    name: str | None,
    take: int,
    type: str,
    model: str,
    run_id: str,
    task_id: str,
    map_index: int,
    kling_task_id: str | None = None,
) -> str:
    """Return where the files of one request go below the destination, with ``/`` between the parts and without suffix.

    ``{name}`` is the request's name, else ``{task_id}-{map_index}`` (``{task_id}`` where the task is not
    mapped). ``.take{take}`` follows for takes above 0, unless the template says ``{take}`` itself.

    A ``/`` makes folders in the template and in the name; in other values it becomes ``_``, as do
    characters that are not safe everywhere (``: * ? " < > | # [ ]``, the backslash, control characters) and
    a dot at the start of a part. Parts of more than 200 bytes (the last one: 180) are cut and told apart by a hash.
    One spelling of a letter with marks (Unicode NFC) is used for all.

    :param map_index: -1 where the task is not mapped.
    :param kling_task_id: where it is known, which is not before the payment.
    :raises KlingRequestError: for a place that is not in the template's vocabulary, and for a path that is
        absolute, names no file, or leads out of the destination.
    """
    name = (name or "").strip()
    values = {
        "name": name or (task_id if map_index < 0 else f"{task_id}-{map_index}"),
        "take": str(take),
        "type": type,
        "model": model,
        "run_id": run_id,
        "task_id": task_id,
        "map_index": str(map_index),
    }
    if kling_task_id is not None:
        values["kling_task_id"] = kling_task_id
    text, used = _fill_template(_without_suffix(template), template, values)
    tail = add_take("", 0 if "take" in used else take)
    shown = template if template != "{name}" else values["name"]
    if text.startswith("/"):
        raise _build_error(shown, ABSOLUTE)
    *folders, last = (_make_safe(part, shown) for part in text.split("/"))
    if not last:
        raise _build_error(shown, NAMELESS)
    parts = [_cut_to_fit(part, _LONGEST) for part in folders if part]
    return "/".join([*parts, _cut_to_fit(last, _LONGEST_STEM - len(tail)) + tail])


def stem_beside(stem: str, identity: str) -> str:
    """Return where a result is saved whose plain place holds another one of the same task: ``{stem}.{8 hex of its identity}``."""
    computed = _COMPUTED.fullmatch(identity)
    mark = computed[1] if computed else sha256(identity.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{stem}.{mark}"


def stem_of_type(stem: str, type: str) -> str:
    """Return where a result is saved whose plain place is one of another kind of request: ``{stem}.{type}``."""
    return f"{stem}.{re.sub('[^a-z0-9_]', '_', type.lower())}"


def destination_path(
    destination: str | PurePath | ObjectStoragePath, conn_id: str | None = None
) -> ObjectStoragePath:
    """Return the folder that ``destination`` names, with the credentials of ``conn_id``.

    An absolute path means the worker's disk; a relative one is refused, because every worker has another
    current folder. Anything else is ``scheme://[conn_id@]bucket/folder``, for every scheme that an installed
    provider serves.

    :raises KlingRequestError: where it is none; says what to write instead.
    """
    text = str(destination).strip()
    if _CONTROL.search(text):
        raise _bad_destination(f"{text!r} holds characters that no path can have; they must be left out")
    scheme, separator, rest = text.partition("://")
    if not separator:
        if not text.startswith("/"):
            what = f"{text!r} is a relative path" if text else "is empty"
            raise _bad_destination(
                f"{what}; write an absolute one such as /opt/airflow/videos, or s3://bucket/videos"
            )
        scheme, rest, text = "file", text, f"file://{text}"
    user, _, place = rest.rpartition("@") if "@" in rest.partition("/")[0] else ("", "", rest)
    if ":" in user:
        raise _bad_destination(
            "holds credentials; put them into a connection and name it in destination_conn_id"
        )
    if scheme in ("http", "https"):
        raise _bad_destination(
            "is an http URL, where nothing can be written; it must be a path or begin with s3://, gs:// or abfs://"
        )
    if scheme == "file" and not place.startswith("/"):
        raise _bad_destination(
            f"{destination!r} has no absolute path; write file:///{place} if that is what you mean"
        )
    if not place.strip("/") and scheme != "file":
        raise _bad_destination(f"{destination!r} must name a bucket")
    try:
        path = ObjectStoragePath(text, conn_id=conn_id) if conn_id else ObjectStoragePath(text)
        _ = path.fs
    except (ValueError, ImportError) as error:
        raise _bad_destination(
            f"{scheme}:// needs a provider that is not installed here ({error}); for s3:// that is "
            "apache-airflow-providers-amazon[s3fs], for gs:// apache-airflow-providers-google, for abfs:// "
            "apache-airflow-providers-microsoft-azure"
        ) from None
    return path


def _without_suffix(template: str) -> str:
    for suffix in SUFFIXES:
        if template != suffix and template.endswith(suffix):
            return template.removesuffix(suffix)
    return template


def _fill_template(pattern: str, template: str, values: Mapping[str, str]) -> tuple[str, set[str]]:
    try:
        pairs = parse_template(pattern, tuple(values))
    except ValueError as error:
        raise _build_error(template, str(error)) from None
    text = ""
    for literal, place in pairs:
        text += literal
        if place is not None:
            text += values[place] if place == "name" else values[place].replace("/", "_")
    return text, {place for _, place in pairs if place is not None}


def _make_safe(part: str, shown: str) -> str:
    part = _UNSAFE.sub("_", normalize("NFC", part)).strip()
    if part == "..":
        raise _build_error(shown, OUTSIDE)
    if part == ".":
        return ""
    return "_" + part[1:] if part.startswith(".") else part


def _cut_to_fit(part: str, room: int) -> str:
    raw = part.encode()
    if len(raw) <= room:
        return part
    return f"{raw[: room - 9].decode(errors='ignore')}-{sha256(raw).hexdigest()[:8]}"


def _build_error(shown: str, why: str) -> KlingRequestError:
    return KlingRequestError(f"The file name {shown!r} {why}. Nothing was sent, nothing is billed.")


def _bad_destination(why: str) -> KlingRequestError:
    return KlingRequestError(f"destination {why}. Nothing was sent, nothing is billed.")
