# SPDX-License-Identifier: Apache-2.0
"""The work behind each reading endpoint: authorise, check, ask the backend, shape the answer."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.sandbox.endpoints import gateway
from kling_provider.sandbox.http.errors import invalid
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Request, Response, success
from kling_provider.sandbox.products import legacy, standard
from kling_provider.sandbox.state.accounts import Account
from kling_provider.sandbox.state.faults import Attributes, Rule
from kling_provider.sandbox.state.request_log import RequestNote
from kling_provider.sandbox.state.tasks import Task, milliseconds

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

MOST_IDS = 20
LIST_DEFAULT, LIST_MOST = 100, 500
MONTH_MS = 30 * 86_400_000


class Endpoint:
    """One request at one endpoint."""

    operation: ClassVar[str] = "other"
    legacy_auth: ClassVar[bool] = False

    def __init__(self, app: App, request: Request, route: str) -> None:
        self.app = app
        self.request = request
        self.note = RequestNote(operation=self.operation, route=route)
        self.rule: Rule | None = None
        """The fault that changes this answer, for reads and lists."""

    def subjects(self) -> Sequence[Attributes]:
        """What a fault rule can match on."""
        return []

    def run(self) -> Response:
        raise NotImplementedError

    def authenticate(self) -> Account:
        account = self.app.authenticator.authenticate(
            self.request.header("Authorization"), legacy=self.legacy_auth, now=self.app.clock_on_wire()
        )
        self.note.account = account.name
        return account

    def sign(self, task: Task, watermark: bool) -> str:
        expires = None
        if self.rule is not None and self.rule.name == "expired_link" and self._ruled(task):
            expires = math.floor(self.app.backend.clock() + float(self.rule["seconds"]))
        return self.app.signer.link(self.app.base(self.request), task, watermark=watermark, expires=expires)

    def echo(self, task: Task) -> bool:
        if not self.app.options.forwards_ids:
            return False
        now = self.app.backend.clock()
        return self.app.faults.standing("external_id_not_echoed", task.attributes(), now) is None

    def status(self, task: Task) -> str | None:
        if self.rule is not None and self.rule.name == "unknown_status" and self._ruled(task):
            return str(self.rule["status"])
        return None

    def _ruled(self, task: Task) -> bool:
        assert self.rule is not None
        return self.rule.fits(task.attributes())

    def answer_of(
        self, shape: Callable[..., dict[str, Any]], tasks: Sequence[Task], now: float
    ) -> list[dict[str, Any]]:
        answers = []
        for task in tasks:
            answer = shape(task, now, self.sign, echo=self.echo(task), status=self.status(task))
            if self.rule is not None and self.rule.name == "outputs" and self._ruled(task):
                replace_outputs(answer, self.rule["outputs"])
            answers.append(answer)
        return answers


def replace_outputs(answer: dict[str, Any], wanted: Sequence[Any]) -> None:
    """Give a finished task's answer other outputs, in the shape of either standard."""
    legacy_shape = "task_result" in answer
    real = answer["task_result"].get("videos", []) if legacy_shape else answer["outputs"]
    if not real:
        return  # it has not succeeded
    film = real[0]
    outputs = [
        film if one == "film" else {**one, "url": film["url"]} if one.get("url") == "film" else dict(one)
        for one in wanted
    ]
    if not legacy_shape:
        answer["outputs"] = outputs
        return
    result: dict[str, list[Any]] = {}
    for one in outputs:
        result.setdefault(f"{one.get('type', 'video')}s", []).append(
            {key: value for key, value in one.items() if key != "type"}
        )
    answer["task_result"] = result


class TasksRead(Endpoint):
    """``GET /tasks``: up to 20 tasks of either standard, by one kind of id."""

    operation = "read"

    def _ids(self, name: str) -> list[str]:
        return [part for part in self.request.parameters().get(name, "").split(",") if part]

    def subjects(self) -> Sequence[Attributes]:
        ids, external_ids = self._ids("task_ids"), self._ids("external_task_ids")
        backend = self.app.backend
        known = [task.attributes() for task in map(backend.task, ids) if task is not None]
        for account in backend.accounts:
            known += [task.attributes() for task in backend.by_external_ids(account, external_ids)]
        asked: list[Attributes] = [{"task_id": value} for value in ids]
        return [*known, *asked, *({"external_task_id": value} for value in external_ids)]

    def run(self) -> Response:
        account = self.authenticate()
        ids, external_ids = self._ids("task_ids"), self._ids("external_task_ids")
        if not ids and not external_ids:
            raise invalid("task_ids or external_task_ids is required")  # observed
        if len(ids) + len(external_ids) > MOST_IDS:
            raise invalid("task_ids and external_task_ids cannot exceed 20 in total")  # observed
        if ids and external_ids:
            raise invalid("only one of task_ids and external_task_ids can be set")
        backend = self.app.backend
        found = backend.by_ids(account, ids) if ids else backend.by_external_ids(account, external_ids)
        return success(self.answer_of(standard.task_answer, found, backend.clock()))


