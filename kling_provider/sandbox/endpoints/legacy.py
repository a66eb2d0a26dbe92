# SPDX-License-Identifier: Apache-2.0
"""The legacy design's reads and lists, which are bound to the path that made a task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.messages import Request, Response, build_success
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.state.accounts import SandboxAccount
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import Task

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App


class LegacyRead(Endpoint):
    """``GET {create path}/{id}``; the id may be a task's or an external one."""

    operation = "read"
    accepts_tokens = True

    def __init__(self, app: App, request: Request, route: str, *, product: Product, id: str) -> None:
        super().__init__(app, request, route)
        self.product = product
        self.asked = id
        self.value = id if app.gateway is None else app.gateway.get_kling_id(id)

    def list_subjects(self) -> Sequence[Attributes]:
        """List the attributes of the tasks that the id may mean, then the id itself as both kinds of id."""
        backend = self.app.backend
        task = backend.get_task(self.value)
        known = [task.list_attributes()] if task else []
        for account in backend.accounts:
            known += [task.list_attributes() for task in backend.find_by_external_ids(account, [self.asked])]
        return [*known, {"task_id": self.asked}, {"external_task_id": self.asked}]

    def run_operation(self) -> Response:
        """Return the task of this id or external id.

        :raises ApiError: this path has made no such task (1201).
        """
        account, app, gateway = self.authenticate_caller(), self.app, self.app.gateway
        by_external = self.product.read_by_external_id and (gateway is None or gateway.finds_external_ids)
        task = app.backend.find_by_legacy_path(
            account, self.product.name, self.value, external_id=self.asked if by_external else None
        )
        now = app.backend.clock()
        if gateway is None:
            return build_success(self.describe_tasks([task], now, "legacy")[0])
        seen = gateway.find_last_look(task, now)
        native = build_success(self.describe_tasks([task], seen, "legacy")[0])
        return gateway.build_read(task, native, now, self.get_forced_status(task))


class LegacyList(Endpoint):
    """``GET {create path}?pageNum=&pageSize=``: tasks that this path made, newest first."""

    operation = "list"
    accepts_tokens = True

    def __init__(self, app: App, request: Request, route: str, *, product: Product) -> None:
        super().__init__(app, request, route)
        self.product = product

    def run_operation(self) -> Response:
        """Return one page of this path's tasks.

        :raises ApiError: ``pageNum`` or ``pageSize`` is out of range (1201).
        """
        account = self.authenticate_caller()
        number = self._read_page_number("pageNum", 1, 1000)
        size = self._read_page_number("pageSize", 30, self.product.page_limit)
        page = self.list_tasks(account)[(number - 1) * size : number * size]
        described = self.describe_tasks(page, self.app.backend.clock(), "legacy")
        native = build_success([self.product.trim_listed(data) for data in described])
        return native if self.app.gateway is None else self.app.gateway.build_list(page, native)

    def list_tasks(self, account: SandboxAccount) -> Sequence[Task]:
        """Return what there is to list, in its order."""
        return [
            task
            for task in self.app.backend.list_tasks(account)
            if task.request.dialect == "legacy" and task.request.product == self.product.name
        ]

    def _read_page_number(self, name: str, default: int, most: int) -> int:
        text = self.request.parse_query().get(name)
        if text is None:
            return default
        if not (re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= most):
            raise InvalidParameter(f"{name} must be between 1 and {most}")
        return int(text)
