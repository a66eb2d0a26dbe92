# SPDX-License-Identifier: Apache-2.0
"""DMXAPI: the native route of 2025, and ``POST /v1/responses`` of 2026, which both makes and reads tasks.

``dmxapi``: both routes, native bodies and ids as they are. ``dmxapi-responses``: that one route and nothing else.
``dmxapi-2025``: the native route as its pages of May 2025 recorded it: old ids, no ``task_info``, and only the models of
then, which Kling retired in September 2026.

There is no list and no look-up by external id. The key may come with or without the word Bearer: the pages have it
without, clients send it with.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.endpoints.base import Endpoint, Route
from kling_provider.sandbox.endpoints.create import Create
from kling_provider.sandbox.endpoints.gateways import dmxapi_answers as answers
from kling_provider.sandbox.endpoints.gateways.base import Gateway, build_openai_error
from kling_provider.sandbox.endpoints.gateways.dmxapi_forms import FORMS, RouteForm, check_fields, find_form
from kling_provider.sandbox.endpoints.gateways.ids import OLD, UUID
from kling_provider.sandbox.http.errors import ApiError, InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Request, Response, build_error_response
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import CreateRequest, Task

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

_OLD_MODELS = ("kling-v1", "kling-v1-5", "kling-v1-6")
_BAILIAN_LIFE = 86_400.0
"""Seconds for which an id of Bailian's is good."""
V26, V3, BAILIAN = FORMS


