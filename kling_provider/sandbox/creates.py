# SPDX-License-Identifier: Apache-2.0
"""The work behind the creates: the only endpoints that cost money."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kling_provider.sandbox import gateway, legacy, standard
from kling_provider.sandbox.errors import Refusal
from kling_provider.sandbox.faults import Facets
from kling_provider.sandbox.tasks import Order, Task
from kling_provider.sandbox.wire import Answer, Request, success
from kling_provider.sandbox.work import Work
from kling_provider.sandbox.world import Fate

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App


class Create(Work):
    """Makes a task, or refuses to."""

    operation = "create"

    def order(self) -> Order:
        raise NotImplementedError

    def shape(self, task: Task, now: float) -> Answer:
        raise NotImplementedError

    def peek(self) -> tuple[Any, Any, Any]:
        """External id, model and prompt of a body that may be anything."""
        raise NotImplementedError

    def body(self) -> dict[str, Any]:
        try:
            value = json.loads(self.request.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def subjects(self) -> Sequence[Facets]:
        external_id, model, prompt = (value if isinstance(value, str) else None for value in self.peek())
        self.note.external_task_id, self.note.model, self.note.prompt = external_id, model, prompt
        facets = {"external_task_id": external_id, "model": model, "prompt": prompt}
        try:  # a good body knows more: the version behind a legacy name
            return [{**facets, **self.order().facets()}]
        except Refusal:
            return [facets]

    def run(self) -> Answer:
        app, now = self.app, self.app.world.clock()
        account = self.admit()
        headers = [
            (name, "***" if name.lower() == "authorization" else value)
            for name, value in self.request.headers
        ]
        order = replace(self.order(), headers=headers)
        facets = order.facets()
        if app.faults.standing("ids_ignored", facets, now):
            order = replace(order, external_id=None)
        if app.options.gateway and app.options.shape in ("new-api", "new-api-video"):
            order = replace(order, external_id=None, callback_url=None)
        locked = app.options.forwards_ids and app.faults.standing("no_lock", facets, now) is None
        task = app.world.create(account, order, fate=lambda: self._fate(facets, now), locked=locked)
        self.note.task_id = task.id
        app.courier.watch(task)
        return self.shape(task, now)

    def _fate(self, facets: Facets, now: float) -> Fate:
        fate = Fate()
        for rule in self.app.faults.of_task(facets, now):
            self.note.task_faults.append(rule.name)
            if rule.name == "task_fails":
                fate = replace(fate, message=str(rule["message"]), fails_after=float(rule["after"]))
            elif rule.name == "stuck":
                fate = replace(fate, stuck=True)
            elif rule.name == "slow_render":
                fate = replace(fate, slower=float(rule["factor"]))
            elif rule.name == "ids_forgotten":
                fate = replace(fate, forgotten_after=float(rule["seconds"]), frees_id=rule["mode"] == "free")
            elif rule.name == "gateway_gives_up":
                fate = replace(
                    fate, given_up_after=float(rule["after"]), given_up_because=str(rule["message"])
                )
        return fate


class StandardCreate(Create):
    """``POST /{product}/{model}``"""

    def __init__(self, app: App, request: Request, route: str, product: str, model: str) -> None:
        super().__init__(app, request, route)
        self.product, self.model = product, model

    def order(self) -> Order:
        return standard.read_order(self.product, self.model, self.request.json())

    def peek(self) -> tuple[Any, Any, Any]:
        body = self.body()
        options, contents = body.get("options"), body.get("contents")
        prompt = body.get("prompt")
        for entry in contents if isinstance(contents, list) else []:
            if isinstance(entry, dict) and entry.get("type") == "prompt":
                prompt = entry.get("text")
        external_id = options.get("external_task_id") if isinstance(options, dict) else None
        return external_id, self.model, prompt

    def shape(self, task: Task, now: float) -> Answer:
        return success(standard.create_answer(task, now, echo=self.echo(task)))


class LegacyCreate(Create):
    """``POST /v1/videos/text2video`` and ``image2video``"""

    legacy_auth = True

    def __init__(self, app: App, request: Request, route: str, product: str) -> None:
        super().__init__(app, request, route)
        self.product = product

    def order(self) -> Order:
        options, body = self.app.options, self.request.json()
        if options.gateway and options.shape == "new-api-plugin":  # its own defaults go on to Kling
            return legacy.read_order(self.product, body, gateway=True, aspect_ratio="1:1")
        return legacy.read_order(self.product, body, gateway=options.gateway)

    def peek(self) -> tuple[Any, Any, Any]:
        body = self.body()
        return body.get("external_task_id"), body.get("model_name"), body.get("prompt")

    def shape(self, task: Task, now: float) -> Answer:
        native = success(legacy.create_answer(task, now, echo=self.echo(task)))
        return gateway.created(self.app.options, task, native) if self.app.options.gateway else native
