# SPDX-License-Identifier: Apache-2.0
"""The result of a task instance: one object, from which XCom, asset event, lineage and log are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kling_provider.api.billing import billing_text
from kling_provider.api.details import fit_details
from kling_provider.api.output_facts import list_image_links, list_plain_facts
from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import KlingTask, Output, TaskStatus
from kling_provider.storage import SavedFile, SavedResult
from kling_provider.storage.inputs import list_input_addresses
from kling_provider.submission.sent import SentRequest

if TYPE_CHECKING:
    from kling_provider.api.requests.base import KlingRequest

#: Of a request, what asset events say beyond the facts of the result.
_ASKED = ("resolution", "aspect_ratio", "audio")


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """A Kling task that a task instance submitted, waited for or saved.

    :param facts: of the result.
    :param status: Kling's word for where it stands.
    :param adopted: whether it was found and not made by a call of this instance; ``None`` where that is not known.
    :param outputs: with Kling's signed links, which belong into the XCom and nowhere else.
    :param saved: the files, if they were saved.
    :param asked: further facts of the request.
    :param input_urls: where the inputs are, without what grants access.
    """

    facts: ResultFacts
    status: str
    adopted: bool | None = None
    outputs: tuple[Output, ...] = field(default=(), repr=False)
    saved: SavedResult | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    input_urls: tuple[str, ...] = ()

    @classmethod
    def of_task(
        cls,
        task: KlingTask,
        request: KlingRequest | SentRequest | None,
        *,
        type: str,
        adopted: bool | None = None,
        saved: SavedResult | None = None,
    ) -> TaskOutcome:
        """Return the outcome of a task that was read at Kling.

        :param request: what was sent, or what the user says that was; ``None`` where that is unknown.
        :param type: the kind of request.
        """
        if isinstance(request, SentRequest):
            task = request.complete_billing(task)
        return cls(
            facts=ResultFacts.of_request(request, type=type).with_task(task),
            status=task.status.value,
            adopted=adopted,
            outputs=task.outputs,
            saved=saved,
            asked=_list_request_facts(request),
            input_urls=_input_urls(request),
        )

    @classmethod
    def of_saved(cls, saved: SavedResult, sent: SentRequest) -> TaskOutcome:
        """Return the outcome of a request whose result was saved earlier: no call was made, so there are no links."""
        return cls(
            facts=saved.manifest,
            status=TaskStatus.SUCCEEDED.value,
            adopted=True,
            outputs=tuple(
                Output(one.type, id=one.id, duration=one.duration, details=one.details)
                for one in saved.manifest.outputs
            ),
            saved=saved,
            asked=_list_request_facts(sent),
            input_urls=sent.input_urls,
        )

    @property
    def files(self) -> list[SavedFile]:
        """Return the saved files, in the order of the outputs."""
        return self.saved.files if self.saved is not None else []

    def _list_numbered_files(self) -> list[tuple[int, SavedFile]]:
        """Return the saved files, each with the number of its output from 0."""
        saved = self.saved
        outputs = saved.manifest.outputs if saved is not None else []
        found = [(index, saved.file_of(one)) for index, one in enumerate(outputs) if saved is not None]
        return [(index, file) for index, file in found if file is not None]

    @property
    def duration(self) -> float | None:
        """Return the duration of the first output that has one, in seconds."""
        return next((one.duration for one in self.outputs if one.duration is not None), None)

    def to_xcom(self, *, conn_id: str | None = None) -> dict[str, Any]:
        """Return the result, one JSON object: the XCom of Generate, Sensor and Download.

        Each output says by itself whose it is, so that it may be the input of another request alone.

        :param conn_id: the connection to Kling, whose account alone knows the ids of the outputs.
        """
        details = fit_details([one.details for one in self.outputs])
        return {
            **self.facts.to_json(),
            "adopted": self.adopted,
            "status": self.status,
            "conn_id": conn_id,
            "outputs": [
                {**self._describe_output(index, one, conn_id), "details": details[index]}
                for index, one in enumerate(self.outputs)
            ],
            "manifest": self.saved.manifest_file if self.saved is not None else None,
        }

    def to_event(self, context: Mapping[str, Any], conn_id: str | None) -> dict[str, Any]:
        """Return the ``extra`` of the asset event (JSON; ``docs/assets.md``). It carries no link and nothing secret.

        :param context: of the task instance that says it.
        :param conn_id: the connection to Kling.
        """
        ti = context["ti"]
        return {
            **self.to_lineage_facts(),
            **self.asked,
            "delivered": self.saved is not None and self.saved.reused,
            "conn_id": conn_id,
            "duration": self.duration,
            "manifest": self.saved.manifest_file if self.saved is not None else None,
            "outputs": [
                {
                    "type": one.type,
                    "id": one.id,
                    "duration": one.duration,
                    "facts": list_plain_facts(one.details),
                    "images": len(list_image_links(one.details)),
                }
                for one in self.outputs
            ],
            "files": [
                {
                    "output": index,
                    "file": one.file,
                    "poster": one.poster_file,
                    "type": one.output.type,
                    "sha256": one.output.sha256,
                    "bytes": one.output.bytes,
                }
                for index, one in self._list_numbered_files()
            ],
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": ti.map_index,
        }

    def to_lineage_facts(self) -> dict[str, Any]:
        """Return the result for the run facet ``kling`` of OpenLineage, in values that JSON can hold."""
        return {**self.facts.to_json(), "adopted": self.adopted}

    def to_log(self) -> list[str]:
        """Return the result in lines, without links."""
        facts, cost = self.facts, billing_text(self.facts.billing)
        lines = [
            f"Kling task {facts.kling_task_id}, external id {facts.external_task_id or 'none'}",
            f"made {facts.created_at}, finished {facts.finished_at}; its link expires {facts.expires_at}",
            f"cost: {cost or 'not said by Kling'}{' (paid earlier)' if self.adopted else ''}",
        ]
        if (facts.times_sent or 1) > 1:
            lines.append(
                f"sent {facts.times_sent} times, as it was unknown whether it was made: each may be billed"
            )
        if self.saved is None:
            return [*lines, "not saved: no destination was given here"]
        for one in self.files:
            lines.append(f"file: {one.file} ({one.output.bytes} bytes, sha256 {one.output.sha256})")
            if one.poster_file:
                lines.append(f"poster: {one.poster_file}")
        return [*lines, f"manifest: {self.saved.manifest_file}"]

    def _describe_output(self, index: int, output: Output, conn_id: str | None) -> dict[str, Any]:
        saved = self.saved
        file = saved.file_of(saved.manifest.outputs[index]) if saved is not None else None
        # By which one output alone is told from the others of its task.
        shares_id = output.id is not None and [one.id for one in self.outputs].count(output.id) > 1
        return {
            "type": output.type,
            "id": output.id,
            "url": output.url,
            "duration": output.duration,
            "watermark_url": output.watermark_url,
            "file": file.file if file is not None else None,
            "poster": file.poster_file if file is not None else None,
            "kling_task_id": self.facts.kling_task_id,
            "made_by": self.facts.type,
            "number": index + 1,
            **({"shares_id": True} if shares_id else {}),
            "finished_at": self.facts.finished_at,
            "expires_at": self.facts.expires_at,
            "conn_id": conn_id,
        }


def _list_request_facts(request: KlingRequest | SentRequest | None) -> dict[str, Any]:
    if request is None:
        return dict.fromkeys(_ASKED)
    summary = request.summary
    return dict(zip(_ASKED, (summary.resolution, summary.aspect_ratio, summary.sound), strict=True))


def _input_urls(request: KlingRequest | SentRequest | None) -> tuple[str, ...]:
    if request is None:
        return ()
    if isinstance(request, SentRequest):
        return request.input_urls
    return tuple(list_input_addresses(request).values())
