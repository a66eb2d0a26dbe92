# SPDX-License-Identifier: Apache-2.0
"""What is sent of a planned request: prepared just before the paid call, when everything that was paid has been looked for.

So a chain that is cleared needs nothing of its inputs: neither links that died, nor files that moved.
"""

from __future__ import annotations

import logging

from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.exceptions import KlingRequestError
from kling_provider.execution.choosing import AGAIN, ChosenInput
from kling_provider.execution.input_tasks import is_same_account, read_input_task
from kling_provider.execution.plan import RequestPlan
from kling_provider.execution.results import read_outputs_of
from kling_provider.hooks.callback_settings import fill_callback_url
from kling_provider.hooks.kling import KlingHook
from kling_provider.storage.inputs import load_inputs, sign_links

log = logging.getLogger(__name__)


def prepare_wire(plan: RequestPlan, hook: KlingHook) -> KlingRequest:
    """Return what is sent for ``plan``: results by id, link or file, and fresh links to files that Kling takes by URL only.

    Where the connection takes callbacks, it has their URL.

    :raises KlingRequestError: where nothing of a result can be used any more, or a store signs no links; nothing was sent.
    :raises KlingStorageError: where a store does not answer; a retry may help.
    """
    links: dict[str, str] = {}
    files: dict[str, str] = {}
    problems: list[Problem] = []
    for name, one in plan.chosen.items():
        if one.problem:
            problems.append(Problem(name, None, one.problem))
        elif one.sent_as == "later":
            if (link := _find_fresh_link(hook, one)) is not None:
                links[name] = link
            elif one.output.file:
                files[name] = one.output.file
            else:
                text = f"cannot take {one.output.shown}: {one.remark}, and it was not saved. {AGAIN}"
                problems.append(Problem(name, None, text))
    if problems:
        raise KlingRequestError.of_problems(problems)
    wire = fill_callback_url(plan.wire, hook.connection).with_inputs({**links, **files})
    design = hook.connection.find_dialect(plan.request).design
    remarks = {name: plan.chosen[name].remark for name in files}
    loaded = load_inputs(wire, api=design, fields=files, remarks=remarks)
    for name in files:
        log.info(
            "%s: the saved file of %s is sent (%s).", name, plan.chosen[name].output.shown, remarks[name]
        )
    wire = wire.with_inputs({name: one.wire for name, one in loaded.items()})
    return sign_links(
        wire, {name: one.wire for name, one in {**plan.inputs, **loaded}.items() if one.needs_link}
    )


def _find_fresh_link(hook: KlingHook, one: ChosenInput) -> str | None:
    """Read the task of a result whose link is not known, as long as Kling keeps it; reads are free."""
    output = one.output
    if not output.is_alive(one.chosen_at) or (
        output.conn_id is not None and not is_same_account(hook, output.conn_id)
    ):
        return None
    try:
        outputs = read_outputs_of(read_input_task(hook, output.kling_task_id, output.made_by))
    except KlingRequestError as error:
        log.info("%s has no link at Kling any more: %s", output.shown, error)
        return None
    return next((found.url for found in outputs if found.number == output.number), None)
