# SPDX-License-Identifier: Apache-2.0
"""What a video's file is called, and where it goes. Names never leave the destination."""

from __future__ import annotations

import re
from hashlib import sha256
from string import Formatter
from typing import TYPE_CHECKING

from kling_provider.api.problems import suggest
from kling_provider.exceptions import KlingRequestError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Bytes of one part of a path. File systems take 255; the sidecar's and the temporary names are longer.
_LONGEST = 200

#: By the type of a task's output.
SUFFIXES = {"video": ".mp4", "image": ".png", "audio": ".mp3"}

#: Control characters and lone surrogates; what some file system, object store or address takes for its own.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\:*?"<>|#\[\]]')


def file_name(
    template: str = "{name}",
    *,
    name: str | None,
    take: int,
    type: str,
    model: str,
    run_id: str,
    task_id: str,
    map_index: int,
    index: int = 0,
    outputs: int = 1,
    suffix: str,
) -> str:
    """The file's path below the destination, with ``/`` between its parts.

    ``{name}`` is the request's name, else ``{task_id}-{map_index}`` (``{task_id}`` where the task is not
    mapped). ``.take{take}`` follows for takes above 0, unless the template says ``{take}`` itself; then
    ``-{index}`` where a task has several outputs; then the suffix.

    A ``/`` makes folders in the template and in the name; in other values it becomes ``_``, as do
    characters that are not safe everywhere (``: * ? " < > | # [ ]``, the backslash, control characters) and
    a dot at the start of a part. Parts of more than 200 bytes are cut and told apart by a hash.

    :param map_index: -1 where the task is not mapped.
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
    pattern = template if template == suffix else template.removesuffix(suffix)
    text, used = _filled(pattern, template, values)
    tail = suffix
    if outputs > 1:
        tail = f"-{index}{tail}"
    if take > 0 and "take" not in used:
        tail = f".take{take}{tail}"
    shown = template if template != "{name}" else values["name"]
    if text.startswith("/"):
        raise _refused(shown, "is an absolute path; files go below destination: leave the first / out")
    *folders, last = (_safe(part, shown) for part in text.split("/"))
    if not last:
        raise _refused(shown, "ends with a /, so the file itself has no name")
    parts = [_fit(part, _LONGEST) for part in folders if part]
    return "/".join([*parts, _fit(last, _LONGEST - len(tail)) + tail])


def destination_path(destination: str, conn_id: str | None = None) -> ObjectStoragePath:
    """The folder that ``destination`` names, with the credentials of ``conn_id``.

    An absolute path means the worker's disk; a relative one is refused, because every worker has another
    current folder. Anything else is ``scheme://[conn_id@]bucket/folder``, for every scheme that an installed
    provider serves.

    :raises KlingRequestError: saying what to write instead.
    """
    from airflow.sdk import ObjectStoragePath

    text = destination.strip()
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
            "is a web address, where nothing can be written; take a path or s3://, gs://, abfs://"
        )
    if scheme == "file" and not place.startswith("/"):
        raise _bad_destination(
            f"{destination!r} has no absolute path; write file:///{place} if that is what you mean"
        )
    if not place.strip("/") and scheme != "file":
        raise _bad_destination(f"{destination!r} names no bucket")
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


def _filled(pattern: str, template: str, values: dict[str, str]) -> tuple[str, set[str]]:
    text, used = "", set()
    try:
        parsed = list(Formatter().parse(pattern))
    except ValueError as error:
        raise _refused(template, f"is no template: {error}") from None
    for literal, field, spec, conversion in parsed:
        text += literal
        if field is None:
            continue
        if field not in values:
            allowed = ", ".join(f"{{{one}}}" for one in values)
            raise _refused(template, f"has no place {{{field}}}.{suggest(field, values)} Allowed: {allowed}")
        if spec or conversion:
            raise _refused(template, f"takes {{{field}}} as it is, without ! and :")
        used.add(field)
        value = values[field]
        text += value if field == "name" else value.replace("/", "_")
    return text, used


def _safe(part: str, shown: str) -> str:
    part = _UNSAFE.sub("_", part).strip()
    if part == "..":
        raise _refused(shown, "leads out of destination: leave .. out")
    if part == ".":
        return ""
    return "_" + part[1:] if part.startswith(".") else part


def _fit(part: str, room: int) -> str:
    raw = part.encode()
    if len(raw) <= room:
        return part
    return f"{raw[: room - 9].decode(errors='ignore')}-{sha256(raw).hexdigest()[:8]}"


def _refused(shown: str, why: str) -> KlingRequestError:
    return KlingRequestError(f"The file name {shown!r} {why}. Nothing was sent, nothing is billed.")


def _bad_destination(why: str) -> KlingRequestError:
    return KlingRequestError(f"destination {why}. Nothing was sent, nothing is billed.")
