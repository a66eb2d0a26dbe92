# SPDX-License-Identifier: Apache-2.0
"""Choose which output of another task's result goes into a field, and whether Kling's id, the link or the file of it is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime
from typing import Any, Literal

from kling_provider.api.media_limits import MEDIA_LIMITS
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign, Media, ResultId
from kling_provider.api.requests.marked_fields import list_result_ids
from kling_provider.execution.results import (
    NoResult,
    ResultOutput,
    is_task_id,
    read_outputs_of,
    split_choice,
)

log = logging.getLogger(__name__)

#: What to do where nothing of a result can be used any more.
AGAIN = "Make it again: raise take in its request; or clear the task that made it, which pays nothing as long as Kling has it"
Target = Media | ResultId
#: Reads a Kling task that is known by its id alone; returns it as a result.
ReadTask = Callable[[str, str | None], Mapping[str, Any]]
#: Whether a connection, by its id, leads to the account that pays for this request.
IsOurAccount = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class ChosenInput:
    """One output of another task, as one field of a request takes it.

    :param field: dotted, as :meth:`KlingRequest.iter_inputs` names it.
    :param id_field: the field beside it that takes Kling's id, if there is one.
    :param sent_as: what is sent of it; ``later``: a fresh link or the file, which are looked for just before the call.
    :param value: the id or the link.
    :param remark: why nothing better is sent, for messages.
    :param problem: why it cannot be sent. What was paid for it before is found all the same.
    """

    field: str
    output: ResultOutput
    media: Media | None
    id_field: str | None
    sent_as: Literal["id", "link", "later"]
    value: str = dataclass_field(repr=False)
    chosen_at: datetime
    remark: str = ""
    problem: str = ""

    @property
    def counts_by_id(self) -> bool:
        """Tell whether Kling's id, in the field that takes it, is what counts for the identity."""
        return self.id_field is not None and self.output.id is not None and self.output.has_own_id


