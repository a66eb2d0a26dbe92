# SPDX-License-Identifier: Apache-2.0
"""The new standard's routes of new-api's plugin for Kling (1.2.0): the model in the body, flat names folded in.

``POST /kling/text-to-video``, ``POST /kling/image-to-video``, ``GET /kling/tasks/{public id}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.endpoints import gateway
from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.endpoints.create import StandardCreate
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.messages import Request, Response
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.models import TEXT
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import CreateRequest, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_provider.sandbox.app import App

MODELS = ("kling-3.0", "kling-3.0-turbo")
_DEFAULTS = {"duration": 5, "resolution": "720p", "audio": "off"}
"""Sent where they are left out; ``multi_shot`` is not, so Kling's own default counts."""
_SETTINGS = ("duration", "resolution", "audio", "multi_shot", "aspect_ratio")
_OPTIONS = ("callback_url", "external_task_id", "watermark_info")
_FRAMES = {"image": "first_frame", "image_tail": "last_frame"}


class PluginCreate(StandardCreate):
    """A create whose body names its model."""

    def __init__(self, app: App, request: Request, route: str, *, product: Product) -> None:
        super().__init__(app, request, route, product=product)
        body = self.load_body()
        self.model = str(body.get("model") or body.get("model_name") or "")

    def read_create(self) -> CreateRequest:
        """Check the model and the folded body.

        :raises ApiError: the plugin or Kling refuses it (1201).
        """
        if self.model not in MODELS:
            raise InvalidParameter(
                f"model {self.model} is not supported on this route; supported: {', '.join(MODELS)}"
            )
        body = _fold_body(self.product.name, self.model, self.load_body())
        return self.product.read_request("standard", body, model=self.model)

    def build_response(self, task: Task) -> Response:
        """Return the public id of the task that was made."""
        data = {"id": gateway.get_public_id(self.app.options, task), "status": "submitted"}
        return Response(payload={"code": 0, "message": "ok", "data": data})


class PluginRead(Endpoint):
    """One task, in an array."""

    operation = "read"

    def __init__(self, app: App, request: Request, route: str, *, id: str) -> None:
        super().__init__(app, request, route)
        self.value = gateway.get_kling_id(app.options, id)

    def list_subjects(self) -> Sequence[Attributes]:
        """Return the attributes of the task, or the asked id where there is none."""
        task = self.app.backend.get_task(self.value)
        return [{"task_id": self.value} if task is None else task.list_attributes()]

    def run_operation(self) -> Response:
        """Return the task as the gateway saw it at its last look.

        :raises ApiError: there is no such task (1201).
        """
        backend = self.app.backend
        tasks = backend.find_by_ids(self.authenticate_caller(), [self.value])
        if not tasks:
            raise InvalidParameter(f"Task not found by id/external id: {self.value}")
        seen = gateway.find_last_look(self.app.options, tasks[0], backend.clock())
        (answer,) = self.describe_tasks(tasks, seen, "standard")
        answer["id"] = gateway.get_public_id(self.app.options, tasks[0])
        return Response(payload={"code": 0, "data": [answer]})


def _fold_body(product: str, model: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body that goes on to Kling: flat names in their places, defaults where nothing was said."""
    flat = {name: body[name] for name in _SETTINGS if body.get(name) is not None}
    settings = {**_DEFAULTS, **flat, **(body.get("settings") or {})}
    options = {**{name: body[name] for name in _OPTIONS if body.get(name)}, **(body.get("options") or {})}
    if product != TEXT:
        settings.pop("aspect_ratio", None)
    if model == "kling-3.0-turbo":
        settings.pop("audio", None)
    contents = list(body.get("contents") or [])
    if product != TEXT and not contents:
        if body.get("prompt"):
            contents.append({"type": "prompt", "text": body["prompt"]})
        contents += [{"type": kind, "url": body[name]} for name, kind in _FRAMES.items() if body.get(name)]
    passed = {name: value for name, value in body.items() if name not in (*_SETTINGS, *_OPTIONS, *_FRAMES)}
    return {**passed, "settings": settings, "options": options, "contents": contents}
