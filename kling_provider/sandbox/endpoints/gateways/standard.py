# SPDX-License-Identifier: Apache-2.0
"""Resellers of the new standard's creates, whose reads are not Kling's.

``aimanyi``: reads by path, ``GET {create path}/{id}`` and, for every kind, ``GET /v1/{action}/{action2}/{id}``; one
object in the place of the array, whose word for success is the legacy ``succeed``. A create of text-to-video takes a
prompt in ``contents``, too. The legacy creates are there as well.
``cloudsway``: ``POST /v1/ai/{endpointPath}/kling/videos/text-to-video/kling-3.0-turbo`` (here ``sandbox`` is the customer's
part of the path). Its read is not known: chosen is Kling's own, by ids.
``tokenhub``: Tencent's, with the model in the body, an object on create and an array on read, the further state
``queued``, and the price as ``tokenhub_usage``. An id that nobody knows reads as an empty array, which is chosen.

None is known to lock external ids or to look them up: here none does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.endpoints.base import Endpoint, Route
from kling_provider.sandbox.endpoints.create import StandardCreate
from kling_provider.sandbox.endpoints.gateways.base import Gateway
from kling_provider.sandbox.endpoints.tasks import TasksRead
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Request, Response, build_success
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.products.models import IMAGE, OMNI, TEXT
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import CreateRequest, Task

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

_TOKENHUB_MODELS = {
    "kling-video-v3": "kling-3.0",
    "kling-video-v3-turbo": "kling-3.0-turbo",
    "kling-video-v3-omni": "kling-3.0-omni",
    "kling-video-o1": "kling-o1",
    "kling-video-v2.6": "kling-2.6",
    "kling-video-v2.5-turbo": "kling-2.5-turbo",
}
_TOKENS_PER_UNIT = 100_000


class Aimanyi(Gateway):
    """Creates of both designs, reads by path."""

    also_sells = (OMNI,)

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the creates of both designs, and the reads below them."""
        for product in filter(self.is_selling, products):
            for method, path, build in super().list_routes([product]):
                if method == "POST":
                    yield method, path, build
            if (path := product.standard_path or "") != "":
                yield "POST", path, partial(FoldedCreate, product=product)
                yield "GET", path + "/{id}", PathRead
        yield "GET", "/v1/{action}/{action2}/{id}", PathRead


class Cloudsway(Gateway):
    """One create."""

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the create of one model, and a read."""
        for product in products:
            if product.name == TEXT:
                build = partial(StandardCreate, product=product, model="kling-3.0-turbo")
                yield "POST", "/text-to-video/kling-3.0-turbo", build
        yield "GET", "/tasks", PlainTasksRead


class TokenHub(Gateway):
    """Tencent's paths and words."""

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the three creates, and the read by path."""
        for product in products:
            if product.name in (TEXT, IMAGE, OMNI):
                yield "POST", f"/{product.name}", partial(TokenHubCreate, product=product)
        yield "GET", "/tasks/{id}", TokenHubRead


class FoldedCreate(StandardCreate):
    """A create that takes the prompt of a text-to-video in ``contents``, too."""

    def read_create(self) -> CreateRequest:
        """Check the body."""
        body = fold_prompt(self.product.name, self.request.parse_json())
        return self.product.read_request("standard", body, model=self.model)


class PathRead(Endpoint):
    """One task by a path that its create did not need to have."""

    operation = "read"

    def __init__(
        self,
        app: App,
        request: Request,
        route: str,
        *,
        id: str,
        model: str = "",
        action: str = "",
        action2: str = "",
    ) -> None:
        super().__init__(app, request, route)
        self.value = id

    def list_subjects(self) -> Sequence[Attributes]:
        """Return the attributes of the task, then the asked id."""
        task = self.app.backend.get_task(self.value)
        return [*([] if task is None else [task.list_attributes()]), {"task_id": self.value}]

    def find_tasks(self) -> Sequence[Task]:
        """Return the task of this id, where the caller has it."""
        return self.app.backend.find_by_ids(self.authenticate_caller(), [self.value])

    def run_operation(self) -> Response:
        """Return the task as the design describes it that made it.

        :raises ApiError: there is no such task (1201).
        """
        tasks = self.find_tasks()
        if not tasks:
            raise InvalidParameter(f"Task not found by id/external id: {self.value}")
        (data,) = self.describe_tasks(tasks, self.app.backend.clock(), tasks[0].request.dialect)
        if data.get("status") == "succeeded":
            data["status"] = "succeed"
        return build_success(data)


class PlainTasksRead(TasksRead):
    """``GET /tasks`` of Kling's ids alone."""

    def _list_ids(self, name: str) -> list[str]:
        return super()._list_ids(name) if name == "task_ids" else []


class TokenHubCreate(StandardCreate):
    """A create whose body names its model, in Tencent's spelling."""

    def __init__(self, app: App, request: Request, route: str, *, product: Product) -> None:
        super().__init__(app, request, route, product=product)
        self.model = str(self.load_body().get("model") or "")

    def read_create(self) -> CreateRequest:
        """Check the body.

        :raises ApiError: no model of TokenHub's, what turbo has not, or what Kling refuses.
        """
        fields = Fields(self.request.parse_json())
        if not self.model:
            raise InvalidParameter("model is required")
        version = _TOKENHUB_MODELS.get(self.model)
        if version is None:
            raise InvalidParameter("model is not supported")
        if version == "kling-3.0-turbo":
            for name in ("audio", "multi_shot"):
                if name in fields.read_object("settings").raw:
                    raise InvalidParameter(f"settings.{name} is not supported by model {self.model}")
        body = fold_prompt(self.product.name, fields.raw)
        return self.product.read_request("standard", body, model=version)


class TokenHubRead(PathRead):
    """One task, in an array, with its price."""

    def run_operation(self) -> Response:
        """Return the task, or an empty array."""
        tasks, now = self.find_tasks(), self.app.backend.clock()
        answer = build_success([_pick_fields(task) for task in self.describe_tasks(tasks, now, "standard")])
        if tasks and tasks[0].get_state(now) == "succeeded":
            tokens = int(tasks[0].price * Decimal(_TOKENS_PER_UNIT))
            answer.payload["tokenhub_usage"] = {"total_tokens": tokens}
        return answer


def _pick_fields(task: dict[str, Any]) -> dict[str, Any]:
    """Return what TokenHub tells of a task; one that waits is ``queued``."""
    state = {"submitted": "queued"}.get(task["status"], task["status"])
    return {"id": task["id"], "status": state, "message": task["message"], "outputs": task["outputs"]}


def fold_prompt(product: str, body: Any) -> Any:
    """Return the body with the prompt of a text-to-video where Kling has it."""
    if product != TEXT or not isinstance(body, dict) or body.get("prompt"):
        return body
    contents = body.get("contents")
    for entry in contents if isinstance(contents, list) else []:
        if isinstance(entry, dict) and entry.get("type") == "prompt":
            return {**body, "prompt": entry.get("text")}
    return body
