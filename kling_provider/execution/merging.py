# SPDX-License-Identifier: Apache-2.0
"""Merge the results of other tasks into a request: ``inputs={"first_frame": picture.output}``.

A field takes of a result what its endpoint wants: Kling's id of the output where there is one and it still lives, else the link, else
the saved file. Whatever is sent, the identity of the request is the same (:attr:`ResultOutput.identity`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from kling_provider.api.catalog import find_spec
from kling_provider.api.media_limits import MEDIA_LIMITS
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign, Media
from kling_provider.api.requests.marked_fields import is_list_field, list_media, list_result_ids
from kling_provider.api.spelling import to_field_name
from kling_provider.api.suggestions import suggest
from kling_provider.api.values import is_rendered_null
from kling_provider.exceptions import KlingRequestError
from kling_provider.execution.choosing import (
    ChosenInput,
    IsOurAccount,
    OutputChooser,
    ReadTask,
    Target,
    is_sequence,
)
from kling_provider.execution.results import NoResult, is_result, is_task_id
from kling_provider.storage.inputs import LoadedInput, Refused, check_seconds, show_input

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MergedRequest:
    """A request with its inputs.

    :param data: to be checked and sent; it may hold signed links.
    :param written: as it may be shown where inputs are results: those in words.
    :param chosen: the results in it, by dotted field.
    """

    data: Mapping[str, Any] = dataclass_field(repr=False)
    written: Mapping[str, Any] = dataclass_field(repr=False)
    chosen: Mapping[str, ChosenInput] = dataclass_field(default_factory=dict)

    def describe_results(self) -> dict[str, LoadedInput]:
        """Return the results that go into inputs, by dotted field: by the task that made them, whatever is sent of them."""
        return {
            name: LoadedInput(wire=one.value, identity=one.output.identity, shown=one.output.shown)
            for name, one in self.chosen.items()
            if one.sent_as != "id"
        }

    def add_seconds(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Return how long the inputs are, by field: as measured, and of results as Kling says."""
        told = {
            name: one.output.duration for name, one in self.chosen.items() if one.output.duration is not None
        }
        return {**measured, **told}

    def choose_stand_ins(self, identities: Mapping[str, str]) -> dict[str, str]:
        """Return what stands for the inputs in the identity, without those that count by Kling's id in another field."""
        return {
            name: value
            for name, value in identities.items()
            if name not in self.chosen or not self.chosen[name].counts_by_id
        }

    def list_addresses(self, addresses: Mapping[str, str]) -> tuple[str, ...]:
        """Return where the inputs are, for lineage: a result where it was saved, never a link that may be signed.

        :param addresses: of all inputs that are sent as addresses or paths, by dotted field.
        """
        # What is looked for later is no address yet.
        sent = {
            name: value
            for name, value in addresses.items()
            if name not in self.chosen or self.chosen[name].sent_as == "link"
        }
        saved = {name: one.output.file for name, one in self.chosen.items() if one.output.file}
        return tuple({**sent, **saved}.values())

    def as_identified(self, request: KlingRequest) -> KlingRequest:
        """Return ``request`` as its identity counts it: with Kling's id wherever a field takes it, whatever is sent."""
        for one in self.chosen.values():
            if not one.counts_by_id or one.id_field is None:
                continue
            name, _, rest = one.field.partition(".")
            number, _, within = rest.partition(".")
            if not rest:
                change: dict[str, Any] = {name: None, one.id_field: one.output.id}
            else:
                items = list(getattr(request, name))
                change_within = {within: None, one.id_field: one.output.id}
                items[int(number)] = items[int(number)].model_copy(update=change_within)
                change = {name: items}
            request = request.model_copy(update=change)
        return request


