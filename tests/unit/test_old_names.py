# SPDX-License-Identifier: Apache-2.0
"""A setting by its name, or a word, of an earlier release: the message has the new one, however the task is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG

from kling_provider.decorators.kling import kling_task
from kling_provider.exceptions import KlingRequestError
from kling_provider.notifications.kling import KlingNotifier
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator

REQUEST = {"prompt": "A red panda"}


def write_prompt(prompt: str = "A red panda") -> str:
    return prompt


WAYS: dict[str, Callable[..., Any]] = {
    "submit": lambda **old: KlingSubmitOperator(task_id="video", request=REQUEST, **old),
    "generate": lambda **old: KlingGenerateOperator(task_id="video", request=REQUEST, **old),
    "mapped": lambda **old: KlingGenerateOperator.partial(task_id="video", **old).expand(request=[REQUEST]),
    "function": lambda **old: kling_task(write_prompt, **old)(),
    "mapped function": lambda **old: kling_task(write_prompt, **old).expand(prompt=["A", "B"]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("old", "new"), [({"slot_timeout": 60}, "queue_timeout"), ({"pay_once_per": "content"}, "'account'")]
)
def test_the_message_has_the_new_word(way: str, old: dict[str, Any], new: str) -> None:
    with DAG("films"), pytest.raises(KlingRequestError, match=new):
        WAYS[way](**old)


def test_a_text_for_people_does_not_lose_a_line_in_silence() -> None:
    notifier = KlingNotifier(text="{% if kling.picture %}{{ kling.picture }}{% endif %}")
    with pytest.raises(KlingRequestError, match=r"text: kling\.picture must be kling\.image"):
        notifier.render_template_fields({})  # type: ignore[typeddict-item]
