# SPDX-License-Identifier: Apache-2.0
"""What Airflow's page of rendered fields shows of a request and its inputs: what may be shown, not what is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kling_provider.api.redaction import redact_base64, redact_value
from kling_provider.execution.results import NoResult, is_result, is_task_id, read_outputs_of, split_choice
from kling_provider.storage.inputs import show_input, shown_request


class Rendered(Mapping[str, Any]):
    """A rendered request until the task starts. Airflow stores what :meth:`serialize` returns.

    Links lose what grants access, base64 becomes its sha256, a callback's URL its host.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request = request

    def __getitem__(self, key: str) -> Any:
        return self.request[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.request)

    def __len__(self) -> int:
        return len(self.request)

    def __repr__(self) -> str:
        return repr(self.serialize())

    def serialize(self) -> dict[str, Any]:
        """Return the request as it may be shown, without secrets."""
        return shown_request(self.request)


class RenderedInputs(Rendered):
    """Rendered ``inputs`` until the task starts: results of other tasks, in words."""

    def serialize(self) -> dict[str, Any]:
        """Return the inputs as they may be shown: no link that grants access, no bytes."""
        return {str(key): _show_value(value) for key, value in self.request.items()}


class RenderedOther(Rendered):
    """Rendered ``inputs`` that are no mapping, which is refused when the task runs: until then they show no link either."""

    def __init__(self, value: Any) -> None:
        super().__init__({})
        self.value = value

    def serialize(self) -> Any:
        """Return the value as it may be shown."""
        return _show_value(self.value)


def wrap_requests(value: Any) -> Any:
    """Wrap a request, or each of a list of them."""
    if isinstance(value, Mapping):
        return Rendered(value)
    return [wrap_requests(one) for one in value] if isinstance(value, list | tuple) else value


def wrap_inputs(value: Any) -> Any:
    """Wrap the inputs of a request."""
    if value is None:
        return None
    return RenderedInputs(value) if isinstance(value, Mapping) else RenderedOther(value)


def unwrap_requests(value: Any) -> Any:
    """Return what was wrapped by :func:`wrap_requests` and :func:`wrap_inputs` again."""
    if isinstance(value, RenderedOther):
        return value.value
    if isinstance(value, Rendered):
        return value.request
    return [unwrap_requests(one) for one in value] if isinstance(value, list) else value


def _show_value(value: Any) -> Any:
    if is_result(value):
        return _show_result(value)
    if isinstance(value, str):
        return f"Kling task {value}" if is_task_id(value) else show_input(value)
    if isinstance(value, Mapping):
        return {str(key): _show_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_show_value(one) for one in value]
    if isinstance(value, Sequence):  # what a mapped task pushed, which Airflow reads when it is asked for
        return f"{len(value)} results"
    return redact_value(redact_base64(value))


def _show_result(value: Mapping[str, Any]) -> str:
    try:
        result, number = split_choice(value)
        if not isinstance(result, Mapping):
            return f"output {number} of {_show_value(result)}" if number else str(_show_value(result))
        outputs = [one for one in read_outputs_of(result) if number in (None, one.number)]
    except (NoResult, KeyError, TypeError, ValueError):
        return "a result that cannot be read"
    if len(outputs) == 1:
        return outputs[0].shown
    files = ", ".join(one.shown_file for one in outputs if one.file)
    return f"Kling task {result['kling_task_id']}, {len(outputs)} outputs{f' ({files})' if files else ''}"