def merge_inputs(
    data: Mapping[str, Any],
    inputs: Any,
    *,
    find_design: Callable[[Any], ApiDesign],
    read_task: ReadTask,
    is_our_account: IsOurAccount,
) -> MergedRequest:
    """Merge ``inputs`` into the request ``data``; an input wins over the request, and the log says so.

    :param inputs: a mapping of fields to results, as it was rendered; ``None`` for no inputs.
    :param find_design: the API design by which a type of request goes.
    :raises KlingRequestError: with every input that cannot be used (``problems``); nothing was sent.
    """
    spec = find_spec(data.get("type"))
    if not inputs or spec is None:  # that the type is wrong is said where the request is checked
        return MergedRequest(data=data, written=data)
    if not isinstance(inputs, Mapping):
        text = "must be a mapping of fields to results such as {'first_frame': picture.output}"
        raise KlingRequestError.of_problems(
            [Problem("inputs", None, f"{text}; found {type(inputs).__name__}")]
        )
    if is_result(inputs):
        raise KlingRequestError.of_problems([Problem("inputs", None, _EXPLAIN_RESULT)])
    chooser = OutputChooser(spec.request_class, find_design(spec), read_task, is_our_account)
    merge = _Merge(spec.request_class, chooser)
    sent, written = dict(data), dict(data)
    for key, value in inputs.items():
        try:
            merge.take_input(str(key), value, sent, written)
        except NoResult as no:
            merge.problems.append(Problem(f"inputs.{key}", None, str(no)))
    if merge.problems:
        raise KlingRequestError.of_problems(merge.problems)
    return MergedRequest(data=sent, written=written, chosen=merge.chosen)


_EXPLAIN_RESULT = (
    "must be a mapping of fields to results; found a result itself. Write inputs={'first_frame': task.output}; where each of "
    "several results is for one instance: inputs=tasks.output.map(lambda result: {'first_frame': result}) in .expand()"
)


