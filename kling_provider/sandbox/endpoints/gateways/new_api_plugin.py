# SPDX-License-Identifier: Apache-2.0
"""new-api's plugin for Kling, since August 2026: Kling's envelope with the gateway's public id in it.

The whole body goes on to Kling, so external ids and callbacks reach the reseller's account, where an id can be used once.
It has routes of the new standard, too (1.2.0), with the model in the body and flat names folded in:
``POST /kling/text-to-video``, ``POST /kling/image-to-video``, ``GET /kling/tasks/{public id}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.endpoints.base import Endpoint, Route
from kling_provider.sandbox.endpoints.create import StandardCreate
from kling_provider.sandbox.endpoints.gateways.new_api import NewApi
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.messages import Request, Response
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.models import TEXT
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import CreateRequest, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_provider.sandbox.app import App
    from kling_provider.sandbox.http.errors import ApiError

MODELS = ("kling-3.0", "kling-3.0-turbo")
_LEGACY_DEFAULTS = {"mode": "std", "duration": "5", "aspect_ratio": "1:1", "cfg_scale": 0.5}
"""Put under every legacy body; Kling's own default ratio is 16:9."""
_DEFAULTS = {"duration": 5, "resolution": "720p", "audio": "off"}
"""Sent where they are left out; ``multi_shot`` is not, so Kling's own default counts."""
_SETTINGS = ("duration", "resolution", "audio", "multi_shot", "aspect_ratio")
_OPTIONS = ("callback_url", "external_task_id", "watermark_info")
_FRAMES = {"image": "first_frame", "image_tail": "last_frame"}
_SECONDS = range(3, 16)


class NewApiPlugin(NewApi):
    """Kling's envelope with the public id."""

    drops_ids = False
    locks_ids = True
    gives_up = False

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the legacy routes and those of the new standard."""
        products = list(products)
        yield from super().list_routes(products)
        yield "GET", "/tasks/{id}", PluginRead
        for product in products:
            if self.is_selling(product) and (path := product.standard_path) is not None:
                yield "POST", path.removesuffix("/{model}"), partial(PluginCreate, product=product)

    def prepare_body(self, body: object) -> object:
        """Put the body over its defaults; ``model`` is as good as ``model_name``.

        :raises InvalidParameter: it names no model.
        """
        if not isinstance(body, dict):
            return body
        name = body.get("model_name") or body.get("model")
        if not name:
            raise InvalidParameter("model_name is required")
        return {**_LEGACY_DEFAULTS, **body, "model_name": name}

    def build_created(self, task: Task, native: Response) -> Response:
        """Put the public id into Kling's answer."""
        native.payload["data"]["task_id"] = self.get_public_id(task)
        return native

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Put the public id into Kling's answer; before the first look there is hardly anything else."""
        data = native.payload["data"]
        data["task_id"] = self.get_public_id(task)
        if self.find_last_look(task, now) == task.created:
            known = ("task_id", "task_status", "task_status_msg")
            return Response(payload={"code": 0, "data": {name: data[name] for name in known}})
        return native

    def build_passed_error(self, error: ApiError) -> Response:
        """Build an error that Kling or the plugin said."""
        return Response(status=error.http_status, payload={"code": error.code, "message": error.message})


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
        check_settings(self.model, body)
        return self.product.read_request("standard", body, model=self.model)

    def build_response(self, task: Task) -> Response:
        """Return the public id of the task that was made."""
        data = {"id": self.get_gateway().get_public_id(task), "status": "submitted"}
        return Response(payload={"code": 0, "message": "ok", "data": data})


class PluginRead(Endpoint):
    """One task, in an array."""

    operation = "read"

    def __init__(self, app: App, request: Request, route: str, *, id: str) -> None:
        super().__init__(app, request, route)
        self.asked = id
        self.value = self.get_gateway().get_kling_id(id)

    def list_subjects(self) -> Sequence[Attributes]:
        """Return the attributes of the task, then the asked id."""
        task = self.app.backend.get_task(self.value)
        return [*([] if task is None else [task.list_attributes()]), {"task_id": self.asked}]

    def run_operation(self) -> Response:
        """Return the task as the gateway saw it at its last look.

        :raises ApiError: there is no such task (1201).
        """
        backend, gateway = self.app.backend, self.get_gateway()
        tasks = backend.find_by_ids(self.authenticate_caller(), [self.value])
        if not tasks:
            raise InvalidParameter(f"Task not found by id/external id: {self.asked}")
        seen = gateway.find_last_look(tasks[0], backend.clock())
        (kling,) = self.describe_tasks(tasks, seen, "standard")
        answer = {
            "id": gateway.get_public_id(tasks[0]),
            "status": kling["status"],
            **({"message": kling["message"]} if kling["message"] else {}),
            "outputs": kling["outputs"],
        }
        return Response(payload={"code": 0, "data": [answer]})


def _fold_body(product: str, model: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body that goes on to Kling: flat names in their places, defaults where nothing was said."""
    flat = {name: body[name] for name in _SETTINGS if body.get(name) is not None}
    own = dict(_DEFAULTS)
    if model == "kling-3.0-turbo":
        del own["audio"]
    settings = {**own, **flat, **(body.get("settings") or {})}
    options = {**{name: body[name] for name in _OPTIONS if body.get(name)}, **(body.get("options") or {})}
    if product != TEXT:
        settings.pop("aspect_ratio", None)
    contents = list(body.get("contents") or [])
    if product != TEXT and not contents:
        if body.get("prompt"):
            contents.append({"type": "prompt", "text": body["prompt"]})
        contents += [{"type": kind, "url": body[name]} for name, kind in _FRAMES.items() if body.get(name)]
    passed = {name: value for name, value in body.items() if name not in (*_SETTINGS, *_OPTIONS, *_FRAMES)}
    return {**passed, "settings": settings, "options": options, "contents": contents}


def check_settings(model: str, body: dict[str, Any]) -> None:
    """Check what the plugin checks by itself.

    :param body: the folded one.
    :raises InvalidParameter: no whole number of 3 to 15 seconds, or what turbo has not.
    """
    settings = body["settings"]
    duration = settings["duration"]
    if not isinstance(duration, int) or isinstance(duration, bool) or duration not in _SECONDS:
        raise InvalidParameter("duration must be an integer between 3 and 15")
    if model != "kling-3.0-turbo":
        return
    refused = [name for name in ("audio", "multi_shot") if name in settings]
    refused += ["4k"] if settings["resolution"] == "4k" else []
    refused += [
        "last_frame"
        for entry in body["contents"]
        if isinstance(entry, dict) and entry.get("type") == "last_frame"
    ]
    if refused:
        raise InvalidParameter(f"{refused[0]} is not supported by model {model}")
