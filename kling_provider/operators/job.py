# SPDX-License-Identifier: Apache-2.0
"""One task instance's paid job: carries out what :class:`~kling_provider.submission.Submission` decides.

Imported by the operators when they run, never at DAG-parse time: it needs ``requests``.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from kling_provider import metrics
from kling_provider.api.account import units_left
from kling_provider.api.expectation import expected_seconds
from kling_provider.api.hosts import Lock
from kling_provider.api.prices import estimate
from kling_provider.api.requests import IMAGE_FIELDS, DynamicMask
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import (
    KlingBalanceError,
    KlingBudgetError,
    KlingError,
    KlingRequestError,
    KlingTaskNotFound,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.identity import SCOPES, Identity, PayOncePer
from kling_provider.records import records_of
from kling_provider.storage import image_addresses, resolve_images, shown_request
from kling_provider.submission import (
    Find,
    Outcome,
    Permit,
    Read,
    Send,
    Sent,
    Step,
    Store,
    Submission,
    Submitted,
    Wait,
    drive,
)
from kling_provider.task_log import log_group

log = logging.getLogger(__name__)


class Planned(Exception):
    """``plan_only`` came to the paid call."""

    def __init__(self, external_task_id: str | None, attempt: int) -> None:
        super().__init__(external_task_id, attempt)
        self.external_task_id = external_task_id
        self.attempt = attempt


class Job:
    """What one task instance intends to have made, and how far that is.

    :param data: the request as the user wrote it.
    :param max_units: the most that this one video may cost at list price.
    :param plan_only: stop before the paid call (:class:`Planned` is raised), store nothing.
    :param sidecar: finished videos leave a sidecar where this job looks first (Generate with a destination).
    :param images: what stands for each image, where they need not be read any more: the video is paid.
    :raises KlingRequestError: for a wrong request, or a scope that this host cannot hold; nothing was sent.
    """

    def __init__(
        self,
        *,
        context: Mapping[str, Any],
        data: Mapping[str, Any],
        kling_conn_id: str,
        pay_once_per: PayOncePer,
        on_ambiguous: str,
        max_units: float | Decimal | None = None,
        plan_only: bool = False,
        sidecar: bool = False,
        images: Mapping[str, str] | None = None,
    ) -> None:
        ti, dag_run = context["ti"], context["dag_run"]
        self.hook = KlingHook(kling_conn_id)
        connection = self.hook.connection
        self.request = self.hook.request(data)
        # What goes over the wire, with images as addresses or base64; and what stands for each image.
        self.wire, self.images = (
            resolve_images(self.request, api=connection.api)
            if images is None
            else (self.request, dict(images))
        )
        self._data = data
        self.lock = connection.profile.lock(self.request.model)
        self.identity = Identity.of(
            self.request,
            pay_once_per=pay_once_per,
            namespace=connection.namespace,
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=ti.map_index,
            images=self.images,
        )
        self._check_scope(pay_once_per, sidecar)
        self.price = estimate(self.request)
        self._max_units = None if max_units is None else Decimal(str(max_units))
        self._plan_only = plan_only
        self._resubmit = on_ambiguous == "resubmit"
        self._first_try = ti.try_number <= 1
        locked = self.lock is Lock.LOCKED
        shared = self.identity.key if pay_once_per == "dag" and not locked else None
        # The first try of an instance that a cleared run has got: its video may have been paid at another map index.
        # To a memory by identity nobody is new.
        cleared = ti.map_index >= 0 and (dag_run.clear_number or 0) > 0
        self._newcomer = self._first_try and cleared and shared is None
        self._look_first = not self._first_try or pay_once_per != "run" or self._newcomer
        self._tags = {"dag_id": ti.dag_id, "model": self.request.model}
        self._sent = False
        #: The task that :meth:`submit` made or found.
        self.kling_task_id: str | None = None
        self._records = records_of(context, locked=locked, across_runs=shared)

    @property
    def name(self) -> str:
        """The request in a few words, for messages."""
        if self.request.name:
            return f"video {self.request.name!r}"
        prompt = " ".join((self.request.prompt or "").split())
        return f"video {prompt[:40] + '…' if len(prompt) > 40 else prompt!r}"

    @property
    def image_addresses(self) -> list[str]:
        """Where the pictures that go in are."""
        return list(image_addresses(self.request).values())

    @cached_property
    def shown(self) -> dict[str, Any]:
        """The request for logs, XCom and sidecars: images by path and sha256, never their bytes."""
        return shown_request(self._data, self.images)

    def expected_at(self, task: KlingTask) -> float | None:
        """When ``task`` will be finished, roughly: an epoch."""
        if task.created_at is None or task.status.ended:
            return None
        return task.created_at.timestamp() + expected_seconds(self.request.model, self.request.duration)

    def submit(self, resume: str | None = None) -> Outcome:
        """Have the video made, or find that it is.

        :param resume: the external id of this try, after a wait for a slot.
        """
        profile = self.hook.connection.profile
        # A first try with a lock has nothing to remember: Kling refuses what it made before.
        remembers = self._look_first or self.lock is not Lock.LOCKED
        submission = Submission(
            identity=self.identity,
            lock=self.lock,
            finds=profile.finds,
            batch=profile.task_reads,
            look_first=self._look_first,
            record=self._records.load() if remembers else None,
            adopt=(self.request.adopt or "").strip() or None,
            resubmit=self._resubmit,
            newcomer=self._newcomer,
            resume=resume,
            what=self.name,
            host=self.hook.connection.host,
        )
        try:
            outcome = drive(submission.steps(), self._do)
        except KlingBalanceError as error:
            error.args = (f"{error}{self._units_left()}",)
            raise
        if isinstance(outcome, Submitted):
            self.kling_task_id = outcome.task.kling_task_id
            if outcome.adopted:
                self._tell_adopted(outcome.task)
            if not self._plan_only:
                self._count(outcome)
        return outcome

    def saved(self) -> None:
        """The video's file is there, with its sidecar."""
        self._records.saved()

    def _count(self, outcome: Submitted) -> None:
        if outcome.adopted:
            metrics.adopted(instead_of_paying=self._sent, **self._tags)
        else:
            metrics.submitted(**self._tags)

    def _units_left(self) -> str:
        """For the text of a refusal; where the account does not answer, nothing."""
        if not self.hook.connection.profile.account:
            return ""
        try:
            return f" The account has {units_left(self.hook.account()).normalize():f} video units left."
        except KlingError:
            return ""

    def _do(self, step: Step) -> Any:
        match step:
            case Find(external_task_ids):
                return self.hook.find(external_task_ids, type=self.request.type)
            case Read(kling_task_id):
                try:
                    return self.hook.get_task(kling_task_id, type=self.request.type)
                except KlingTaskNotFound:
                    return None
            case Permit(external_task_id, attempt):
                return self._permit(external_task_id, attempt)
            case Send(external_task_id):
                return self._send(external_task_id)
            case Store(record):
                return None if self._plan_only else self._records.store(record)
            case Wait(seconds):
                log.info("Next look in %.0f s.", seconds)
                return time.sleep(seconds)

    def _permit(self, external_task_id: str | None, attempt: int) -> None:
        if self._max_units is not None and (self.price.units is None or self.price.units > self._max_units):
            raise KlingBudgetError(
                f"Not sent: {self.name} costs {self.price.as_text()}, and max_units is {self._max_units}. Nothing is "
                "billed. Make it shorter or smaller, raise max_units, or leave it out for a model without a price."
            )
        if self._plan_only:
            raise Planned(external_task_id, attempt)

    def plan(self, planned: Planned) -> dict[str, Any]:
        """What the paid call would be: method, address, the exact body (images by path and sha256), and price."""
        return {
            "plan_only": True,
            "summary": f"it would be sent for {self.price.as_text()}",
            "kling_task_id": None,
            "external_task_id": planned.external_task_id,
            "attempt": planned.attempt,
            "price": self.price.as_json(),
            "http": self._call(planned.external_task_id),
        }

    def _call(self, external_task_id: str | None) -> dict[str, Any]:
        """The paid call as it may be shown: images by path and sha256."""
        shown = shown_request(self.request.model_dump(exclude_none=True), self.images)
        presented = {field: shown[field] for field in (*IMAGE_FIELDS, "callback_url") if field in shown}
        if masks := shown.get("dynamic_masks"):
            presented["dynamic_masks"] = [DynamicMask.model_validate(mask) for mask in masks]
        request = self.request.model_copy(update=presented)
        call = self.hook.connection.dialect.create(request, external_task_id)
        return {
            "method": call.method,
            "url": self.hook.connection.base_url + call.path,
            "json": call.json,
        }

    def plan_of(self, task: KlingTask) -> dict[str, Any]:
        """The same where the task exists already: nothing would be paid."""
        return {
            "plan_only": True,
            "summary": f"Kling task {task.kling_task_id} exists and would be adopted, nothing paid",
            "kling_task_id": task.kling_task_id,
            "external_task_id": task.external_task_id,
            "attempt": None,
            "price": None,
            "http": None,
        }

    def _send(self, external_task_id: str | None) -> Sent:
        call = self._call(external_task_id)
        with log_group(log.info, "Request"):
            body = json.dumps(call["json"], indent=2, ensure_ascii=False)
            log.info("%s %s\n%s", call["method"], call["url"], body)
        self._sent = True
        log.info(
            "Sending %s to %s (external id %s): %s",
            self.name,
            self.hook.connection.host,
            external_task_id or "none",
            self.price.as_text(),
        )
        answer, task = self.hook.create(self.wire, external_task_id=external_task_id)
        if task is not None and answer.ok:
            log.info("Kling made task %s.", task.kling_task_id)
        else:
            log.info("Kling answered: %s (code %s).", answer.message or "nothing readable", answer.code)
        return Sent(answer, task)

    def _tell_adopted(self, task: KlingTask) -> None:
        made = f" of {task.created_at:%d %B %Y %H:%M} UTC" if task.created_at else ""
        # After a call of this very try nobody knows which of the two paid for it.
        paid = "nothing more paid" if self._sent else "nothing paid"
        log.info(
            "Kling task %s%s adopted, %s; it is %s. For another video of this prompt raise take (now %d).",
            task.kling_task_id,
            made,
            paid,
            task.word,
            self.request.take,
        )

    def _check_scope(self, pay_once_per: PayOncePer, sidecar: bool) -> None:
        if pay_once_per not in SCOPES:
            raise KlingRequestError(f"pay_once_per is one of {', '.join(SCOPES)}; found {pay_once_per!r}.")
        if pay_once_per == "run" or self.lock is Lock.LOCKED or (pay_once_per == "dag" and sidecar):
            return
        way = (
            "or use KlingGenerateOperator with a destination, whose saved files are the memory then"
            if pay_once_per == "dag"
            else "or pay_once_per='dag' with KlingGenerateOperator and a destination"
        )
        raise KlingRequestError(
            f"pay_once_per={pay_once_per!r} needs a host that refuses duplicates, and {self.hook.connection.host} does "
            f"not for {self.request.model}: nothing was sent. Take pay_once_per='run', {way}."
        )
