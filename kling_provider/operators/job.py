# SPDX-License-Identifier: Apache-2.0
"""One task instance's paid job: carries out what :class:`~kling_provider.submission.Submission` decides.

Imported by the operators when they run, never at DAG-parse time: it needs ``requests``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from kling_provider import metrics
from kling_provider.api.account import units_left
from kling_provider.api.catalog import estimate, spec_of
from kling_provider.api.hosts import Lock, is_loopback
from kling_provider.api.tasks import KlingTask
from kling_provider.arguments import read_arguments, request_mapping
from kling_provider.exceptions import (
    KlingBalanceError,
    KlingBudgetError,
    KlingError,
    KlingRequestError,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.hooks.operations import IN_FLIGHT
from kling_provider.hooks.transport import PreparedCall
from kling_provider.identity import SCOPES, Identity, PayOncePer
from kling_provider.operators.earlier import run_free_step
from kling_provider.storage import image_addresses, resolve_images, shown_inputs, shown_request
from kling_provider.submission import (
    Outcome,
    Permit,
    Prepare,
    Send,
    Sent,
    Step,
    Store,
    Submission,
    Submitted,
    drive,
)
from kling_provider.submission.memory import PaidMemory
from kling_provider.submission.records import instance_record
from kling_provider.submission.sent import Place, SentRequest, another_result_advice
from kling_provider.submission.steps import Record
from kling_provider.submission.words import now
from kling_provider.task_log import log_call

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
    :param record: what an earlier try of this task instance left.
    :param max_units: the most that this one video may cost at list price.
    :param plan_only: stop before the paid call (:class:`Planned` is raised), store nothing.
    :param place: where the result is saved, if this task saves it.
    :param hook: of that connection, where many share one.
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
        record: Record | None = None,
        max_units: float | Decimal | None = None,
        plan_only: bool = False,
        place: Place | None = None,
        hook: KlingHook | None = None,
    ) -> None:
        ti, dag_run = context["ti"], context["dag_run"]
        self.hook = hook or KlingHook(kling_conn_id)
        connection = self.hook.connection
        data = read_arguments("The request", {"request": request_mapping()}, {"request": data})["request"]
        self.request = self.hook.validate_request(data)
        # What goes over the wire, with images as addresses or base64; and what stands for each image.
        self.wire, self.images = resolve_images(self.request, api=connection.api)
        self._data = data
        self.lock = connection.profile.lock(self.request)
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
        self._pay_once_per = pay_once_per
        self._check_scope()
        self.price = estimate(self.request)
        self._place = place
        self._max_units = None if max_units is None else Decimal(str(max_units))
        self._plan_only = plan_only
        self._resubmit = on_ambiguous == "resubmit"
        self._first_try = ti.try_number <= 1
        self._max_tries = ti.max_tries
        # Beyond a run, and under the user's own id, others than this task instance may have paid.
        sent = self._facts
        self._memory = (
            PaidMemory(context, sent.memory_key, account_wide=sent.is_account_wide)
            if sent.is_shared
            else None
        )
        self._own_record = record
        self._records = instance_record(context)
        # The first try of an instance that a cleared run has got: its video may have been paid at another map index.
        # To a memory by identity nobody is new.
        cleared = ti.map_index >= 0 and (dag_run.clear_number or 0) > 0
        self._newcomer = self._first_try and cleared and self._memory is None
        self._look_first = not self._first_try or pay_once_per != "run" or self._newcomer
        self._tags = {"dag_id": ti.dag_id, "model": self.request.model}
        self._sent = False
        self._told_lock = False
        self._claim: Callable[[], str] | None = None
        self._resumed = False
        #: The task that :meth:`submit` made or found.
        self.kling_task_id: str | None = None
        self._shared: Record | None = None
        self._kept: str | None = None

    @property
    def name(self) -> str:
        """The request in a few words, for messages."""
        return self._facts.label

    @property
    def remembered_files(self) -> tuple[str, ...]:
        """Where an earlier run saved the result; known once :meth:`submit` has looked."""
        return tuple((self._shared or {}).get("files") or ())

    @property
    def sent(self) -> SentRequest:
        """The facts that travel with the wait."""
        return replace(self._facts, place=self._place)

    @cached_property
    def _facts(self) -> SentRequest:
        request, summary = self.request, self.request.summary
        shown = shown_request(self._data, self.images)
        return SentRequest(
            identity=self.identity.key,
            kling_conn_id=self.hook.kling_conn_id,
            pay_once_per=self._pay_once_per,
            type=request.type,
            model=request.model,
            name=request.name,
            prompt=summary.prompt,
            take=request.take,
            duration=summary.duration,
            resolution=summary.resolution,
            aspect_ratio=summary.aspect_ratio,
            audio=summary.sound,
            shown={key: value for key, value in shown.items() if key != "callback_url"},
            input_urls=tuple(image_addresses(request).values()),
            own_external_task_id=self.identity.own,
            adopt=(request.adopt or "").strip() or None,
            locked=self.lock is Lock.LOCKED,
        )

    def place_at(self, stem: str) -> None:
        """Note which file name was claimed for the result."""
        if self._place is not None:
            self._place = replace(self._place, stem=stem)

    def submit(self, *, resume: str | None = None, claim: Callable[[], str] | None = None) -> Outcome:
        """Have the video made, or find that it is.

        :param resume: the external id of this try, after a wait for a slot.
        :param claim: claims the place of the result just before money is spent, and returns its file name.
        """
        profile = self.hook.connection.profile
        if self.lock is not Lock.LOCKED and not self._told_lock:
            self._told_lock = True
            log.info(
                "Profile %s: no lock against paying twice for %s (%s).",
                profile.name,
                self.request.model,
                self.hook.connection.profile_reason,
            )
        record = self._load_record()
        self._claim, self._resumed = claim, resume is not None
        submission = Submission(
            identity=self.identity,
            lock=self.lock,
            finds=profile.finds,
            at_kling=profile.is_kling,
            batch=profile.task_reads,
            look_first=self._look_first,
            record=record,
            adopt=self._facts.adopt,
            resubmit=self._resubmit,
            newcomer=self._newcomer,
            resume=resume,
            cleared=self._cleared_since(record),
            what=self.name,
            prompt=self.request.summary.prompt or "",
            host=self.hook.connection.host,
        )
        try:
            outcome = drive(submission.steps(), self._do)
        except KlingBalanceError as error:
            raise error.with_context(suffix=self._units_left()) from error.__cause__
        if isinstance(outcome, Submitted):
            self.kling_task_id = outcome.task.kling_task_id
            self._keep(outcome, record)
            if outcome.adopted:
                self._tell_adopted(outcome.task)
            if not self._plan_only:
                self._count(outcome)
        return outcome

    def _keep(self, outcome: Submitted, record: Record | None) -> None:
        """Note what this row of retries has to finish, also where another run or an earlier row of tries made it."""
        if self._plan_only or self._kept == outcome.task.kling_task_id:
            return
        before: Record = (
            record if record and record.get("kling_task_id") == outcome.task.kling_task_id else {}
        )
        self._store_own(
            {
                "at": now(),
                **before,
                "identity": self.identity.key,
                "external_task_id": outcome.external_task_id,
                "attempt": outcome.attempt,
                "state": "created",
                "kling_task_id": outcome.task.kling_task_id,
                "prompt": (self.request.summary.prompt or "")[:200],
                "host": self.hook.connection.host,
            },
            needed=False,
        )

    def _load_record(self) -> Record | None:
        """What is known of this request: by this task instance, else by the memory that all runs share."""
        own = self._if_it_counts(self._own_record)
        shared = self._shared = self._if_it_counts(self._memory.load() if self._memory is not None else None)
        if own is None or own.get("identity") != self.identity.key:
            if not self._cleared_since(own) and own is not None and own.get("state") == "open":
                return own  # a call with an unknown end, of this very row of retries: without a lock it stops
            self._tell_left_behind(own)
            # Beside a memory by identity, a record of another request says nothing.
            return shared or (None if self._memory is not None else own)
        paid = shared is not None and shared.get("state") in ("open", "created")
        return shared if paid and own.get("state") not in ("open", "created") else own

    def _if_it_counts(self, record: Record | None) -> Record | None:
        """Leave out what a sandbox on this machine made, once the connection is to a host elsewhere: it was not paid."""
        there, here = (record or {}).get("host"), self.hook.connection.host
        if there is not None and there != here and self.identity.own is not None:
            return None  # the user's own external id names a task of one account, and another host has another one
        if there is None or not is_loopback(there) or is_loopback(here):
            return record
        log.info("What the sandbox at %s made for %s does not count at %s.", there, self.name, here)
        return None

    def _cleared_since(self, record: Record | None) -> bool:
        return record is not None and record.get("max_tries", self._max_tries) != self._max_tries

    def _tell_left_behind(self, own: Record | None) -> None:
        if own is None or own.get("state") not in ("open", "created"):
            return
        task = (
            f"Kling task {own['kling_task_id']}"
            if own.get("kling_task_id")
            else "a paid call with an unknown end"
        )
        log.warning(
            "The request of this task has changed since %s, which was sent at %s for %s (external id %s). It is left behind: "
            "Kling goes on with it and bills it when it succeeds. To save it, give its id to KlingDownloadOperator, or put it into "
            "a request as adopt.",
            task,
            own.get("at", "an unknown time"),
            (own.get("prompt") or "another prompt")[:80],
            own.get("external_task_id") or "none",
        )

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
            case Permit(external_task_id, attempt):
                return self._permit(external_task_id, attempt)
            case Prepare(external_task_id):
                return self.hook.prepare_create(self.wire, external_task_id=external_task_id)
            case Send(external_task_id, prepared):
                return self._send(external_task_id, prepared)
            case Store(record):
                return None if self._plan_only else self._store(record)
        return run_free_step(self.hook, self.request.type, step)

    def _store(self, record: Record) -> None:
        needed = self.lock is not Lock.LOCKED
        if self._memory is not None:
            same = self._shared is not None and self._shared.get("kling_task_id") == record.get(
                "kling_task_id"
            )
            files = (self._shared or {}).get("files") if same else None
            self._memory.store({**record, "files": files} if files else record, needed=needed)
        self._store_own(record, needed=needed)

    def _store_own(self, record: Record, *, needed: bool) -> None:
        if record["state"] in ("open", "created"):
            record = {**record, "sent": self.sent.to_json(), "max_tries": self._max_tries}
        self._records.store(record, needed=needed)
        self._kept = record.get("kling_task_id")

    def _permit(self, external_task_id: str | None, attempt: int) -> bool:
        if self._max_units is not None and (self.price.units is None or self.price.units > self._max_units):
            raise KlingBudgetError(
                f"Not sent: {self.name} costs {self.price.as_text()}, and max_units is {self._max_units}. Nothing is "
                "billed. Make it shorter or smaller, raise max_units, or leave it out for a model without a price."
            )
        if self._is_at_limit():
            return False
        if self._claim is not None:
            self.place_at(self._claim())
        if self._plan_only:
            raise Planned(external_task_id, attempt)
        return True

    def _is_at_limit(self) -> bool:
        """Whether as many tasks are in flight as the connection states: then the queue is the place to wait, without
        a paid call that Kling would refuse. Who comes from the queue was called because there is room."""
        connection = self.hook.connection
        limit, product_type = connection.max_concurrency, spec_of(self.request).concurrency
        if (
            limit is None
            or product_type is None
            or self._resumed
            or self._plan_only
            or not connection.profile.task_reads
        ):
            return False
        try:
            running = self.hook.list_tasks(statuses=IN_FLIGHT, product_types=(product_type,), max_pages=1)
        except KlingError as error:
            log.info("What is in flight cannot be read now, so the request is sent: %s", error)
            return False
        # Kling counts per model and its list names none: tasks of other models make it queue too early, and the
        # queue finds that out with one try.
        return len(running) >= limit

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
        request = shown_inputs(self.request, self.images)
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

    def _send(self, external_task_id: str | None, prepared: PreparedCall) -> Sent:
        log_call(log.info, self._call(external_task_id), "Request")
        self._sent = True
        log.info(
            "Sending %s to %s (external id %s): %s",
            self.name,
            self.hook.connection.host,
            external_task_id or "none",
            self.price.as_text(),
        )
        answer, task = self.hook.create(prepared)
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
            "Kling task %s%s adopted, %s; it is %s. For another video of this prompt %s.",
            task.kling_task_id,
            made,
            paid,
            task.word,
            another_result_advice(self.sent),
        )

    def _check_scope(self) -> None:
        if self._pay_once_per not in SCOPES:
            raise KlingRequestError(
                f"pay_once_per is one of {', '.join(SCOPES)}; found {self._pay_once_per!r}."
            )
        if self._pay_once_per == "content" and self.lock is not Lock.LOCKED:
            raise KlingRequestError(
                f"pay_once_per='content' needs a host that refuses duplicates, and {self.hook.connection.host} does "
                f"not for {self.request.model}: nothing was sent. Take pay_once_per='run' or 'dag'."
            )
