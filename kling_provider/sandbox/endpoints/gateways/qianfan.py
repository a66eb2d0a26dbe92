# SPDX-License-Identifier: Apache-2.0
"""Baidu Qianfan: a wrapper of its own round Kling's bodies, and the legacy envelope whatever the model.

Bodies are ``{model, type, model_parameters}``: ``K3.0`` and ``K3O`` with legacy parameters, ``k3.0-turbo`` with those of
the new standard. The units are in ``usage.credits``: beside the data for turbo, inside it for the others. **A turbo task
that succeeded has an empty status**; message and result tell it.

Known from clients' tests alone. Its paths are not known: chosen are ``POST`` and ``GET /v1/kling/videos``. Motion control,
faces and lip-sync, which it sells too, are not in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox.endpoints.base import Route
from kling_provider.sandbox.endpoints.create import Create
from kling_provider.sandbox.endpoints.gateways.base import Gateway
from kling_provider.sandbox.endpoints.gateways.standard import PathRead, fold_prompt
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Response, build_success
from kling_provider.sandbox.products import Product
from kling_provider.sandbox.products.models import IMAGE, OMNI, TEXT

if TYPE_CHECKING:
    from kling_provider.sandbox.state.tasks import CreateRequest, Task

_TURBO = "k3.0-turbo"
_PRODUCTS = {
    ("K3.0", "text2video"): TEXT,
    ("K3.0", "img2video"): IMAGE,
    ("K3O", "omni-video"): OMNI,
    (_TURBO, "text2video"): TEXT,
    (_TURBO, "img2video"): IMAGE,
}
LEGACY_NAMES = {"K3.0": "kling-v3", "K3O": "kling-v3-omni"}
_KNOWN = ("model", "type", "model_parameters")


class Qianfan(Gateway):
    """One path for all."""

    def list_routes(self, products: Iterable[Product]) -> Iterator[Route]:
        """List the create and the read."""
        yield "POST", "/videos", QianfanCreate
        yield "GET", "/videos/{id}", QianfanRead


class QianfanCreate(Create):
    """A create of any model."""

    def read_create(self) -> CreateRequest:
        """Check the body and what it wraps.

        :raises ApiError: no model or type of Qianfan's, or what Kling refuses.
        """
        fields = Fields(self.request.parse_json())
        for key in fields.raw:
            if key not in _KNOWN:
                raise InvalidParameter(f"{key} must be one of {', '.join(_KNOWN)}")
        model, kind = fields.read_text("model") or "", fields.read_text("type") or ""
        if (model, kind) not in _PRODUCTS:
            raise InvalidParameter(f"type {kind or 'none'} is not supported by model {model or 'none'}")
        product = self.app.products[_PRODUCTS[model, kind]]
        parameters = fields.read_object("model_parameters")
        if model == _TURBO:
            return product.read_request(
                "standard", fold_prompt(product.name, parameters.raw), model="kling-3.0-turbo"
            )
        parameters.read_choice("mode", ("std", "pro"), "std")
        body = {**parameters.raw, "model_name": LEGACY_NAMES[model]}
        return product.read_request("legacy", body)

    def read_attributes(self) -> tuple[Any, Any, Any]:
        """Return external id, model and prompt of a body that may be anything."""
        body = self.load_body()
        given = body.get("model_parameters")
        parameters = given if isinstance(given, dict) else {}
        return parameters.get("external_task_id"), body.get("model"), parameters.get("prompt")

    def build_response(self, task: Task) -> Response:
        """Return the legacy answer, whatever the design of the parameters."""
        product = self.app.get_product(task)
        return build_success(product.describe_create(task, "legacy", self.sign_url, echo=False))


class QianfanRead(PathRead):
    """One task in the legacy envelope."""

    def run_operation(self) -> Response:
        """Return the task with its price as credits.

        :raises ApiError: there is no such task (1201).
        """
        tasks, now = self.find_tasks(), self.app.backend.clock()
        if not tasks:
            raise InvalidParameter(f"Task not found by id/external id: {self.value}")
        (data,) = self.describe_tasks(tasks, now, "legacy")
        data.pop("final_unit_deduction", None)
        answer, task = build_success(data), tasks[0]
        if task.get_state(now) != "succeeded":
            return answer
        usage = {"credits": float(task.price)}
        for video in data["task_result"].get("videos", []):
            video.pop("id", None)
        if task.request.dialect == "standard":
            data["task_status"] = self.get_forced_status(task) or ""
            answer.payload["usage"] = usage
        else:
            data["usage"] = usage
        return answer
