# SPDX-License-Identifier: Apache-2.0
"""When each task instance changed its state, to the millisecond: Airflow keeps a part of that only.

A trigger of PostgreSQL writes it down as it happens. Looking again and again would cost what is to be measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg2
from sqlalchemy.engine import make_url

_INSTALL = """
CREATE TABLE bench_history (
    at timestamptz NOT NULL, run_id text, task_id text, map_index int, before text, after text
);
CREATE FUNCTION bench_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bench_history VALUES (
        clock_timestamp(), NEW.run_id, NEW.task_id, NEW.map_index, OLD.state, NEW.state
    );
    RETURN NULL;
END $$;
CREATE TRIGGER bench_note AFTER UPDATE ON task_instance
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION bench_note();
"""
_READ = """
SELECT extract(epoch FROM at)::float, task_id, map_index, before, after
FROM bench_history WHERE run_id = %s ORDER BY at
"""


@dataclass
class Instance:
    """What one task instance went through: pairs of a moment (epoch seconds) and the state that began then."""

    task_id: str
    map_index: int
    states: list[tuple[float, str | None]] = field(default_factory=list)

    @property
    def last(self) -> str | None:
        """Return the state that it ended with."""
        return self.states[-1][1] if self.states else None

    @property
    def ended(self) -> float:
        """Return when its last state began."""
        return self.states[-1][0]

    def spans(self, state: str) -> Iterator[tuple[float, float]]:
        """Yield begin and end of each time that it was in a state."""
        for (begin, now), (end, _) in zip(self.states, self.states[1:], strict=False):
            if now == state:
                yield begin, end

    def seconds(self, state: str) -> float:
        """Return how long it was in a state, all in all."""
        return sum(end - begin for begin, end in self.spans(state))

    def left(self, state: str, after: float) -> float | None:
        """Return when it left a state for the first time after a moment; None where it did not."""
        return next((end for _, end in self.spans(state) if end >= after), None)


def install(url: str) -> None:
    """Begin to write down.

    :param url: the SQLAlchemy address of the metadata database, on PostgreSQL.
    """
    _execute(url, _INSTALL)


def read(url: str, run_id: str) -> list[Instance]:
    """Return the instances of a run that changed their state."""
    found: dict[tuple[str, int], Instance] = defaultdict(lambda: Instance("", -1))
    for at, task_id, map_index, before, after in _execute(url, _READ, (run_id,)):
        one = found[task_id, map_index]
        one.task_id, one.map_index = task_id, map_index
        if not one.states:
            one.states.append((at, before))
        one.states.append((at, after))
    return list(found.values())


def _execute(url: str, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
    parts = make_url(url)
    connection = psycopg2.connect(
        host=parts.host, port=parts.port, user=parts.username, dbname=parts.database
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
