# SPDX-License-Identifier: Apache-2.0
"""Make the calls that a request needs first, and keep what they gave: a session lives for 24 hours and is paid once."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from kling_provider.api.catalog import spec_of
from kling_provider.api.codes import TaskState
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.tasks import KlingTask, Output
from kling_provider.exceptions import KlingConcurrencyError, KlingError, KlingRequestError
from kling_provider.execution.at_once import count_most_calls
from kling_provider.hooks.kling import KlingHook
from kling_provider.identity import Identity
from kling_provider.submission import (
    Permit,
    Prepare,
    Send,
    Sent,
    Step,
    StoreRecord,
    Submitted,
    Wait,
    drive_steps,
)
from kling_provider.submission.answers import keep_answer, read_kept_answer
from kling_provider.submission.at_once import AtOnceSubmission, count_ambiguous_calls
from kling_provider.submission.records import get_preparation_record
from kling_provider.submission.steps import SubmissionRecord

if TYPE_CHECKING:
    from kling_provider.api.pricing import Price
    from kling_provider.api.request_types.preparation import Preparation
    from kling_provider.execution.plan import RequestPlan

log = logging.getLogger(__name__)

#: A session that ends sooner than this is not used: the call that needs it must still arrive.
_MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class PreparatoryCall:
    """One call before the paid call.

    :param request: as it is sent, but for the session where that is not opened yet.
    """

    request: KlingRequest
    price: Price


def plan_preparation(hook: KlingHook, wire: KlingRequest) -> tuple[PreparatoryCall, ...]:
    """Return the calls that ``wire`` needs first, in their order; none for most requests.

    :param wire: the request as it will be sent, with its inputs as URLs or base64.
    """
    preparation = spec_of(wire).find_preparation(wire)
    if preparation is None:
        return ()
    requests = [hook.validate_request(one) for one in preparation.list_calls(wire)]
    return tuple(PreparatoryCall(request=one, price=hook.connection.price_request(one)) for one in requests)


class Preparer:
    """Makes the calls that the request of one plan needs first, for one task instance.

    Each is a submission of its own, with the rules of a request that Kling answers at once: its answer is kept before
    anything else can fail, and a later try uses the session again while it lives.

    :param on_ambiguous: what the user wrote; ``None`` where nothing is written.
    """

    def __init__(
        self, plan: RequestPlan, hook: KlingHook, context: Mapping[str, Any], *, on_ambiguous: str | None
    ) -> None:
        self._plan = plan
        self._hook = hook
        self._ti = context["ti"]
        self._on_ambiguous = on_ambiguous
        self._store = get_preparation_record(context)
        self._records: dict[str, SubmissionRecord] = {}

    def prepare_request(self, wire: KlingRequest) -> KlingRequest:
        """Return the request as it is sent: with the session that it needs, opened now or by an earlier try.

        :param wire: the request with its inputs as URLs or base64.
        :raises KlingRequestError: where a choice is missing or wrong; the message lists what there is.
        :raises KlingError: where a call fails; the paid call itself was not sent.
        """
        preparation = spec_of(wire).find_preparation(wire)
        if preparation is None:
            return wire
        try:
            opening = self._hook.validate_request(preparation.build_opening(wire))
            self._records = self._load_living(self._identify(opening).key)
            session = self._call(opening).outputs[0]
            followers = self._list_followers(preparation, wire, session)
            if self._holds_other_steps(session, followers):
                self._leave_session(session)
                session = self._call(opening).outputs[0]
                followers = self._list_followers(preparation, wire, session)
            for follower in followers:
                self._call(follower, session=session)
            return preparation.complete_request(wire, session)
        except InvalidRequest as invalid:
            raise KlingRequestError(
                f"The request is wrong, {self._plan.label} was not sent: {invalid}", problems=invalid.problems
            ) from None
        except KlingError as error:
            raise error.with_context(
                prefix=f"The paid call for {self._plan.label} was not sent, because a call that it needs first failed: "
            ) from error.__cause__

    def _list_followers(
        self, preparation: Preparation, wire: KlingRequest, session: Output
    ) -> list[KlingRequest]:
        steps = preparation.list_followers(wire, str(session.id))
        return [self._hook.validate_request(one) for one in steps]

    def _holds_other_steps(self, session: Output, followers: Sequence[KlingRequest]) -> bool:
        """Tell whether more was done in a session than this request asks for: the paid call would be about that too."""
        asked = {self._identify(one).key for one in followers}
        return any(
            one.get("session") == session.id and key not in asked for key, one in self._records.items()
        )

    def _leave_session(self, session: Output) -> None:
        """Forget a session with all that was done in it."""
        log.info(
            "In the session that an earlier try opened for %s other things are marked: another one is opened.",
            self._plan.label,
        )
        self._records = {
            key: one
            for key, one in self._records.items()
            if one.get("state") == "open" and one.get("session") != session.id
        }

    def _load_living(self, opening: str) -> dict[str, SubmissionRecord]:
        """Read what earlier calls left; nothing of a session that has ended, or that is of another video.

        :param opening: the key of the call that opens the session.
        """
        kept = cast("dict[str, Any]", self._store.load() or {}).get("calls")
        records = dict(kept) if isinstance(kept, Mapping) else {}
        ends = [
            task.expires_at
            for one in records.values()
            if (task := read_kept_answer(one.get("answer"))) is not None and task.expires_at is not None
        ]
        has_ended = bool(ends) and min(ends) <= datetime.now(UTC) + _MARGIN
        if has_ended:
            log.info(
                "The session that an earlier try opened for %s has ended: another one is opened.",
                self._plan.label,
            )
        if has_ended or opening not in records:
            return {key: one for key, one in records.items() if one.get("state") == "open"}
        return records

    def _call(self, request: KlingRequest, *, session: Output | None = None) -> KlingTask:
        """Make one call, or return what an earlier try got for it.

        :param session: the one that it is a step of: of its answer is kept that it was made, and no details.
        """
        identity = self._identify(request)
        record = self._records.get(identity.key)
        submission = AtOnceSubmission(
            identity=identity,
            most_calls=count_most_calls(request, self._on_ambiguous),
            resubmit=self._on_ambiguous == "resubmit",
            record=record,
            what=f"the {request.type} of {self._plan.label}",
            host=self._hook.connection.host,
        )
        do = partial(self._carry_out_step, request, identity.key, session)
        outcome = drive_steps(submission.plan_steps(), do)
        if not isinstance(outcome, Submitted):
            earlier = count_ambiguous_calls(self._records.get(identity.key))
            raise KlingConcurrencyError(
                f"{self._hook.connection.host} accepts no {request.type} for now, and this call made nothing. The retry sends it "
                f"again. {f'Calls before it, whose outcome is unknown, may be billed: {earlier}.' if earlier else 'Nothing is billed.'}",
                task_state=TaskState.MAY_EXIST if earlier else TaskState.NONE,
            )
        if outcome.adopted:
            log.info("%s of an earlier try is used again, nothing paid.", request.type)
        return outcome.task

    def _identify(self, request: KlingRequest) -> Identity:
        names = {name for name, _ in request.iter_inputs()}
        return Identity.of_request(
            request,
            pay_once_per="run",
            # A session lives in the account that it was opened in.
            namespace=f"{self._hook.connection.namespace}|{self._hook.kling_conn_id}|{self._hook.connection.host}",
            dag_id=self._ti.dag_id,
            task_id=self._ti.task_id,
            run_id=self._ti.run_id,
            map_index=self._ti.map_index,
            # What stands for the inputs of the request: a link that was signed anew is the same video.
            images={name: one.identity for name, one in self._plan.inputs.items() if name in names},
        )

    def _carry_out_step(self, request: KlingRequest, key: str, session: Output | None, step: Step) -> Any:
        match step:
            case Permit():
                return True
            case Prepare():
                return self._hook.prepare_create(request, external_task_id=None)
            case StoreRecord(record):
                return self._keep(key, record if session is None else _shorten_step(record, session))
            case Wait(seconds):
                return time.sleep(seconds)
            case Send(_, prepared):
                price = self._hook.connection.price_request(request).as_text()
                log.info("%s first: %s, for %s", self._plan.label, request.type, price)
                answer, task = self._hook.create(prepared)
                log.info("Kling answered: %s (code %s).", answer.message or "nothing readable", answer.code)
                return Sent(answer, task)
        raise TypeError(f"{step!r} must be a step of a request that is answered at once")

    def _keep(self, key: str, record: SubmissionRecord) -> None:
        self._records = {**self._records, key: record}
        try:
            self._store.store(cast("SubmissionRecord", {"calls": self._records}), needed=True)
        except Exception as error:
            if record["state"] == "open":
                raise
            log.warning(
                "What a call before %s gave could not be stored; a retry makes it again: %s",
                self._plan.label,
                error,
            )


def _shorten_step(record: SubmissionRecord, session: Output) -> SubmissionRecord:
    """Return the record of a step with its session, and without what the step found."""
    record = {**record, "session": str(session.id)}
    task = read_kept_answer(record.get("answer"))
    if task is None:
        return record
    outputs = tuple(replace(one, details=None) for one in task.outputs)
    return {**record, "answer": keep_answer(replace(task, outputs=outputs))}