class Dmxapi(Gateway):
    """Both routes."""

    takes_bare_keys = True

    def list_root_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the responses route, which stands beside the prefix."""
        yield "POST", "/v1/responses", open_responses


class DmxapiResponses(Dmxapi):
    """The route of 2026 alone."""

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the responses route below whatever prefix was given."""
        yield from super().list_root_routes(products)

    def list_root_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List nothing else."""
        return iter(())


class Dmxapi2025(Gateway):
    """The native route as it was recorded."""

    takes_bare_keys = True
    id_form = OLD

    def prepare_body(self, body: object) -> object:
        """Refuse models of later.

        :raises InvalidParameter: no channel has the model.
        """
        if isinstance(body, dict) and body.get("model_name", "kling-v1") not in _OLD_MODELS:
            raise InvalidParameter("model is not supported")
        return body

    def build_created(self, task: Task, native: Response) -> Response:
        """Give it the old form: one id for task and request, no ``task_info``."""
        data = {name: value for name, value in native.payload["data"].items() if name != "task_info"}
        public = self.get_public_id(task)
        payload = {**native.payload, "request_id": public, "data": {**data, "task_id": public}}
        return Response(payload=payload)

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Give it the old form: no price, and no result before there is one."""
        later = ("task_info", "final_unit_deduction", "watermark_info")
        data = {name: value for name, value in native.payload["data"].items() if name not in later}
        if not data["task_result"]:
            del data["task_result"]
        if not data["task_status_msg"] and "task_result" not in data:
            del data["task_status_msg"]
        for output_id, video in zip(
            task.output_ids, data.get("task_result", {}).get("videos", []), strict=False
        ):
            if video.get("id") == output_id:
                video["id"] = UUID.encode(output_id)
        public = self.get_public_id(task)
        payload = {**native.payload, "request_id": public, "data": {**data, "task_id": public}}
        return Response(payload=payload)

    def prepare_callback(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        """Put the old id into it."""
        return {**body, "task_id": self.get_public_id(task)}

    def build_error(self, error: ApiError, *, read: bool, model: str | None = None) -> Response:
        """Build an error: no channel for a model (503), else Kling's own."""
        if not read and error.message == "model is not supported":
            message = f"No available channel for model {model} under group default"
            return build_openai_error(503, message, "model_not_found")
        return build_error_response(error)


def open_responses(app: App, request: Request, route: str) -> Endpoint:
    """Return what handles a request to ``/v1/responses``: its model says whether it makes a task or reads one."""
    body = load_body(request)
    form = find_form(body.get("model"))
    if form is not None and body["model"] in form.readers:
        return ResponsesRead(app, request, route, form=form, body=body)
    return ResponsesCreate(app, request, route, form=form, body=body)


class ResponsesCreate(Create):
    """A create of any form."""

    def __init__(
        self, app: App, request: Request, route: str, *, form: RouteForm | None, body: dict[str, Any]
    ) -> None:
        super().__init__(app, request, route)
        self.form, self.body = form, body

    def read_create(self) -> CreateRequest:
        """Check the body."""
        Fields(self.request.parse_json())
        if not self.body.get("model"):
            raise InvalidParameter("model is required")
        if self.form is None:
            raise InvalidParameter("model is not supported")
        return self.form.read_create(self.app.products, self.body["model"], self.body)

    def read_attributes(self) -> tuple[Any, Any, Any]:
        """Return model and prompt of a body that may be anything; there is no external id."""
        given = self.body.get("input")
        return None, self.body.get("model"), given.get("prompt") if isinstance(given, dict) else given

    def build_response(self, task: Task) -> Response:
        """Return the response about the task that was made, with its price as tokens."""
        assert self.form is not None
        product = self.app.get_product(task)
        usage = answers.build_usage(product.compute_price(task.request), self.form.tokens)
        if self.form.ids is None:
            data = product.describe_create(task, "legacy", self.sign_url, echo=False)
            data = {
                "task_id": data.pop("task_id"),
                "task_status": data.pop("task_status"),
                "task_status_msg": "",
                **data,
            }
            head = {"code": 0, "message": "SUCCEED", "request_id": str(uuid.uuid4())}
            return Response(payload={**head, "data": data, "usage": usage})
        public = self.form.ids.encode(task.id)
        if self.form is V3:
            return Response(payload=answers.build_output(public, {"taskId": public}, usage))
        said = {"task_id": public, "task_status": "PENDING"}
        return Response(payload=answers.build_output(str(uuid.uuid4()), said, usage))

    def build_refusal(self, error: ApiError) -> Response:
        """Build the route's own refusal."""
        return answers.build_refusal(error, self.note.model)

    def remove_ids(self, payload: dict[str, Any]) -> None:
        """Take the id out of the answer: out of the text, too, and of the request's."""
        if self.form is None or self.form.ids is None:
            super().remove_ids(payload)
            return
        _change_text(payload, lambda said: {k: v for k, v in said.items() if k not in ("taskId", "task_id")})
        if self.form is V3:
            payload["request_id"] = str(uuid.uuid4())

    def put_code(self, payload: dict[str, Any], code: object) -> None:
        """Put another code where there is one."""
        if "code" in payload:
            payload["code"] = code


class ResponsesRead(Endpoint):
    """A read of any form."""

    operation = "read"

    def __init__(
        self, app: App, request: Request, route: str, *, form: RouteForm, body: dict[str, Any]
    ) -> None:
        super().__init__(app, request, route)
        self.form, self.body = form, body
        self.asked = given if isinstance(given := body.get("input"), str) else ""
        self.value = self.asked if form.ids is None else form.ids.decode(self.asked) or ""

    def list_subjects(self) -> Sequence[Attributes]:
        """Return the attributes of the task, then the asked id."""
        task = self.app.backend.get_task(self.value)
        return [*([] if task is None else [task.list_attributes()]), {"task_id": self.asked}]

    def run_operation(self) -> Response:
        """Return the task in the words of its form.

        :raises ApiError: the body is not that of the form's page, or there is no such task (1201).
        """
        account, model = self.authenticate_caller(), self.body["model"]
        is_stream = self.form.ids is None
        check_fields(Fields(self.body), ("model", "input", *(("stream",) if is_stream else ())), model)
        if not self.asked:
            raise InvalidParameter("input must be the id of a task")
        if is_stream and self.body.get("stream") is not True:
            raise InvalidParameter("stream must be true")
        task = self._find_task(self.app.backend.find_by_ids(account, [self.value]))
        if task is None:
            if self.form is not BAILIAN or not _is_uuid(self.asked):
                raise InvalidParameter(f"Task not found by id/external id: {self.asked}")
            return self._build_output({"task_id": self.asked, "task_status": "UNKNOWN"})
        now = self.app.backend.clock()
        (data,) = self.describe_tasks([task], now, "legacy")
        return self._build_answer(task, data, now)

    def _find_task(self, tasks: Sequence[Task]) -> Task | None:
        """Return the task, where this reader's models made it and its id still lives."""
        product, now = self.form.readers[self.body["model"]], self.app.backend.clock()
        for task in tasks:
            old = self.form is BAILIAN and now - task.created > _BAILIAN_LIFE
            if task.request.route == self.form.route and product in (None, task.request.product) and not old:
                return task
        return None

    def _build_answer(self, task: Task, data: dict[str, Any], now: float) -> Response:
        if self.form.ids is None:
            text = answers.describe_for_people(data)
            return self._build_failure(task, text, now) or answers.build_stream(text)
        public, request_id = self.form.ids.encode(task.id), str(uuid.uuid4())
        if self.form is V3:
            said = answers.describe_v3(task, data, public, request_id)
        else:
            said = answers.describe_bailian(data, public)
        failure = self._build_failure(task, answers.write_json(said), now)
        return failure or self._build_output(said, request_id)

    def _build_failure(self, task: Task, text: str, now: float) -> Response | None:
        """Build what the fault ``failed_with_400`` makes of a failed task."""
        rule = self.app.faults.find_standing("failed_with_400", task.list_attributes(), now)
        if rule is None or task.get_state(now) != "failed":
            return None
        self.note.fault = rule.name
        return answers.build_failed_error(text, status=int(rule["status"]))

    def _build_output(self, said: dict[str, Any], request_id: str = "") -> Response:
        usage = answers.build_usage(answers.NOTHING, self.form.tokens)
        return Response(payload=answers.build_output(request_id or str(uuid.uuid4()), said, usage))

    def build_refusal(self, error: ApiError) -> Response:
        """Build the route's own refusal."""
        return answers.build_refusal(error, self.body["model"])

    def put_code(self, payload: dict[str, Any], code: object) -> None:
        """Put another code into Kling's envelope, where the answer has one."""
        _change_text(payload, lambda said: {**said, "code": code} if "code" in said else said)


def load_body(request: Request) -> dict[str, Any]:
    """Return the body where it is an object, else an empty one."""
    try:
        value = json.loads(request.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_uuid(text: str) -> bool:
    """Tell whether a text has the form of Bailian's ids."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _change_text(payload: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what the text of an answer says; an error has none."""
    for message in payload.get("output", ()):
        for content in message["content"]:
            content["text"] = answers.write_json(change(json.loads(content["text"])))
