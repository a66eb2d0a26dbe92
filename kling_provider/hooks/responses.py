# SPDX-License-Identifier: Apache-2.0
"""Parse HTTP responses to tasks, packs or errors, for both hooks. No I/O.

:func:`read_response` makes an :class:`~kling_provider.api.codes.ApiResponse` of the bytes. The functions ``parse_…`` make what
was asked for of that.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kling_provider.api.account import parse_account
from kling_provider.api.codes import ApiResponse, ErrorKind, parse_response
from kling_provider.api.dialects.reading import UnreadableTask, parse_task, parse_tasks
from kling_provider.api.ids import explain_unknown
from kling_provider.api.redaction import redact_key, redact_key_in_body
from kling_provider.api.requests.at_once import AnsweredAtOnce, AnswerWithoutResult
from kling_provider.api.responses_route import read_stated_failure
from kling_provider.api.tasks import TaskStatus
from kling_provider.exceptions import KlingServerError, KlingTaskNotFound
from kling_provider.hooks.response_errors import build_response_error

if TYPE_CHECKING:
    from kling_provider.api.account import Pack
    from kling_provider.api.request_types import RequestSpec
    from kling_provider.api.tasks import KlingTask, Output
    from kling_provider.hooks.connection import KlingConnection

#: The largest response that is read, in bytes, unpacked: 500 tasks with long links have some three million.
LARGEST_RESPONSE = 8 * 1024**2
#: What :func:`read_packed_response` unpacks.
ACCEPTED_ENCODINGS = "gzip, deflate"


# -- bytes -----------------------------------------------------------------------------------------------------


def read_response(
    status: int, headers: Mapping[str, str], body: bytes, authorization: str, *, at_kling: bool = True
) -> ApiResponse:
    """Read what an HTTP response means, and hide the key where the response repeats it.

    :param authorization: the header that was sent.
    :param at_kling: it comes from Kling's own host, and no gateway.
    """
    key = authorization.removeprefix("Bearer ")
    answer = parse_response(status, headers, redact_key_in_body(body, key))
    return replace(answer, message=redact_key(answer.message, key), at_kling=at_kling)


def read_packed_response(
    status: int, headers: Mapping[str, str], body: bytes, authorization: str, *, at_kling: bool = True
) -> ApiResponse:
    """Read a response whose body may be compressed.

    At most :data:`LARGEST_RESPONSE` is unpacked.
    """
    unpacked = _unpack_body(body, (headers.get("Content-Encoding") or "").strip().lower())
    if unpacked is None:
        return ApiResponse(
            ErrorKind.UNREADABLE, status, message="the response cannot be unpacked", at_kling=at_kling
        )
    if len(unpacked) > LARGEST_RESPONSE:
        return refuse_large_response(status, at_kling=at_kling)
    return read_response(status, headers, unpacked, authorization, at_kling=at_kling)


def refuse_large_response(status: int, *, at_kling: bool) -> ApiResponse:
    """Return the answer that represents a response that is too large to be read."""
    text = f"the response is larger than {LARGEST_RESPONSE // 1024**2} MB, which is no response of an API"
    return ApiResponse(ErrorKind.UNREADABLE, status, message=text, at_kling=at_kling)


def _unpack_body(body: bytes, encoding: str) -> bytes | None:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    # Some servers leave out the head of deflate.
    for form in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        unpacking = zlib.decompressobj(form)
        try:
            return unpacking.decompress(body, LARGEST_RESPONSE + 1)
        except zlib.error:
            continue
    return None


# -- tasks -----------------------------------------------------------------------------------------------------


def parse_created(connection: KlingConnection, answer: ApiResponse) -> KlingTask | None:
    """Parse the task that the answer to a create names; ``None`` where it names none."""
    try:
        task = parse_task(answer.data, accepts_gateway_statuses=connection.profile.accepts_gateway_statuses)
    except UnreadableTask:
        return None
    # Some gateways answer with the id alone.
    return task if task.status_word else replace(task, status=TaskStatus.SUBMITTED)


def parse_answered(connection: KlingConnection, answer: ApiResponse, spec: RequestSpec) -> KlingTask:
    """Parse the result that the answer to a call of a type answered at once is.

    It is a task that has ended. A host that names no task there is asked for nothing later, so any id will do that stays
    the same: of the session, else of the call.

    :param spec: the row of the type.
    :raises AnswerWithoutResult: where it holds none, with words for people.
    """
    request_class = spec.request_class
    if not answer.ok or not isinstance(answer.data, Mapping) or not issubclass(request_class, AnsweredAtOnce):
        raise AnswerWithoutResult(answer.message or "the response holds no result")
    data: Mapping[str, Any] = answer.data
    outputs: tuple[Output, ...] = ()
    named = data.get("session_id") or answer.request_id or f"answer-{_digest(data)}"
    task = parse_task(
        {**data, "task_id": data.get("task_id") or str(named)},
        accepts_gateway_statuses=connection.profile.accepts_gateway_statuses,
    )
    if task.status is not TaskStatus.FAILED:
        outputs = request_class.read_outputs(data)
    now = datetime.now(UTC)
    return replace(
        task,
        status=TaskStatus.SUCCEEDED if outputs else TaskStatus.FAILED,
        outputs=outputs,
        created_at=task.created_at or now,
        updated_at=task.updated_at or now,
        retention=spec.retention,
    )


def _digest(data: Mapping[str, Any]) -> str:
    return sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:16]


def parse_one(connection: KlingConnection, answer: ApiResponse, kling_task_id: str) -> KlingTask:
    """Parse the task in the answer to a read of one id.

    :raises KlingTaskNotFound: where the host does not know the id.
    :raises KlingError: for any other answer that is no success.
    """
    task = parse_known(connection, answer, kling_task_id)
    if task is not None:
        return task
    raise KlingTaskNotFound(
        f"{connection.host} does not know task {kling_task_id}: it "
        f"{explain_unknown(kling_task_id, at_kling=connection.profile.is_kling)}.",
        code=answer.code,
        request_id=answer.request_id,
        http_status=answer.http_status,
        kling_task_id=kling_task_id,
    )


def parse_known(connection: KlingConnection, answer: ApiResponse, kling_task_id: str) -> KlingTask | None:
    """Parse the task in the answer to a read of one id; return ``None`` where the host does not know it.

    :raises KlingError: for any other answer that is no success.
    """
    doing = f"read task {kling_task_id} at {connection.host}"
    if not answer.ok:
        if answer.is_not_found:
            return None
        if (stated := _read_stated_failure(connection, answer, kling_task_id)) is not None:
            return stated
        raise build_response_error(answer, doing)
    if isinstance(answer.data, list) and len(answer.data) != 1:
        found, complete = parse_batch(connection, answer, [kling_task_id], doing)
        if kling_task_id not in found and not complete:
            raise _make_unreadable_error(
                answer, doing, "the response is not about the task that was asked for"
            )
        return found.get(kling_task_id)
    try:
        return parse_task(
            answer.data,
            accepts_gateway_statuses=connection.profile.accepts_gateway_statuses,
            kling_task_id=kling_task_id,
        )
    except UnreadableTask as why:
        raise _make_unreadable_error(answer, doing, why) from None


def _read_stated_failure(
    connection: KlingConnection, answer: ApiResponse, kling_task_id: str
) -> KlingTask | None:
    """Read a failed task out of an error: some gateways tell of one with an error's HTTP status."""
    if connection.profile.is_kling:
        return None
    for data in (answer.data, read_stated_failure(answer.message, kling_task_id)):
        try:
            task = parse_task(data, accepts_gateway_statuses=True, kling_task_id=kling_task_id)
        except UnreadableTask:
            continue
        if task.status is TaskStatus.FAILED:
            return task
    return None