class _Merge:
    """The work of :func:`merge_inputs` for one request."""

    def __init__(self, request_class: type[KlingRequest], chooser: OutputChooser) -> None:
        self._class = request_class
        self._chooser = chooser
        self._targets: dict[str, dict[str | None, Target]] = {}
        for marked in (list_media(request_class), list_result_ids(request_class)):
            for (name, within), marker in marked.items():
                if name in request_class.field_names():
                    self._targets.setdefault(name, {})[within] = marker
        self.chosen: dict[str, ChosenInput] = {}
        #: What was written, by the field that it is for.
        self._taken: dict[str, str] = {}
        self.problems: list[Problem] = []

    def take_input(self, key: str, value: Any, sent: dict[str, Any], written: dict[str, Any]) -> None:
        name = to_field_name(key, self._class)
        if name not in self._targets:
            raise NoResult(
                f"takes no result of another task.{suggest(name, self._targets)} These take one: "
                f"{', '.join(self._targets) or 'none of this type'}"
            )
        beside = self._find_field_of_id(name)
        if is_result(value):
            name = beside
        marker = self._targets[name].get(None)
        if isinstance(marker, Media) and marker.results_field and self._stands_for_result(value, marker):
            name = beside = marker.results_field
        if (other := self._taken.setdefault(beside, key)) != key:
            raise NoResult(f"must be given once: {other!r} is for the same field")
        replaced = {name, beside, self._find_id_field(name), to_field_name(key, self._class)} - {None}
        for other in [one for one in sent if to_field_name(str(one), self._class) in replaced]:
            log.info("The request's %s gives way to inputs[%r].", other, key)
            del sent[other], written[other]
        if is_list_field(self._class, name):
            items = list(value) if is_sequence(value) else [value]
            for item in items:
                _refuse_nothing(item)
            pairs = [self._convert_item(name, number, item) for number, item in enumerate(items)]
            sent[name], written[name] = [one for one, _ in pairs], [one for _, one in pairs]
            return
        if is_sequence(value):
            raise NoResult(
                f"must be one result, and not {len(value)}: take one of them, or make an instance for each with "
                f"KlingGenerateOperator.partial(task_id=…, request=…).expand(inputs=results.map(lambda one: {{{key!r}: one}}))"
            )
        _refuse_nothing(value)
        marker = self._targets[name][None]
        if not self._stands_for_result(value, marker):
            sent[name], written[name] = value, show_input(value) if isinstance(value, str) else value
            return
        one = self._choose(name, name, value, {name: marker})
        sent[one.id_field if one.sent_as == "id" and one.id_field else name] = one.value
        written[name] = one.output.shown

    def _convert_item(self, name: str, number: int, item: Any) -> tuple[Any, Any]:
        """Return an item of a list as it is sent, and as it is shown."""
        targets = self._targets[name]
        if None in targets:
            if not self._stands_for_result(item, targets[None]):
                return item, show_input(item) if isinstance(item, str) else item
            one = self._choose(f"{name}.{number}", name, item, {name: targets[None]})
            return one.value, one.output.shown
        within = {key: marker for key, marker in targets.items() if key is not None}
        if is_result(item) or any(self._stands_for_result(item, one) for one in within.values()):
            one = self._choose(f"{name}.{number}", name, item, within)
            return self._as_part(one), {self._name_within(one): one.output.shown}
        if isinstance(item, str) and len(within) == 1:
            key = next(iter(within))
            return {key: item}, {key: show_input(item)}
        if not isinstance(item, Mapping):
            return item, item
        sent, shown = dict(item), dict(item)
        for key, marker in within.items():
            if key in item and self._stands_for_result(item[key], marker):
                one = self._choose(f"{name}.{number}", name, item[key], {key: marker})
                del sent[key]
                sent |= self._as_part(one)
                shown[key] = one.output.shown
            elif isinstance(item.get(key), str):
                shown[key] = show_input(item[key])
        return sent, shown

    def _choose(self, where: str, name: str, value: Any, targets: Mapping[str, Target]) -> ChosenInput:
        one = self._chooser.choose_output(where, name, value, targets)
        self.chosen[one.field] = one
        return one

    def _as_part(self, one: ChosenInput) -> dict[str, str]:
        key = one.id_field if one.sent_as == "id" and one.id_field else self._name_within(one)
        return {key: one.value}

    @staticmethod
    def _name_within(one: ChosenInput) -> str:
        return one.field.rpartition(".")[2]

    @staticmethod
    def _stands_for_result(value: Any, marker: Target) -> bool:
        # In a field that takes an id a text is that id, and not the id of a task.
        return is_result(value) or (isinstance(marker, Media) and is_task_id(value))

    def _find_field_of_id(self, name: str) -> str:
        """Return the input beside which ``name`` takes the id of an output: ``video`` for ``video_id``."""
        media = list_media(self._class).items()
        return next((field for (field, within), one in media if not within and one.id_field == name), name)

    def _find_id_field(self, name: str) -> str | None:
        """Return the field that takes the id instead, where the API design has one."""
        marker = self._targets[name].get(None)
        return marker.id_field if isinstance(marker, Media) else None


def check_lengths(
    request: KlingRequest, merged: MergedRequest, seconds: Mapping[str, float], design: ApiDesign
) -> None:
    """Check how long the inputs are, as far as that is known; files were checked when they were read.

    :raises KlingRequestError: with every input that is too short or too long; nothing was sent.
    """
    problems = list(request.find_wrong_lengths(seconds))
    for name, one in merged.chosen.items():
        row = None if one.media is None else request.find_media_row(one.media, design)
        if row is None or one.output.duration is None:
            continue
        try:
            check_seconds(one.output.duration, MEDIA_LIMITS[row], one.output.shown)
        except Refused as refused:
            problems.append(Problem(name, None, str(refused)))
    if problems:
        raise KlingRequestError.of_problems(problems)


def _refuse_nothing(value: Any) -> None:
    """Refuse what a task that was skipped leaves, and the text of a result: another thing would be paid for."""
    if value is None or is_rendered_null(value) or value == "":
        raise NoResult("must be a result; found none, as a task that was skipped leaves it")
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")) and "kling_task_id" in value:
        raise NoResult(
            "must be the result itself; found the text that a template writes of it: write task.output instead of {{ … }}, or set "
            "render_template_as_native_obj=True for the Dag"
        )
