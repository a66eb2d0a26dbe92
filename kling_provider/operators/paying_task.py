# SPDX-License-Identifier: Apache-2.0
"""Which task of a Dag pays for what a budget passes on. Asked while the Dag is parsed, too."""

from __future__ import annotations

from typing import Any

from kling_provider.api.problems import suggest
from kling_provider.operators.base import KlingOperator


def find_paying_task(budget: Any, dag: Any, task_id: str | None) -> Any:
    """Return the task that pays for what ``budget`` passes on; ``None`` where that cannot be told.

    :param task_id: its id, if the author of the Dag says it.
    """
    if task_id:
        named = dag.task_dict.get(task_id)
        return named if named is not None and _pays(named) else None
    after = _find_paying_after(budget)
    return after[0] if len(after) == 1 else None


def explain_no_paying_task(budget: Any, dag: Any, task_id: str | None) -> str:
    """Say why :func:`find_paying_task` finds none, and what to write."""
    if not task_id:
        after = ", ".join(sorted(task.task_id for task in _find_paying_after(budget)))
        return (
            f"KlingBudgetOperator does not know which task will pay (after it come: {after or 'none that pays'}). "
            "Set video_task_id. Nothing was sent."
        )
    if task_id in dag.task_dict:
        return (
            f"video_task_id must be the id of a task that pays (KlingGenerateOperator, KlingSubmitOperator, @task.kling); "
            f"{task_id!r} is a {dag.task_dict[task_id].task_type}. Nothing was sent."
        )
    return (
        f"video_task_id must be the id of a task of this Dag; found {task_id!r}.{suggest(task_id, dag.task_dict)} "
        "Nothing was sent."
    )


def _find_paying_after(budget: Any) -> list[Any]:
    """Those that pay: directly after the budget, else anywhere after it."""
    paying: dict[str, Any] = {}
    for tasks in (budget.downstream_list, budget.get_flat_relatives(upstream=False)):
        paying = {task.task_id: task for task in tasks if _pays(task)}
        if paying:
            break
    return list(paying.values())


def _pays(task: Any) -> bool:
    made_of = task.operator_class if task.is_mapped else type(task)
    return isinstance(made_of, type) and issubclass(made_of, KlingOperator) and made_of.pays
