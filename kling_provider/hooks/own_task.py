# SPDX-License-Identifier: Apache-2.0
"""Choose the external id of a paid call in a user's own task: the same at every try, so that a retry does not pay again."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kling_provider.api.catalog import spec_of
from kling_provider.api.codes import TaskState
from kling_provider.api.hosts import Lock
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.signatures import stand_in
from kling_provider.api.tasks import TaskStatus
from kling_provider.api.values import is_web_url
from kling_provider.compat import get_running_context
from kling_provider.exceptions import KlingError, KlingRequestError, KlingTaskFailedFinally
from kling_provider.identity import Identity

if TYPE_CHECKING:
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.kling import KlingHook

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChosenId:
    """What to send under, or the task that an earlier try made under it."""

    external_task_id: str | None
    made: KlingTask | None = None


def choose_external_id(hook: KlingHook, request: KlingRequest) -> ChosenId:
    """Choose the external id for ``request`` in the running Airflow task, and ask the host for it where that is possible.

    The id is the one that ``KlingSubmitOperator`` would take at the same task for the same request. A task that Kling failed
    makes place for the next attempt.

    :raises KlingError: where the host does not answer; nothing was sent.
    :raises KlingTaskFailedFinally: where Kling failed every attempt; nothing was sent.
    """
    profile = hook.connection.profile
    context = get_running_context()
    if request.external_task_id is None and not context:
        log.warning(
            "No Airflow task runs here, so this paid call has no external_task_id: if it is sent again, it is paid again. "
            "Give an external_task_id to have it paid once."
        )
        return ChosenId(None)
    identity = _build_identity(request, hook.connection.namespace, context)
    lock = profile.find_lock(request)
    can_look = hook.connection.can_find(request) and lock is not Lock.NONE
    if lock is not Lock.LOCKED:
        log.warning(
            "%s has no lock against paying twice for %s: %s. KlingSubmitOperator stops where that is not known.",
            hook.connection.host,
            request.model or request.type,
            "an earlier try of this task is looked for" if can_look else "a retry of this task pays again",
        )
    if not can_look:
        return ChosenId(identity.external_task_id())
    for attempt in range(identity.attempts):
        external_task_id = identity.external_task_id(attempt)
        made = _find_made(hook, request, external_task_id)
        if made is None:
            return ChosenId(external_task_id)
        if made.status is not TaskStatus.FAILED or identity.own is not None:
            log.info(
                "Kling task %s exists under %s, made by an earlier call: nothing is paid. For another result raise take in "
                "the request.",
                made.kling_task_id,
                external_task_id,
            )
            return ChosenId(external_task_id, made)
    raise KlingTaskFailedFinally(
        f"Kling failed {identity.attempts} attempts at this request in this task. Nothing was sent: change the request, or "
        "raise take in it.",
        task_state=TaskState.EXISTS,
    )


def check_lone_call(request: KlingRequest, *, has_id: bool) -> None:
    """Check that one call is enough for ``request``, and warn where it is paid again whenever it is sent again.

    :param has_id: the user gives an external id of their own.
    :raises KlingRequestError: where it needs other calls first, or takes no id; nothing was sent.
    """
    spec = spec_of(request)
    if spec.find_preparation(request) is not None:
        raise KlingRequestError(
            f"session_id must be given for {request.type}: KlingHook makes no other call first, as KlingGenerateOperator and "
            "KlingSubmitOperator do. Submit the request that opens the session before, or use one of them. Nothing was sent."
        )
    if not spec.is_answered_at_once:
        return
    if has_id:
        raise KlingRequestError(
            f"external_task_id must be left out for {request.type}: Kling answers it at once, and takes no id for it. Nothing was "
            "sent."
        )
    log.warning(
        "Kling answers %s at once and cannot be asked for the result later: if this call is sent again, by a retry of your task "
        "too, it is paid again. KlingGenerateOperator keeps the answer and pays once.",
        request.type,
    )


def _build_identity(request: KlingRequest, namespace: str, context: Mapping[str, Any]) -> Identity:
    ti = context.get("ti")
    return Identity.of_request(
        request,
        pay_once_per="run",
        namespace=namespace,
        dag_id=getattr(ti, "dag_id", ""),
        task_id=getattr(ti, "task_id", ""),
        run_id=getattr(ti, "run_id", ""),
        map_index=getattr(ti, "map_index", -1),
        images={field: _represent_input(value) for field, value in request.iter_inputs()},
    )


def _represent_input(value: str) -> str:
    """Return what represents an input in the identity: its URL without signature, or the sha256 of its bytes."""
    if is_web_url(value):
        return stand_in(value)
    try:
        return f"sha256:{sha256(base64.b64decode(''.join(value.split()), validate=True)).hexdigest()}"
    except ValueError:
        return value


def _find_made(hook: KlingHook, request: KlingRequest, external_task_id: str) -> KlingTask | None:
    """Find the task under an external id, if there is one; a task that has not failed comes first."""
    try:
        found = hook.find([external_task_id], type=request.type).get(external_task_id, [])
    except KlingError as error:
        raise error.with_context(
            prefix="Could not look whether an earlier try of this task made it already, and nothing was sent: "
        ) from error.__cause__
    return min(found, key=lambda task: task.status is TaskStatus.FAILED, default=None)
