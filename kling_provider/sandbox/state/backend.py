# SPDX-License-Identifier: Apache-2.0
"""The state behind the sandbox: accounts, tasks, limits. No HTTP, no threads of its own; every method is atomic.

A task's state follows from the clock, so nothing runs in the background. Choices where Kling's contract is
silent: a duplicate external id is refused before balance and limit are looked at (a duplicate costs nothing even
in arrears); a create needs some units left, not as many as it will cost, since units are taken at success; a
legacy read finds only tasks that the same legacy path made.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import ApiError, InvalidParameter
from kling_provider.sandbox.http.messages import format_amount
from kling_provider.sandbox.media.inputs import BAD_PIXELS, UNREACHABLE
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.accounts import SandboxAccount, get_concurrency, open_accounts
from kling_provider.sandbox.state.clock import Clock
from kling_provider.sandbox.state.journal import Journal
from kling_provider.sandbox.state.ledger import Deduction
from kling_provider.sandbox.state.tasks import CreateRequest, Package, Task, to_milliseconds

#: Kling's ids are snowflakes: milliseconds since this moment, shifted by 22 bits (derived from recorded ids).
ID_EPOCH_MS = 1_568_028_519_586
#: Part of the render time that a task waits before it is ``processing``.
_QUEUE_SHARE = 0.1
#: Render seconds after which a task fails that generation refuses (recorded: within two seconds).
_EARLY_FAILURE = 2.0


@dataclass(frozen=True, kw_only=True)
class TaskFault:
    """What the faults have in store for a task that is about to be made."""

    message: str | None = None
    fails_after: float = 0.5
    stuck: bool = False
    slower: float = 1.0
    forgotten_after: float = math.inf
    frees_id: bool = False
    given_up_after: float = math.inf
    """The part of its render after which a gateway gives it up."""
    given_up_because: str = ""
    callback_faults: dict[str, float] = field(default_factory=dict)


_NO_FAULT = TaskFault()


class Backend:
    """All state of one sandbox.

    :param clock: seconds since the epoch; a test may stand it still.
    :param journal: what is kept from one start to the next; the packs are full at each.
    """

    def __init__(
        self,
        options: Options,
        clock: Callable[[], float] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.options = options
        self.clock: Callable[[], float] = clock or Clock()
        self.lock = threading.RLock()
        self.accounts = open_accounts(options, to_milliseconds(self.clock()))
        self._journal = journal or Journal(None)
        self._last_id = 0
        self._reset_state()
        self._restore_tasks(self._journal.tasks)
        self._deductions += self._journal.deductions

    def clear_tasks(self) -> None:
        """Forget all tasks and fill up the packs."""
        with self.lock:
            self._journal.clear_tasks()
            self._reset_state()

    def _restore_tasks(self, tasks: Iterable[Task]) -> None:
        """Take over tasks of before. What had not ended goes on, as Kling does not stop for us."""
        now = self.clock()
        for task in tasks:
            self._enter_task(task)
            if not task.is_live(now):
                del self._unsettled[task.id]
                task.settled = True
            self._last_id = max(self._last_id, int(task.id), *map(int, task.output_ids))

    def _reset_state(self) -> None:
        with self.lock:
            self._tasks: dict[str, Task] = {}
            self._by_external: dict[tuple[str, str], list[Task]] = {}
            self._unsettled: dict[str, Task] = {}
            self._deductions: list[Deduction] = []
            self.peak_live = 0
            self.peak_live_by_model: dict[str, int] = {}
            fresh = open_accounts(self.options, to_milliseconds(self.clock()))
            for account, new in zip(self.accounts, fresh, strict=True):
                account.packs = new.packs
                account.spent.clear()

    def get_account(self, name: str = "default") -> SandboxAccount:
        """Return the account of this name."""
        return next(account for account in self.accounts if account.name == name)

    # creating

    def create_task(
        self,
        account: SandboxAccount,
        request: CreateRequest,
        *,
        fault: Callable[[], TaskFault] = lambda: _NO_FAULT,
        locked: bool = True,
    ) -> Task:
        """Make a task, or refuse: duplicate external id (1201), no units (1102), the concurrency limit (1303).

        :param fault: asked only when a task is really made.
        :param locked: False: duplicates are accepted, as on a gateway.
        """
        with self.lock:
            now = self.settle_tasks()
            if (
                locked
                and request.external_id is not None
                and self._is_taken(account, request.external_id, now)
            ):
                raise InvalidParameter(f"External_task_id {request.external_id} already exists")  # observed
            if account.get_remaining_units(request.package, to_milliseconds(now)) <= 0:
                raise ApiError(1102)
            taken = self._count_beside(account, request) + request.places
            if not request.answered_at_once and taken > account.get_limit(
                request.package, to_milliseconds(now)
            ):
                raise ApiError(1303)
            return self._make_task(account, request, fault(), now)

    def _count_beside(self, account: SandboxAccount, request: CreateRequest) -> int:
        """Count the places that are taken of ``request``'s limit: by account, model and kind of pack."""
        return sum(
            task.request.places
            for task in self._unsettled.values()
            if (task.account, task.request.model, task.request.package)
            == (account.name, request.model, request.package)
        )

    def _is_taken(self, account: SandboxAccount, external_id: str, now: float) -> bool:
        """Tell whether the external id was used in the account: by any product, and by failed tasks as well."""
        same = self._by_external.get((account.name, external_id), [])
        return any(task.is_visible(now) or not task.frees_id for task in same)

    def _make_task(
        self, account: SandboxAccount, request: CreateRequest, fault: TaskFault, now: float
    ) -> Task:
        render = self.options.render_seconds * fault.slower / self.options.time_scale
        message = request.failure_message or fault.message or ""
        ends = now + render
        if request.answered_at_once:
            ends = now
        elif request.failure_message in (UNREACHABLE, BAD_PIXELS) or (
            request.failure_message and not fault.stuck
        ):
            ends = now + min(render, _EARLY_FAILURE / self.options.time_scale)
        elif fault.stuck:
            ends = math.inf
        elif message:
            ends = now + render * fault.fails_after
        task = Task(
            id=self._make_id(now),
            output_ids=[self._make_id(now) for _ in range(request.output_count)],
            account=account.name,
            request=request,
            created=now,
            starts=min(now + render * _QUEUE_SHARE, ends),
            ends=ends,
            message=message,
            price=Decimal(0) if message else request.price,
            forgotten_from=now + fault.forgotten_after,
            frees_id=fault.frees_id,
            given_up_at=math.inf if math.isinf(fault.given_up_after) else now + render * fault.given_up_after,
            given_up_because=fault.given_up_because,
            callback_faults=fault.callback_faults,
        )
        self._journal.add_task(task)
        self._enter_task(task)
        if request.answered_at_once:
            self.settle_tasks()
            return task
        self.peak_live = max(self.peak_live, len(self._unsettled))
        beside = self._count_beside(account, request)
        self.peak_live_by_model[request.model] = max(beside, self.peak_live_by_model.get(request.model, 0))
        return task

    def _enter_task(self, task: Task) -> None:
        self._tasks[task.id] = task
        self._unsettled[task.id] = task
        if task.request.external_id is not None:
            key = (task.account, task.request.external_id)
            self._by_external.setdefault(key, []).append(task)

    def _make_id(self, now: float) -> str:
        snowflake = (to_milliseconds(now) - ID_EPOCH_MS) << 22
        self._last_id = max(snowflake, self._last_id + 1)
        return str(self._last_id)

    def settle_tasks(self) -> float:
        """Take the units of tasks that succeeded since the last call; return the time it is now (epoch seconds)."""
        with self.lock:
            now = self.clock()
            ended = [task for task in self._unsettled.values() if not task.is_live(now)]
            for task in sorted(ended, key=lambda task: task.ends):
                del self._unsettled[task.id]
                task.settled = True
                if not task.message:
                    self._charge_task(task)
            return now

    def _charge_task(self, task: Task) -> None:
        moment, account = to_milliseconds(task.ends), self.get_account(task.account)
        for pack, units in account.charge_units(task.price, task.request.package, moment):
            deduction = Deduction(
                task_id=task.id,
                account=account.name,
                pack_id=pack.id,
                pack_name=pack.wire_name,
                moment=moment,
                units_before=pack.remaining_units + units,
                units=units,
            )
            self._deductions.append(deduction)
            self._journal.add_deduction(deduction)

    # reading

    def find_by_ids(self, account: SandboxAccount, ids: Iterable[str]) -> list[Task]:
        """Return the tasks with these ids; unknown ones and those of others are left out (observed)."""
        with self.lock:
            now = self.settle_tasks()
            found = (self._tasks.get(task_id) for task_id in dict.fromkeys(ids))
            return [task for task in found if task and task.account == account.name and task.is_visible(now)]

    def find_by_external_ids(self, account: SandboxAccount, ids: Iterable[str]) -> list[Task]:
        """Return the tasks with these external ids that reads can find; a gateway's may be several for one id."""
        with self.lock:
            now = self.settle_tasks()
            return [
                task
                for external_id in dict.fromkeys(ids)
                for task in self._by_external.get((account.name, external_id), [])
                if task.is_visible(now)
            ]

    def find_by_legacy_path(
        self, account: SandboxAccount, product: str, task_id: str, *, external_id: str | None
    ) -> Task:
        """Return the task whose id or external id stands in a legacy path; the path must have made it.

        :param external_id: None: it is looked up by id alone.
        :raises InvalidParameter: there is none.
        """

        def is_of_path(task: Task) -> bool:
            request = task.request
            return (request.dialect, request.product, request.route) == ("legacy", product, "")

        with self.lock:
            own = [task for task in self.find_by_ids(account, [task_id]) if is_of_path(task)]
            named = [] if external_id is None else self.find_by_external_ids(account, [external_id])
            named = [task for task in named if is_of_path(task)]
            if not own and not named:
                raise InvalidParameter(
                    f"Task not found by id/external id: {external_id or task_id}"
                )  # observed
            return own[0] if own else named[-1]

    def list_tasks(self, account: SandboxAccount, *, start: float = 0, end: float = math.inf) -> list[Task]:
        """Return the account's tasks of ``[start, end]`` (epoch seconds), newest first (the order is a choice)."""
        with self.lock:
            now = self.settle_tasks()
            return [
                task
                for task in reversed(self._tasks.values())
                if task.account == account.name and start <= task.created <= end and task.is_visible(now)
            ]

    def list_deductions(self, account: SandboxAccount) -> Sequence[Deduction]:
        """Return what was taken from the account's packs, oldest first."""
        with self.lock:
            self.settle_tasks()
            return [one for one in self._deductions if one.account == account.name]

    def delete_output(self, task: Task, output_id: str) -> bool:
        """Delete a voice or an element; tell whether it was there."""
        with self.lock:
            if output_id in task.deleted_ids:
                return False
            task.deleted_ids.append(output_id)
            self._journal.delete_output(task, output_id)
            return True

    def list_running(self) -> Sequence[Task]:
        """Return the tasks that have not ended."""
        with self.lock:
            self.settle_tasks()
            return list(self._unsettled.values())

    def get_task(self, task_id: str) -> Task | None:
        """Return the task of any account with this id, forgotten or not; None for an unknown id."""
        with self.lock:
            return self._tasks.get(task_id)

    def all(self) -> Sequence[Task]:
        """Return every task that was ever made, oldest first, forgotten ones too."""
        with self.lock:
            self.settle_tasks()
            return list(self._tasks.values())

    # controls

    def set_limits(self, *, units: float | None = None, concurrency: int | None = None) -> None:
        """Change video units and concurrency of every account, also for what :meth:`clear_tasks` opens later."""
        with self.lock:
            if concurrency is not None:
                self.options.concurrency = concurrency
            if units is not None:
                self.options.units = units
            for account in self.accounts:
                for pack in account.packs:
                    if concurrency is not None:
                        pack.concurrency = get_concurrency(pack.package, concurrency)
                    if units is not None and pack.package == "video":
                        pack.total, pack.used = Decimal(str(units)), Decimal(0)

    def build_figures(self) -> dict[str, Any]:
        """Build the backend's part of the statistics."""
        with self.lock:
            now = self.settle_tasks()
            states = dict.fromkeys(("submitted", "processing", "succeeded", "failed"), 0)
            per_external: dict[str, int] = {}
            in_flight = []
            for task in self._tasks.values():
                states[task.get_state(now)] += 1
                name = task.request.external_id
                if name is not None:
                    per_external[name] = per_external.get(name, 0) + 1
                in_flight.append(
                    {
                        "task_id": task.id,
                        "external_task_id": name,
                        "account": task.account,
                        "model": task.request.model,
                        "began": to_milliseconds(task.created),
                        "ended": None if task.is_live(now) else to_milliseconds(task.ends),
                    }
                )
            return {
                "tasks": {**states, "total": len(self._tasks)},
                "tasks_by_external_id": per_external,
                "live": len(self._unsettled),
                "peak_live": self.peak_live,
                "peak_live_by_model": dict(self.peak_live_by_model),
                "in_flight": in_flight,
                "units": self._build_units("video", now),
                "image_units": self._build_units("image", now),
            }

    def _build_units(self, package: Package, now: float) -> dict[str, dict[str, str]]:
        return {
            account.name: {
                "spent": format_amount(account.spent.get(package, Decimal(0))),
                "remaining": format_amount(account.get_remaining_units(package, to_milliseconds(now))),
            }
            for account in self.accounts
        }
