# SPDX-License-Identifier: Apache-2.0
"""The new standard API: the model in the path, ``settings`` and ``options``, one ``/tasks`` for all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kling_provider.api.calls import ApiRequest
from kling_provider.api.catalog import spec_of
from kling_provider.api.models import tokenhub_name
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign

#: ``GET /tasks`` refuses more ids (observed live; 400/1201 "cannot exceed 20 in total").
MAX_IDS = 20
#: Where all tasks but those of the solutions are read and listed.
TASKS = "/tasks"
#: The longest page of ``POST /tasks``.
_MAX_PAGE = 500


class StandardDialect:
    """``POST /text-to-video/{model}`` and its like; needs an API key."""

    name = "standard"
    design: ApiDesign = "standard"

    def create(self, request: KlingRequest, external_task_id: str | None) -> ApiRequest:
        """Return the paid call, with the model in the path, and external id and callback among the ``options``."""
        spec = spec_of(request)
        body = request.to_body(self.design)
        options = {
            "external_task_id": external_task_id if spec.takes_external_id(request.model) else None,
            "callback_url": request.callback_url if spec.callbacks else None,
        }
        if given := {key: value for key, value in options.items() if value}:
            body["options"] = {**given, **body.get("options", {})}
        path = spec.paths[self.design].format(model=request.model)
        return ApiRequest("POST", path, json=body)

    def find_unsupported(self, request: KlingRequest) -> list[Problem]:
        """Return no problems: :class:`KlingRequest` itself reports fields that this design lacks."""
        return []

    def read(self, type: str, id: str) -> ApiRequest:
        """Return the call that reads one task, whatever its type."""
        return read_tasks([id])


class StandardBodyDialect(StandardDialect):
    """The standard API as some gateways offer it: the model in the body, and ``GET /tasks/{id}``."""

    name = "standard-body"

    def create(self, request: KlingRequest, external_task_id: str | None) -> ApiRequest:
        """Return the paid call, with the model as the body's first field."""
        call = super().create(request, external_task_id)
        path = spec_of(request).paths[self.design].removesuffix("/{model}")
        return ApiRequest(
            "POST",
            path,
            json={
                **({} if request.model is None else {"model": self.name_model(request.model)}),
                **(call.json or {}),
            },
        )

    def name_model(self, model: str) -> str:
        """Return what the host calls a model."""
        return model

    def read(self, type: str, id: str) -> ApiRequest:
        """Return the call that reads one task, whatever its type."""
        return ApiRequest("GET", f"/tasks/{quote(id, safe='')}")


class TokenHubDialect(StandardBodyDialect):
    """Tencent's TokenHub: the standard API with the model in the body, under a name of Tencent's."""

    name = "tokenhub"

    def name_model(self, model: str) -> str:
        """Return Tencent's name of a model; an unknown name stays."""
        return tokenhub_name(model)


def read_tasks(kling_task_ids: Sequence[str], path: str = TASKS) -> ApiRequest:
    """Return the call that reads up to :data:`MAX_IDS` tasks of both designs; the response leaves unknown ids out.

    :param path: where tasks of their type are read.
    """
    return ApiRequest("GET", path, params={"task_ids": ",".join(kling_task_ids)})


def find_tasks(external_task_ids: Sequence[str], path: str = TASKS) -> ApiRequest:
    """Return the call that finds the tasks of up to :data:`MAX_IDS` external ids; the response omits unknown ones.

    :param path: where tasks of their type are read.
    """
    return ApiRequest("GET", path, params={"external_task_ids": ",".join(external_task_ids)})


def list_tasks(
    since: datetime | None,
    until: datetime | None,
    *,
    statuses: Sequence[str] = (),
    product_types: Sequence[str] = (),
    cursor: str | None = None,
    limit: int = _MAX_PAGE,
    path: str = TASKS,
) -> ApiRequest:
    """Return the call that lists one page of the account's tasks (by default 30 days); a cursor replaces the times.

    :param path: where tasks of their type are listed; the solutions have a list of their own, without product types.
    """
    body: dict[str, Any] = {"limit": limit}
    if cursor:
        body["cursor"] = cursor
    else:
        if since:
            body["start_time"] = int(since.timestamp() * 1000)
        if until:
            body["end_time"] = int(until.timestamp() * 1000)
    filters = [("status", statuses), ("product_type", product_types)]
    if chosen := [{"key": key, "values": list(values)} for key, values in filters if values]:
        body["filters"] = chosen
    return ApiRequest("POST", path, json=body)


def account_costs(since: datetime, until: datetime) -> ApiRequest:
    """Return the call that reads the account's packs; Kling requires both times and allows one such call a second."""
    times = {
        "start_time": str(int(since.timestamp() * 1000)),
        "end_time": str(int(until.timestamp() * 1000)),
    }
    return ApiRequest("GET", "/account/costs", params=times)