class TasksList(Endpoint):
    """``POST /tasks``: the account's tasks of a window, newest first, page by page."""

    operation = "list"

    def run(self) -> Response:
        account, fields = self.authenticate(), Fields(self.request.json())
        now = self.app.backend.clock()
        limit = fields.whole("limit")
        limit = LIST_DEFAULT if limit is None else max(1, limit)
        if limit > LIST_MOST:
            raise invalid(f"limit cannot exceed {LIST_MOST}")
        wanted = self._filters(fields)
        cursor = fields.text("cursor")
        before: int | None = None
        if cursor is not None:
            start, end, before = _opened(cursor)
        else:
            end = _moment(fields, "end_time") or milliseconds(now)
            start = _moment(fields, "start_time") or end - MONTH_MS
            if start > end:
                raise invalid("start_time must be before end_time")
        found = [
            task
            for task in self.app.backend.listed(account)
            if start <= milliseconds(task.created) <= end
            and (before is None or int(task.id) < before)
            and all(check(task, now) for check in wanted)
        ]
        page = found[:limit]
        if not page:
            return success({"count": 0, "has_more": False})  # recorded: no other keys
        return success(
            {
                "result": self.answer_of(standard.task_answer, page, now),
                "count": len(page),
                "next_cursor": _sealed(start, end, page[-1].id),
                "has_more": len(found) > limit,
            }
        )

    def _filters(self, fields: Fields) -> list[Callable[[Task, float], bool]]:
        """Values of one filter are alternatives, different filters must all fit."""
        checks: list[Callable[[Task, float], bool]] = []
        for index, entry in enumerate(fields.items("filters")):
            one = Fields(entry, f"filters[{index}]")
            values = [str(value) for value in one.items("values")]
            match one.text("key"):
                case "status":
                    checks.append(lambda task, now, values=values: task.state(now) in values)  # type: ignore[misc]
                case "product_type":
                    checks.append(lambda task, now, values=values: "video" in values)  # type: ignore[misc]
                case _:
                    raise invalid(f"{one.name('key')} must be one of status, product_type")
        return checks


class LegacyRead(Endpoint):
    """``GET /v1/videos/{kind}/{id}``; the id may be a task's or an external one."""

    operation = "read"
    legacy_auth = True

    def __init__(self, app: App, request: Request, route: str, product: str, value: str) -> None:
        super().__init__(app, request, route)
        self.product = product
        self.value = gateway.kling_id(app.options, value) if app.options.gateway else value

    def subjects(self) -> Sequence[Attributes]:
        backend = self.app.backend
        task = backend.task(self.value)
        known = [task.attributes()] if task else []
        for account in backend.accounts:
            known += [task.attributes() for task in backend.by_external_ids(account, [self.value])]
        return [*known, {"task_id": self.value}, {"external_task_id": self.value}]

    def run(self) -> Response:
        account, app = self.authenticate(), self.app
        task = app.backend.by_legacy_path(
            account, self.product, self.value, by_external=not app.options.gateway
        )
        now = app.backend.clock()
        if not app.options.gateway:
            return success(self.answer_of(legacy.task_answer, [task], now)[0])
        seen = gateway.last_look(app.options, task, now)
        native = success(self.answer_of(legacy.task_answer, [task], seen)[0])
        return gateway.fetched(app.options, task, native, now, self.status(task))


class LegacyList(Endpoint):
    """``GET /v1/videos/{kind}?pageNum=&pageSize=``: tasks that this path made, newest first."""

    operation = "list"
    legacy_auth = True

    def __init__(self, app: App, request: Request, route: str, product: str) -> None:
        super().__init__(app, request, route)
        self.product = product

    def run(self) -> Response:
        account = self.authenticate()
        number, size = self._number("pageNum", 1, 1000), self._number("pageSize", 30, 500)
        own = [
            task
            for task in self.app.backend.listed(account)
            if task.request.dialect == "legacy" and task.request.product == self.product
        ]
        page = own[(number - 1) * size : number * size]
        return success(self.answer_of(legacy.task_answer, page, self.app.backend.clock()))

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.request.parameters().get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise invalid(f"{name} must be between 1 and {most}")
        return int(text)


class AccountCosts(Endpoint):
    """``GET /account/costs``: the packs, in an envelope within the envelope."""

    operation = "account"
    legacy_auth = True

    def run(self) -> Response:
        account, now_ms = self.authenticate(), milliseconds(self.app.backend.settle())
        values = self.request.parameters()
        times = [values.get("start_time", ""), values.get("end_time", "")]
        if not all(time.isascii() and time.isdigit() for time in times):
            raise invalid("start_time and end_time are required")
        start, end = int(times[0]), int(times[1])
        if start > end:
            raise invalid("start_time must be before end_time")
        self.app.throttle_account(account.name)
        data: dict[str, Any] = {"code": 0, "msg": "success"}
        packs = [
            pack.as_wire(now_ms)
            for pack in account.packs
            if pack.bought_ms <= end and pack.invalid_ms >= start
        ]
        name = values.get("resource_pack_name")
        packs = [pack for pack in packs if name in (None, "", pack["resource_pack_name"])]
        if packs:  # recorded: without a pack the key is absent
            data["resource_pack_subscribe_infos"] = packs
        return success(data)


def _moment(fields: Fields, key: str) -> int | None:
    """Milliseconds; a number and its text were both accepted (observed)."""
    value = fields.raw.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return fields.whole(key)


def _sealed(start: int, end: int, last: str) -> str:
    return base64.urlsafe_b64encode(f"{start}.{end}.{last}".encode()).decode()


def _opened(cursor: str) -> tuple[int, int, int]:
    try:
        start, end, last = base64.urlsafe_b64decode(cursor.encode()).decode().split(".")
        return int(start), int(end), int(last)
    except ValueError:
        raise invalid("cursor is invalid") from None
