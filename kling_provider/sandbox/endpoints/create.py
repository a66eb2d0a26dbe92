# SPDX-License-Identifier: Apache-2.0
"""The creates: the only endpoints that cost money."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, build_success
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.state.backend import TaskFault
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import CreateRequest, Task

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

#: Faults of the task's callbacks, which :mod:`kling_provider.sandbox.state.callbacks` carries out.
_OF_CALLBACKS = frozenset(
    {
        "callback_late",
        "callback_twice",
        "callback_out_of_order",
        "callback_forged",
        "callback_unsigned",
        "callback_stale",
        "callback_lost",
    }
)


class Create(Endpoint):
    """Makes a task, or refuses to."""

    operation = "create"

    def read_create(self) -> CreateRequest:
        """Check the body."""
        raise NotImplementedError

    def build_response(self, task: Task) -> Response:
        """Return the response about the task that was made."""
        raise NotImplementedError

    def read_attributes(self) -> tuple[Any, Any, Any]:
        """Return external id, model and prompt of a body that may be anything."""
        raise NotImplementedError

    def load_body(self) -> dict[str, Any]:
        """Return the body where it is an object, else an empty one."""
        try:
            value = json.loads(self.request.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def list_subjects(self) -> Sequence[Attributes]:
        """Return the attributes of the create, with the model version of a good body; note them for the log."""
        external_id, model, prompt = (
            value if isinstance(value, str) else None for value in self.read_attributes()
        )
        self.note.external_task_id, self.note.model, self.note.prompt = external_id, model, prompt
        attributes = {"external_task_id": external_id, "model": model, "prompt": prompt}
        try:  # a good body knows more: the version behind a legacy name
            return [{**attributes, **self.read_create().list_attributes()}]
        except ApiError:
            return [attributes]

    def run_operation(self) -> Response:
        """Check the body, make the task and return the response about it.

        :raises ApiError: Kling refuses the create, and nothing is made.
        """
        app, now = self.app, self.app.backend.clock()
        account = self.authenticate_caller()
        headers = [
            (name, "***" if name.lower() == "authorization" else value)
            for name, value in self.request.headers
        ]
        request = replace(self.read_create(), headers=headers)
        attributes = request.list_attributes()
        if app.faults.find_standing("ids_ignored", attributes, now):
            request = replace(request, external_id=None)
        has_lock = app.gateway is None or app.gateway.locks_ids or app.gateway.drops_ids
        locked = has_lock and app.faults.find_standing("no_lock", attributes, now) is None
        with app.backend.lock:  # what the request names does not change until the task is made
            request = app.products[request.product].complete_request(request, app.open_library(account))
            task = app.backend.create_task(
                account, request, fault=lambda: self._draw_task_fault(attributes, now), locked=locked
            )
        self.note.task_id = task.id
        app.watch_task(task)
        return self.build_response(task)

    def _draw_task_fault(self, attributes: Attributes, now: float) -> TaskFault:
        fault = TaskFault()
        for rule in self.app.faults.draw_task_rules(attributes, now):
            self.note.task_faults.append(rule.name)
            if rule.name == "task_fails":
                fault = replace(fault, message=str(rule["message"]), fails_after=float(rule["after"]))
            elif rule.name == "stuck":
                fault = replace(fault, stuck=True)
            elif rule.name == "slow_render":
                fault = replace(fault, slower=float(rule["factor"]))
            elif rule.name == "ids_forgotten":
                fault = replace(
                    fault, forgotten_after=float(rule["seconds"]), frees_id=rule["mode"] == "free"
                )
            elif rule.name == "gateway_gives_up":
                fault = replace(
                    fault, given_up_after=float(rule["after"]), given_up_because=str(rule["message"])
                )
            elif rule.name in _OF_CALLBACKS:
                seconds = float(rule.parameters.get("seconds", 0))
                fault = replace(fault, callback_faults={**fault.callback_faults, rule.name: seconds})
            else:
                raise NotImplementedError(f"nothing carries out {rule.name} to a task")
        return fault


class StandardCreate(Create):
    """Create by the standard design: ``POST /{product}/{model}``."""

    def __init__(self, app: App, request: Request, route: str, *, product: Product, model: str = "") -> None:
        super().__init__(app, request, route)
        self.product = product
        self.model = model

    def read_create(self) -> CreateRequest:
        """Check the body."""
        return self.product.read_request("standard", self.request.parse_json(), model=self.model)

    def read_attributes(self) -> tuple[Any, Any, Any]:
        """Return external id, model and prompt of a body that may be anything."""
        body = self.load_body()
        options, contents = body.get("options"), body.get("contents")
        prompt = body.get("prompt")
        for entry in contents if isinstance(contents, list) else []:
            if isinstance(entry, dict) and entry.get("type") == "prompt":
                prompt = entry.get("text")
        external_id = options.get("external_task_id") if isinstance(options, dict) else None
        return external_id, self.model, prompt

    def build_response(self, task: Task) -> Response:
        """Return the response about the task that was made."""
        return build_success(
            self.product.describe_create(
                task, "standard", self.sign_url, echo=self.can_echo_external_id(task)
            )
        )


class LegacyCreate(Create):
    """Create by the legacy design: ``POST /v1/…``."""

    accepts_tokens = True

    def __init__(self, app: App, request: Request, route: str, *, product: Product) -> None:
        super().__init__(app, request, route)
        self.product = product

    def read_create(self) -> CreateRequest:
        """Check the body."""
        gateway, body = self.app.gateway, self.request.parse_json()
        if gateway is None:
            return self.product.read_request("legacy", body)
        return self.product.read_request("legacy", gateway.prepare_body(body), lenient=True)

    def read_attributes(self) -> tuple[Any, Any, Any]:
        """Return external id, model and prompt of a body that may be anything."""
        body = self.load_body()
        model = body.get("model_name") or (body.get("model") if self.app.gateway is not None else None)
        return body.get("external_task_id"), model, body.get("prompt")

    def build_response(self, task: Task) -> Response:
        """Return the response about the task that was made."""
        native = build_success(
            self.product.describe_create(task, "legacy", self.sign_url, echo=self.can_echo_external_id(task))
        )
        return native if self.app.gateway is None else self.app.gateway.build_created(task, native)
