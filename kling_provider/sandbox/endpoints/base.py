# SPDX-License-Identifier: Apache-2.0
"""What all endpoints have in common: one request at one path, authenticated, answered and noted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, build_error_response
from kling_provider.sandbox.state.accounts import SandboxAccount
from kling_provider.sandbox.state.faults import Attributes, Rule
from kling_provider.sandbox.state.request_log import RequestNote
from kling_provider.sandbox.state.tasks import Dialect, Task, to_milliseconds

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App
    from kling_provider.sandbox.endpoints.gateways.base import Gateway


class Endpoint:
    """One request at one endpoint.

    :param route: the path with ``{id}`` in the place of ids, under which the request is counted.
    """

    operation: ClassVar[str] = "other"
    accepts_tokens: ClassVar[bool] = False
    """Signed tokens (AK/SK) are good here, beside API keys."""

    def __init__(self, app: App, request: Request, route: str) -> None:
        self.app = app
        self.request = request
        self.note = RequestNote(operation=self.operation, route=route)
        self.rule: Rule | None = None
        """The fault that changes this answer, for reads and lists."""

    def get_gateway(self) -> Gateway:
        """Return the gateway that the sandbox is.

        :raises RuntimeError: it is Kling itself, which has no such endpoint.
        """
        if self.app.gateway is None:
            raise RuntimeError("the sandbox is no gateway")
        return self.app.gateway

    def list_subjects(self) -> Sequence[Attributes]:
        """List what a fault rule can match on: one set of attributes for each task that is meant."""
        return []

    def run_operation(self) -> Response:
        """Do what the request asks for."""
        raise NotImplementedError

    def build_refusal(self, error: ApiError) -> Response:
        """Build the answer to what Kling, or a gateway, refuses."""
        if self.app.gateway is None:
            return build_error_response(error)
        return self.app.gateway.build_error(error, read=self.operation == "read", model=self.note.model)

    def remove_ids(self, payload: dict[str, Any]) -> None:
        """Take the id of the task out of the answer to a create."""
        for part in (payload, payload.get("data", payload)):
            for key in ("id", "task_id"):
                part.pop(key, None)

    def put_code(self, payload: dict[str, Any], code: object) -> None:
        """Put another code into an answer."""
        payload["code"] = code

    def authenticate_caller(self) -> SandboxAccount:
        """Return the caller's account."""
        account = self.app.authenticator.find_account(
            self.request.get_header("Authorization"),
            accepts_tokens=self.accepts_tokens,
            now=self.app.get_wire_time(),
        )
        self.note.account = account.name
        return account

    def sign_url(self, task: Task, name: str) -> str:
        """Return the signed URL of a task's file."""
        expires = None
        if self.rule is not None and self.rule.name == "expired_link" and self._is_ruled(task):
            expires = math.floor(self.app.backend.clock() + float(self.rule["seconds"]))
        return self.app.sign_url(task, name, base=self.app.get_base_url(self.request), expires=expires)

    def can_echo_external_id(self, task: Task) -> bool:
        """Tell whether answers about the task carry its external id."""
        gateway = self.app.gateway
        if gateway is not None and not gateway.echoes_ids:
            return False
        now = self.app.backend.clock()
        return self.app.faults.find_standing("external_id_not_echoed", task.list_attributes(), now) is None

    def get_forced_status(self, task: Task) -> str | None:
        """Return the word that a fault puts in the place of the task's state."""
        if self.rule is not None and self.rule.name == "unknown_status" and self._is_ruled(task):
            return str(self.rule["status"])
        return None

    def _is_ruled(self, task: Task) -> bool:
        assert self.rule is not None
        return self.rule.is_matching(task.list_attributes())

    def describe_tasks(self, tasks: Sequence[Task], now: float, dialect: Dialect) -> list[dict[str, Any]]:
        """Return tasks as a design describes them, with what a fault makes of it."""
        described = []
        for task in tasks:
            if not task.is_live(now):
                self.app.request_log.record_end(task.id, to_milliseconds(now))
            data = self.app.get_product(task).describe_task(
                task,
                dialect,
                now,
                self.sign_url,
                echo=self.can_echo_external_id(task),
                status=self.get_forced_status(task),
            )
            if self.rule is not None and self.rule.name == "outputs" and self._is_ruled(task):
                _replace_outputs(data, self.rule["outputs"])
            described.append(data)
        return described


Build = Callable[..., Endpoint]
Route = tuple[str, str, Build]
"""Method, path with ``{parameters}``, and what makes the endpoint of app, request, route and parameters."""


def _replace_outputs(data: dict[str, Any], wanted: Sequence[Any]) -> None:
    """Give a finished task other outputs, in the shape of either design; ``real`` stands for its first one."""
    is_legacy = "task_result" in data
    real = next(iter(data["task_result"].values()), []) if is_legacy else data["outputs"]
    if not real:
        return  # it has not succeeded
    first = real[0]
    outputs = [
        first if one == "real" else {**one, "url": first["url"]} if one.get("url") == "real" else dict(one)
        for one in wanted
    ]
    if not is_legacy:
        data["outputs"] = outputs
        return
    result: dict[str, list[Any]] = {}
    for one in outputs:
        result.setdefault(f"{one.get('type', 'video')}s", []).append(
            {key: value for key, value in one.items() if key != "type"}
        )
    data["task_result"] = result
