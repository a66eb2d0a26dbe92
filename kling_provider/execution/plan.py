# SPDX-License-Identifier: Apache-2.0
"""Plan what one task instance will send: check the request, read its inputs, compute its identity and its price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from kling_provider.api.catalog import spec_of
from kling_provider.api.dialects import find_dialect
from kling_provider.api.hosts import Lock
from kling_provider.api.pricing import Price, add_prices
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.tasks import KlingTask
from kling_provider.arguments import accept_request, read_arguments
from kling_provider.exceptions import KlingRequestError
from kling_provider.execution.at_once import is_answered_at_once
from kling_provider.execution.choosing import ChosenInput
from kling_provider.execution.input_tasks import is_same_account, read_input_task
from kling_provider.execution.merging import check_lengths, merge_inputs
from kling_provider.execution.preparation import PreparatoryCall, plan_preparation
from kling_provider.hooks.callback_settings import fill_callback_url
from kling_provider.hooks.connection import KlingConnection
from kling_provider.hooks.kling import KlingHook
from kling_provider.identity import SCOPES, Identity, PayOncePer
from kling_provider.storage.inputs import (
    LoadedInput,
    list_input_addresses,
    load_inputs,
    shown_inputs,
    shown_request,
)
from kling_provider.submission.sent import OutputPlace, SentRequest


@dataclass(frozen=True, kw_only=True)
class RequestPlan:
    """A request that may be sent. Nothing here reads or writes; :func:`plan_request` makes it.

    :param request: as it was checked.
    :param wire: the same with its inputs as addresses or base64: what is sent, once
        :func:`~kling_provider.execution.sending.prepare_wire` has added links and results.
    :param inputs: its inputs as they were loaded, by dotted field.
    :param data: what was checked, which may hold signed links.
    :param shown: the request as its author wrote it, with its inputs, fit to be shown.
    :param input_urls: where the inputs are, without what grants access.
    :param chosen: its inputs that are results of other tasks, by dotted field.
    :param seconds: how long its inputs are, by field, as far as that is known.
    :param lock: whether this host refuses a second task for it.
    :param place: where the result is saved, if this task saves it.
    :param mapped: the task instance is one of several of a mapped task.
    """

    request: KlingRequest = field(repr=False)
    wire: KlingRequest = field(repr=False)
    inputs: Mapping[str, LoadedInput] = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)
    shown: Mapping[str, Any] = field(repr=False)
    identity: Identity
    price: Price
    lock: Lock
    pay_once_per: PayOncePer
    kling_conn_id: str
    chosen: Mapping[str, ChosenInput] = field(default_factory=dict, repr=False)
    seconds: Mapping[str, float] = field(default_factory=dict)
    input_urls: tuple[str, ...] = ()
    place: OutputPlace | None = None
    mapped: bool = False
    #: The calls that a worker makes first; their prices are in ``price``.
    preparation: tuple[PreparatoryCall, ...] = ()

    @property
    def label(self) -> str:
        """Return the request in a few words, for messages."""
        return self.sent.label

    @cached_property
    def sent(self) -> SentRequest:
        """Return the facts that travel with the wait."""
        request, summary = self.request, self.request.summary
        return SentRequest(
            identity=self.identity.key,
            kling_conn_id=self.kling_conn_id,
            pay_once_per=self.pay_once_per,
            type=request.type,
            model=request.model,
            name=request.name,
            prompt=summary.prompt,
            take=request.take,
            duration=summary.duration,
            resolution=summary.resolution,
            aspect_ratio=summary.aspect_ratio,
            audio=summary.sound,
            shown={key: value for key, value in self.shown.items() if key != "callback_url"},
            input_urls=self.input_urls,
            place=self.place,
            own_external_task_id=self.identity.own,
            adopt=(request.adopt or "").strip() or None,
            locked=self.lock is Lock.LOCKED,
            mapped=self.mapped,
        )

    def with_stem(self, stem: str) -> RequestPlan:
        """Return the plan with the file name that was claimed for its result."""
        return self if self.place is None else replace(self, place=replace(self.place, stem=stem))

    def show_call(self, connection: KlingConnection, external_task_id: str | None) -> dict[str, Any]:
        """Return the paid call as it may be shown: method, URL and body, inputs by path and sha256."""
        preparation = spec_of(self.request).find_preparation(self.request)
        request = self.request if preparation is None else preparation.show_request(self.request)
        return self._show_call(connection, fill_callback_url(request, connection), external_task_id)

    def show_preparation(self, connection: KlingConnection) -> list[dict[str, Any]]:
        """Return the calls that a worker makes first, as :meth:`show_call` shows the paid call, each with its price."""
        return [
            {**self._show_call(connection, one.request, None), "price": one.price.as_json()}
            for one in self.preparation
        ]

    def _show_call(
        self, connection: KlingConnection, request: KlingRequest, external_task_id: str | None
    ) -> dict[str, Any]:
        dialect = connection.find_dialect(request)
        names = {name for name, _ in request.iter_inputs()}
        shown = {name: one.shown for name, one in self.inputs.items() if name in names}
        call = dialect.create(shown_inputs(request, shown), external_task_id)
        return {"method": call.method, "url": connection.base_url + call.path, "json": call.json}

    def describe(
        self, connection: KlingConnection, external_task_id: str | None, attempt: int, *, most_calls: int = 1
    ) -> dict[str, Any]:
        """Return what ``plan_only`` gives where the request would be sent (JSON): the exact calls, and their price.

        :param most_calls: how often it may be sent while its outcome is unknown.
        """
        first = f", after {len(self.preparation)} other {'call' if len(self.preparation) == 1 else 'calls'}"
        again = f", up to {most_calls} times while it is unknown whether it was made"
        return {
            "plan_only": True,
            "summary": f"it would be sent for {self.price.as_text()}{first if self.preparation else ''}"
            f"{again if most_calls > 1 else ''}",
            "kling_task_id": None,
            "external_task_id": external_task_id,
            "attempt": attempt,
            "price": self.price.as_json(),
            "http": self.show_call(connection, external_task_id),
            # Only where there are any: most requests need none.
            **({"preparation": self.show_preparation(connection)} if self.preparation else {}),
        }


def describe_existing(task: KlingTask) -> dict[str, Any]:
    """Return what ``plan_only`` gives where the task exists already: nothing would be paid."""
    return {
        "plan_only": True,
        "summary": f"Kling task {task.kling_task_id} exists and would be adopted, nothing paid",
        "kling_task_id": task.kling_task_id,
        "external_task_id": task.external_task_id,
        "attempt": None,
        "price": None,
        "http": None,
    }


def plan_request(
    hook: KlingHook,
    data: Mapping[str, Any],
    context: Mapping[str, Any],
    *,
    pay_once_per: PayOncePer,
    inputs: Mapping[str, Any] | None = None,
    place: OutputPlace | None = None,
) -> RequestPlan:
    """Check a request and read its inputs, for the task instance of ``context``.

    :param data: the request as the user wrote it.
    :param inputs: results of other tasks, by the field that takes them.
    :param place: where the result is saved, if the task saves it.
    :raises KlingRequestError: for a wrong request, or a scope that this host cannot hold; nothing was sent.
    """
    ti, connection = context["ti"], hook.connection
    data = read_arguments("The request", {"request": accept_request()}, {"request": data})["request"]
    merged = merge_inputs(
        data,
        inputs,
        find_design=lambda spec: find_dialect(connection.dialect, spec).design,
        read_task=partial(read_input_task, hook),
        is_our_account=partial(is_same_account, hook),
    )
    request = hook.validate_request(merged.data)
    _check_answered_at_once(request)
    design = connection.find_dialect(request).design
    results = merged.describe_results()
    own = {name for name, _ in request.iter_inputs() if name not in results}
    loaded = load_inputs(request, api=design, fields=own)
    inputs_of = {**loaded, **results}
    seconds = merged.add_seconds(
        {name: one.seconds for name, one in loaded.items() if one.seconds is not None}
    )
    check_lengths(request, merged, seconds, design)
    wire = request.with_inputs({name: one.wire for name, one in loaded.items()})
    lock = connection.profile.find_lock(request)
    identity = Identity.of_request(
        merged.as_identified(request),
        pay_once_per=pay_once_per,
        namespace=connection.namespace,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        images=merged.choose_stand_ins({name: one.identity for name, one in inputs_of.items()}),
    )
    if pay_once_per not in SCOPES:
        raise KlingRequestError(
            f"pay_once_per must be one of {', '.join(map(repr, SCOPES))}; found {pay_once_per!r}. Nothing was sent."
        )
    if pay_once_per == "account" and lock is not Lock.LOCKED:
        raise KlingRequestError(
            f"pay_once_per must be 'run' or 'dag' for {request.model or request.type} at {connection.host}, which does not "
            "refuse a second task for the same request; found 'account'. Nothing was sent."
        )
    preparation = plan_preparation(hook, wire)
    return RequestPlan(
        request=request,
        wire=wire,
        inputs=inputs_of,
        data=merged.data,
        shown=shown_request(merged.written, {name: one.shown for name, one in inputs_of.items()}),
        input_urls=merged.list_addresses(list_input_addresses(request)),
        identity=identity,
        chosen=merged.chosen,
        price=add_prices([connection.price_request(request, seconds), *(one.price for one in preparation)]),
        seconds=seconds,
        lock=lock,
        pay_once_per=pay_once_per,
        kling_conn_id=hook.kling_conn_id,
        place=place,
        mapped=ti.map_index >= 0,
        preparation=preparation,
    )


def _check_answered_at_once(request: KlingRequest) -> None:
    if request.adopt and is_answered_at_once(request.type):
        raise KlingRequestError(
            f"adopt must be left out for {request.type}: Kling answers it at once, and cannot be asked for the result later. "
            "Nothing was sent."
        )