def parse_batch(
    connection: KlingConnection, answer: ApiResponse, kling_task_ids: Collection[str], doing: str
) -> tuple[dict[str, KlingTask], bool]:
    """Parse the tasks in the answer to a read of many ids, and tell whether the host does not know the missing ones.

    It may know them where an entry of the answer names no task, or one that was not asked for.

    :param doing: for the first line of an error: ``"read 20 tasks at api-singapore.klingai.com"``.
    """
    tasks, unreadable = _parse_many(connection, answer, doing)
    found = {task.kling_task_id: task for task in tasks if task.kling_task_id in kling_task_ids}
    return found, not unreadable and len(tasks) == len(found)


def parse_found(
    connection: KlingConnection, answer: ApiResponse, external_task_ids: Collection[str], doing: str
) -> dict[str, list[KlingTask]]:
    """Parse the tasks in the answer to a look-up of external ids; ids that the host does not know are missing.

    :raises KlingServerError: where an id is missing and the answer holds an entry that cannot be read, or one of
        another id: then it is unknown whether the task exists.
    :raises KlingError: for an answer that is no success and does not say "not found".
    """
    if answer.is_not_found:
        return {}
    if not answer.ok:
        raise build_response_error(answer, doing)
    if isinstance(answer.data, list):
        tasks, unreadable = _parse_many(connection, answer, doing)
        others = any(task.external_task_id not in (None, *external_task_ids) for task in tasks)
    else:
        try:
            tasks = [
                parse_task(answer.data, accepts_gateway_statuses=connection.profile.accepts_gateway_statuses)
            ]
        except UnreadableTask as why:
            raise _make_unreadable_error(answer, doing, why) from None
        (one,), unreadable = external_task_ids, 0
        if tasks[0].external_task_id is None:
            return {one: tasks}  # asked for by it, and some answers do not repeat it
        others = tasks[0].external_task_id != one
    found: dict[str, list[KlingTask]] = {}
    for task in tasks:
        if task.external_task_id in external_task_ids:
            found.setdefault(str(task.external_task_id), []).append(task)
    if (unreadable or others) and len(found) < len(set(external_task_ids)):
        raise _make_unreadable_error(answer, doing, "the response is not about the task that was asked for")
    return found


def parse_packs(connection: KlingConnection, answer: ApiResponse) -> tuple[Pack, ...]:
    """Parse the account's packs.

    :raises KlingError: for an answer that is no success.
    """
    if not answer.ok:
        raise build_response_error(answer, f"read the account at {connection.host}")
    return parse_account(answer.data)


def _parse_many(connection: KlingConnection, answer: ApiResponse, doing: str) -> tuple[list[KlingTask], int]:
    if not answer.ok:
        raise build_response_error(answer, doing)
    try:
        return parse_tasks(answer.data, accepts_gateway_statuses=connection.profile.accepts_gateway_statuses)
    except UnreadableTask as why:
        raise _make_unreadable_error(answer, doing, why) from None


def _make_unreadable_error(answer: ApiResponse, doing: str, why: object) -> KlingServerError:
    return KlingServerError(
        f"Could not {doing}: {why}.", request_id=answer.request_id, http_status=answer.http_status
    )
