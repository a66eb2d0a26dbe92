# SPDX-License-Identifier: Apache-2.0
"""Find the task of a Dag that pays for what a budget passes on. This also runs while the Dag is parsed."""

from __future__ import annotations

from typing import Any

from kling_provider.api.suggestions import suggest
from kling_provider.operators.base import KlingOperator


def find_paying_task(budget: Any, dag: Any, task_id: str | None) -> Any:
    """Return the task that pays for what ``budget`` passes on; ``None`` if it is not known.

    :param budget: the budget operator.
    :param dag: the Dag of the budget operator.
    :param task_id: the id of the paying task, if the author of the Dag gives it.
    """
    if task_id:
        named = dag.task_dict.get(task_id)
        return named if named is not None and _is_paying(named) else None
    after = _list_paying_after(budget)
    return after[0] if len(after) == 1 else None


def explain_no_paying_task(budget: Any, dag: Any, task_id: str | None) -> str:
    """Explain why :func:`find_paying_task` finds no task, and what to set."""
    if not task_id:
        after = ", ".join(sorted(task.task_id for task in _list_paying_after(budget)))
        return (
            "video_task_id must be set, because exactly one task that pays must come after KlingBudgetOperator otherwise "
            f"(found: {after or 'none'}). Nothing was sent."
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


def _list_paying_after(budget: Any) -> list[Any]:
    """List the tasks that pay directly after the budget; without any, those anywhere after it."""
    paying: dict[str, Any] = {}
    for tasks in (budget.downstream_list, budget.get_flat_relatives(upstream=False)):
        paying = {task.task_id: task for task in tasks if _is_paying(task)}
        if paying:
            break
    return list(paying.values())


def _is_paying(task: Any) -> bool:
    made_of = task.operator_class if task.is_mapped else type(task)
    return isinstance(made_of, type) and issubclass(made_of, KlingOperator) and made_of.pays
