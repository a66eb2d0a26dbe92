# SPDX-License-Identifier: Apache-2.0
"""One fault as data: what goes wrong, what is done meanwhile, what must come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.stage import Stage

#: Seconds of a video that does not end by itself: it renders until all that a scenario wants to see waiting wait.
HELD = 3600.0


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What must come out; ``None`` means "whatever it was", the rest are exact."""

    #: Airflow task instances that are failed in the end.
    failed: int | None = 0
    #: Videos without a delivery, because Kling made none or a person was asked.
    undelivered: int = 0
    #: Tasks at Kling; by default one per wanted video and one per task that Kling failed and that was replaced.
    tasks: int | None = None
    #: Calls that reached Kling.
    most_creates: int | None = None
    #: How often one wanted video may have been paid: three times where Kling answers at once (``docs/guarantees.md``). Then the
    #: number of tasks is not told in advance, and what is paid beyond one is shown as a duplicate.
    most_paid: int = 1
    #: Wanted videos that were paid, and are in nobody's hands.
    lost: int = 0
    #: Outputs of each result.
    outputs: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """One line of the table.

    :param name: on the command line.
    :param fault: in the table.
    :param play: what is done, from the start of the run to its end; by default a run of ``dag`` and its end.
    :param faults: the sandbox's rules from the start.
    :param sandbox: its options; a video takes two seconds, and there is room for all of them.
    :param extra: extras of the Airflow connection.
    :param files: delivered means a saved file, not a result.
    :param request: what each request has beside its name and its words; a type without seconds gets none.
    :param text_field: the field of its words.
    :param copies: how many intended videos have the same prompt.
    :param lists: how many lists of ``videos`` prompts there are.
    :param alone: played after the others, one at a time: it measures, or kills what they share.
    :param postgres: needs Airflow on PostgreSQL.
    """

    name: str
    fault: str
    play: Callable[[Stage], None] | None = None
    dag: str = "pay"
    files: bool = False
    videos: int = 20
    copies: int = 1
    lists: int = 1
    faults: Sequence[Mapping[str, Any]] = ()
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    text_field: str = "prompt"
    expect: Expect = field(default_factory=Expect)
    alone: bool = False
    postgres: bool = False
    timeout: float = 600

    @property
    def wanted(self) -> int:
        return self.videos * self.copies * self.lists
