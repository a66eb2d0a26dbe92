# SPDX-License-Identifier: Apache-2.0
"""Step 7: variants -> requests that may be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import find_invalid_characters, parse_whole_number
from kling_provider.file_names import add_take
from kling_provider.prompts.inputs import ResolvedVariant
from kling_provider.prompts.naming import fold_name
from kling_provider.prompts.places import Section
from kling_provider.prompts.problems import Problems, PromptProblem
from kling_provider.prompts.variants import Variant

if TYPE_CHECKING:
    from kling_provider.hooks.connection import KlingConnection


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request, and where its entry stands. A request that is wrong is kept as it was written.

    :param data: the request.
    :param label: the name with its take, which its files are called by.
    :param is_named: whether the name was written by the author or is that of the file, and not computed.
    :param own: the entry as it was written.
    """

    data: dict[str, Any]
    label: str
    is_named: bool
    own: Section

    @property
    def name_line(self) -> int | None:
        """Return the line of the name, or of the nearest thing around it."""
        return self.own.lines.find_line(("name",))

    @property
    def file_and_line(self) -> str:
        """Return where the entry stands, as messages write it: ``prompts/a.yaml:4``."""
        return self.own.file if self.name_line is None else f"{self.own.file}:{self.name_line}"


def check_requests(
    variants: Sequence[ResolvedVariant], conn_id: str | None, problems: Problems
) -> list[CheckedRequest]:
    """Check variants by the rules of their type and model, and that no two of them have one name or external id.

    :param variants: the variants, filled and with their inputs found.
    :param conn_id: the connection that will send them, if it is known: fields that its API ignores are problems.
    :param problems: gets everything that is wrong.
    """
    connection = None if conn_id is None else _get_connection(conn_id)
    checked = []
    for each in variants:
        variant = each.variant
        data = dict(each.data)
        data["name"] = variant.name  # None where it cannot be a name, which has been reported
        take = parse_whole_number(data.get("take", 0))
        if take is not None and variant.more_takes:
            data["take"] = take = take + variant.more_takes
        request = _check_request(data, variant, connection, problems)
        if variant.name is not None:
            label = add_take(variant.name, variant.more_takes if take is None else take)
            is_named = "name" in variant.fields or not variant.entry.shares_file
            mapping = data if request is None else _dump_request(request)
            checked.append(CheckedRequest(mapping, label, is_named, variant.entry.own))
    _find_twins(checked, problems)
    return checked


def _get_connection(conn_id: str) -> KlingConnection:
    from kling_provider.hooks.connection import KlingConnection, read_connection

    return KlingConnection.parse(read_connection(conn_id))


def _check_request(
    data: Mapping[str, Any], variant: Variant, connection: KlingConnection | None, problems: Problems
) -> KlingRequest | None:
    found = find_invalid_characters(data)
    request = None
    try:
        request = parse_request(data)
    except InvalidRequest as error:
        found += error.problems
    if request is not None and connection is not None:
        found += connection.find_unsupported(request)
    problems.add_for_fields(found, variant.fields, variant.entry.own)
    return request


def _dump_request(request: KlingRequest) -> dict[str, Any]:
    """Return the fields that were written, by their current names, with ``name`` and ``type`` always among them."""
    given = request.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return {"name": request.name, "type": request.type} | given


def _find_twins(requests: Sequence[CheckedRequest], problems: Problems) -> None:
    """Find requests with one name, which would be one file, or with one external id, which would be one task."""
    labels: dict[str, CheckedRequest] = {}
    ids: dict[str, CheckedRequest] = {}
    for request in requests:
        other = labels.setdefault(fold_name(request.label), request)
        if other is not request:
            if request.is_named or other.is_named:
                wrong = f"{request.label!r} must be unique, and {other.file_and_line} has it as well; case does not count"
            else:
                wrong = f"must differ from {other.file_and_line}, which asks for the same: {_say_how_to_differ(request.own.file_suffix)}"
            problems.add_problem(PromptProblem("name", None, wrong, request.own.file, request.name_line))
        if external_id := request.data.get("external_task_id"):
            other = ids.setdefault(external_id, request)
            if other.own is not request.own:  # else its variants and matrix were refused
                wrong = f"{external_id!r} must be unique, and {other.file_and_line} has it as well"
                problems.add_problem(
                    PromptProblem("external_task_id", None, wrong, request.own.file, request.name_line)
                )


def _say_how_to_differ(suffix: str) -> str:
    """Say what to do about two entries without names that ask for the same, in words for their form of file."""
    if suffix == ".txt":
        return "remove one of them; for several results of one prompt write a .yaml with variants: 2"
    if suffix == ".csv":
        return "give each a name (a column `name`), or one of them a take (a column `take`)"
    return "give each a name, or one of them a take"