class OutputChooser:
    """Chooses outputs for the fields of one request.

    :param read_task: reads a Kling task that is known by its id alone, and returns it as a result.
    :param is_our_account: whether a connection, by its id, leads to the account that pays for this request.
    """

    def __init__(
        self,
        request_class: type[KlingRequest],
        design: ApiDesign,
        read_task: ReadTask,
        is_our_account: IsOurAccount,
    ) -> None:
        self._class = request_class
        self._design = design
        self._read_task = read_task
        self._is_our_account = is_our_account
        self._now = datetime.now(UTC)

    def choose_output(self, where: str, name: str, value: Any, targets: Mapping[str, Target]) -> ChosenInput:
        """Choose the output that the first of ``targets`` takes, and what of it is sent.

        :param where: the dotted place of the field, or of the part in a list.
        :param name: the field.
        :param value: a result, one output of it, an explicit choice among its outputs, or the id of a task.
        :param targets: what takes it: the field itself, or keys of the part.
        :raises NoResult: where nothing fits.
        """
        result, number = split_choice(value)
        outputs = self._read_outputs(result)
        task = outputs[0].kling_task_id if outputs else "?"
        if number is not None:
            if number > len(outputs):
                raise NoResult(f"must have at most {len(outputs)} as output: so many has Kling task {task}")
            outputs = [one for one in outputs if one.number == number]
        for key, marker in targets.items():
            fitting = self._list_fitting(marker, outputs)
            if not fitting:
                continue
            output = fitting[0]
            if len(fitting) > 1 and number is None:
                log.info(
                    "%s: %s is taken, of %d that fit; for another one write {'result': …, 'output': %d}.",
                    where,
                    output.shown,
                    len(fitting),
                    fitting[1].number,
                )
            return self._choose_form(where if key == name else f"{where}.{key}", marker, output)
        wanted = " or ".join(_name_wanted(marker) for marker in targets.values())
        made = ", ".join(dict.fromkeys(one.type for one in outputs)) or "nothing"
        raise NoResult(f"must be {wanted}; Kling task {task} made: {made}")

    def _read_outputs(self, result: Any) -> list[ResultOutput]:
        if is_sequence(result):
            raise NoResult(f"must have one result as result, and not {len(result)}")
        if is_task_id(result):
            result = self._read_task(result, None)
        elif not isinstance(result, Mapping) or not result.get("kling_task_id"):
            raise NoResult(
                "must be the result of another task, which KlingGenerateOperator, KlingTaskSensor and KlingDownloadOperator "
                "push; found nothing of that kind. A task that was skipped, or only planned, has none"
            )
        elif "outputs" not in result and "url" not in result and "id" not in result:
            result = self._read_task(str(result["kling_task_id"]), result.get("type"))
        return read_outputs_of(result)

    @staticmethod
    def _list_fitting(marker: Target, outputs: Sequence[ResultOutput]) -> list[ResultOutput]:
        if isinstance(marker, ResultId):
            same = [one for one in outputs if one.type == marker.output_type]
            return [one for one in same if one.id is not None] or same
        same = [one for one in outputs if one.kind == marker.kind]
        rows = [MEDIA_LIMITS[row] for row in (marker.standard, marker.legacy) if row is not None]
        # A voice is made from a sound or from a video that has one.
        accepted = {one for row in rows for one in row.formats}
        return same + [one for one in outputs if one.kind != marker.kind and accepted & set(one.formats)]

    # -- what of it --------------------------------------------------------------------------------------------

    def _choose_form(self, dotted: str, marker: Target, output: ResultOutput) -> ChosenInput:
        media = marker if isinstance(marker, Media) else None
        id_field = None if media is None else self._find_field_of_id(dotted, media, output)
        why: list[str] = []

        def choose(sent_as: Literal["id", "link", "later"], value: str, problem: str = "") -> ChosenInput:
            return ChosenInput(
                field=dotted,
                output=output,
                media=media,
                id_field=id_field,
                sent_as=sent_as,
                value=value,
                remark=", ".join(why),
                problem=problem,
                chosen_at=self._now,
            )

        takes_id = media is None or (id_field is not None and self._has_id_field(dotted, id_field))
        no_id = self._find_why_no_id(output) if takes_id else ""
        if no_id is None and media is not None and not output.has_own_id:
            no_id = "its id is that of other outputs as well"
        if no_id is None:
            return choose("id", output.id or "")
        if media is None and output.id is None:
            raise NoResult(f"cannot take {output.shown}: {no_id}")
        if media is None:
            return choose("id", output.id or "", problem=f"cannot take {output.shown}: {no_id}. {AGAIN}")
        if no_id:
            why.append(no_id)
        if output.url and output.is_alive(self._now):
            return choose("link", output.url)
        if output.is_alive(self._now):
            why.append("this result carries no link to it")
        else:
            why.append(f"its link expired on {output.expires_at:%d %B %Y %H:%M} UTC")
        return choose("later", output.shown)

    def _find_field_of_id(self, dotted: str, media: Media, output: ResultOutput) -> str | None:
        """Return the field that takes Kling's id of such an output; ``None`` where it takes those of others only.

        A voice is made from a sound by its link, and from a video by its id.
        """
        if (id_field := media.id_field) is None:
            return None
        list_name, dot, _ = dotted.partition(".")
        place = (list_name, id_field) if dot else (id_field, None)
        marker = list_result_ids(self._class).get(place)
        return id_field if marker is None or marker.output_type in (output.type, output.kind) else None

    def _has_id_field(self, dotted: str, id_field: str) -> bool:
        """Tell whether Kling has that field in the API design in use."""
        if "." in dotted:
            return True
        wire = self._class.find_wires().get(id_field)
        return wire is None or wire.find_path(self._design) is not None

    def _find_why_no_id(self, output: ResultOutput) -> str | None:
        """Return why Kling's id of the output cannot be sent; ``None`` where it can."""
        if output.id is None:
            return "Kling gave it no id"
        if not output.is_id_alive(self._now):
            return f"Kling knows its id until {output.id_dies_at:%d %B %Y %H:%M} UTC only"
        if output.conn_id is not None and not self._is_our_account(output.conn_id):
            return f"its id is known in the account of connection {output.conn_id} only"
        return None


def _name_wanted(marker: Target) -> str:
    if isinstance(marker, ResultId):
        return f"the result of a task that made a {marker.output_type}"
    return {"image": "an image", "video": "a video", "audio": "a sound"}[marker.kind]


def is_sequence(value: object) -> bool:
    """Tell whether a value is several, such as the output of a mapped task."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
