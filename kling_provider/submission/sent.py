# SPDX-License-Identifier: Apache-2.0
"""The facts of a submitted request, which are stored with the task that waits for it.

Airflow renders the fields of a task again when it resumes or is retried. By then a Variable, the Dag file or a mapped list
may have changed, while Kling renders what was sent. So a resume takes these facts and computes nothing anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from kling_provider.api.catalog import find_spec
from kling_provider.api.requests.base import Summary
from kling_provider.api.tasks import Billing, KlingTask
from kling_provider.submission.steps import SubmissionRecord, Submitted

#: Bytes of the JSON, at most. It is stored in Airflow's database with every waiting task.
LARGEST = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class OutputPlace:
    """Where the files of a request go: the folder as its author wrote it, and how they are named.

    :param stem: the file's path below the folder without suffix, once it was claimed.
    """

    destination: str
    filename: str
    conn_id: str | None = None
    replace: bool = False
    stem: str | None = None


@dataclass(frozen=True, kw_only=True)
class SentRequest:
    """One submitted request, fit to be stored and shown: no bytes, no signed link, no callback URL.

    :param identity: what makes it the same result, whatever the attempt (``Identity.key``).
    :param shown: the request as its author wrote it, made presentable.
    :param input_urls: where the inputs are, without what grants access.
    :param own_external_task_id: the user's own id, if the request carries one.
    :param adopt: the Kling task that the request names to take over.
    :param locked: Kling itself refuses a second task for it.
    :param mapped: its task instance is one of several of a mapped task.
    :param external_task_id: the id that was sent with it; some hosts do not repeat it in their responses.
    """

    identity: str
    kling_conn_id: str
    pay_once_per: str
    type: str
    model: str | None = None
    name: str | None = None
    prompt: str | None = None
    take: int = 0
    duration: int | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    audio: str | None = None
    shown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    input_urls: tuple[str, ...] = ()
    place: OutputPlace | None = None
    own_external_task_id: str | None = None
    adopt: str | None = None
    locked: bool = True
    mapped: bool = False
    external_task_id: str | None = None
    #: Units that the host took, where it says so when it makes the task and never again; decimal text.
    units_taken: str | None = None
    #: How often it was sent, of a type that Kling answers at once; ``None`` for tasks.
    times_sent: int | None = None

    @property
    def is_account_wide(self) -> bool:
        """Return whether other Dags may have paid for it."""
        return self.pay_once_per == "account" or self.own_external_task_id is not None

    @property
    def is_shared(self) -> bool:
        """Return whether other task instances may have paid for it."""
        return self.pay_once_per != "run" or self.is_account_wide

    @property
    def is_remembered(self) -> bool:
        """Return whether it is remembered by its identity, beside the record of its task instance.

        Without a lock that is also what a list paid within one run: where it shifts (a prompt file comes before the
        others) and the run is cleared, each mapped instance has the request of another one.
        """
        return self.is_shared or (self.mapped and self.name is not None and not self.locked)

    @property
    def memory_key(self) -> str:
        """Return the key under which runs remember it: under the user's own id there can be one request only."""
        return self.own_external_task_id or self.identity

    @property
    def summary(self) -> Summary:
        """Return the request in a few facts, as :attr:`KlingRequest.summary` gives it."""
        return Summary(self.prompt, self.duration, self.resolution, self.aspect_ratio, self.audio)

    @property
    def label(self) -> str:
        """Return the request in a few words, for messages."""
        if self.name:
            return f"{self._noun} {self.name!r}"
        prompt = " ".join((self.prompt or "").split())
        if not prompt:
            return f"the {self.type} request without a prompt"
        return f"{self._noun} {prompt[:40] + '…' if len(prompt) > 40 else prompt!r}"

    @property
    def _noun(self) -> str:
        spec = find_spec(self.type)
        return "result" if spec is None else spec.noun

    def with_outcome(self, done: Submitted) -> SentRequest:
        """Return a copy with what is known once a task was made or found."""
        task = done.task
        # An ended task says itself what it cost, whenever it is read.
        told = () if task.status.ended else task.billing
        units = next((str(one.amount) for one in told if one.charge_type == "unit"), None)
        return replace(
            self,
            # Some hosts do not repeat it.
            external_task_id=done.external_task_id,
            units_taken=units or self.units_taken,
            times_sent=done.times_sent,
        )

    def complete_billing(self, task: KlingTask) -> KlingTask:
        """Return the task with the units that were taken when it was made, where it does not say what it cost."""
        if task.billing or not self.units_taken:
            return task
        return replace(task, billing=(Billing("unit", Decimal(self.units_taken)),))

    def to_json(self) -> dict[str, Any]:
        """Return this request as JSON of at most :data:`LARGEST` bytes; longer texts are cut, and say so."""
        known = {key: value for key, value in asdict(self).items() if value not in (None, (), {})}
        # The prompt stands in both, as a rule: it is stored once.
        if known.get("shown", {}).get("prompt") == self.prompt:
            known.pop("prompt", None)
        return dict(fit_to_store(known))

    @classmethod
    def from_json(cls, value: Any) -> SentRequest | None:
        """Read what :meth:`to_json` gave, of this version or another one; ``None`` where it is none."""
        if not isinstance(value, Mapping):
            return None
        names = {one.name for one in fields(cls)}
        known = {key: item for key, item in value.items() if key in names}
        shown = known.get("shown") or {}
        known.setdefault("prompt", shown.get("prompt"))
        known["input_urls"] = tuple(known.get("input_urls") or ())
        if isinstance(place := known.get("place"), Mapping):
            places = {one.name for one in fields(OutputPlace)}
            known["place"] = OutputPlace(**{key: item for key, item in place.items() if key in places})
        try:
            return cls(**known)
        except TypeError:  # without what it cannot be without
            return None


def read_sent_request(record: SubmissionRecord | None) -> SentRequest | None:
    """Read what the try that left ``record`` submitted; ``None`` where the record does not say."""
    return SentRequest.from_json(record.get("sent")) if record is not None else None


def fit_to_store(value: Any) -> Any:
    """Return ``value`` as JSON of at most :data:`LARGEST` bytes: its longest texts are cut, and say so."""
    whole = json.loads(json.dumps(value, default=str))
    longest = LARGEST // 2
    while len(json.dumps(whole, ensure_ascii=False).encode()) > LARGEST and longest >= 16:
        whole, longest = _cut_texts(whole, longest), longest // 2
    return whole


def explain_another_result(sent: SentRequest) -> str:
    """Explain what to change for another, paid result. A new ``take`` does nothing beside an id that names one task."""
    if sent.adopt:
        return "remove adopt from the request"
    if sent.own_external_task_id:
        return "choose another external_task_id, or leave it out"
    return f"raise take (now {sent.take})"


def _cut_texts(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        if len(value) <= longest:
            return value
        return f"{value[:longest]}… (cut, {len(value)} characters)"
    if isinstance(value, dict):
        return {key: _cut_texts(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_texts(item, longest) for item in value]
    return value
