# SPDX-License-Identifier: Apache-2.0
"""What settings of operators, sensors and triggers may be: one rule per kind of setting.

Nothing heavy is imported here: every worker start parses the Dag file.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from numbers import Integral, Real
from pathlib import PurePath
from reprlib import Repr
from typing import Any, NamedTuple

from kling_provider.api.suggestions import suggest
from kling_provider.file_names import parse_template

#: The longest wait that makes sense: Kling forgets a task after 30 days.
_LONGEST_WAIT = timedelta(days=30)
#: Seconds between two reads of one task, where neither a Dag says otherwise nor what was learned of such tasks.
POLL_INTERVAL = 10.0
#: The shortest time between two reads of one task, in seconds. All waiting tasks share the triggerer and the account.
_SHORTEST_POLL = 1.0
_LONGEST_POLL = timedelta(days=1)
#: What Jinja begins with.
_JINJA = ("{{", "{%", "{#")
#: For messages: what was found may be anything, of any size.
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class Argument(NamedTuple):
    """What one setting may be.

    :param must: continues "must be", for people.
    :param read: the value as it is used from here on; raises ``ValueError`` for what it may not be.
    :param words: what may be written, for suggestions.
    """

    must: str
    read: Callable[[Any], Any]
    words: Sequence[str] = ()


#: Settings that had another name in an earlier release, and what they are called.
_RENAMED = {"slot_timeout": "queue_timeout"}


def refuse_old_names(owner: str, given: Iterable[str]) -> None:
    """Refuse settings by the names of an earlier release, which Airflow would call invalid without a word why.

    :param owner: whose settings they are, for the message.
    :raises KlingRequestError: naming the new names.
    """
    old = [f"{name} is called {_RENAMED[name]} now." for name in given if name in _RENAMED]
    if old:
        from kling_provider.exceptions import KlingRequestError

        raise KlingRequestError(f"{owner}: {' '.join(old)}")


def accept_word(*allowed: str, optional: bool = False) -> Argument:
    """Accept one of a few words."""

    def read_value(value: Any) -> str | None:
        if (value is None and optional) or (isinstance(value, str) and value in allowed):
            return value
        raise ValueError

    return Argument(
        f"one of {', '.join(map(repr, allowed))}{' or None' if optional else ''}", read_value, allowed
    )


def accept_duration(
    *, at_least: float = 0.0, at_most: timedelta = _LONGEST_WAIT, zero: bool = False
) -> Argument:
    """Accept seconds, or a ``timedelta``, and read them as seconds.

    :param at_least: the shortest, in seconds.
    :param at_most: the longest, in whole days.
    :param zero: accept 0, too.
    """
    longest = at_most.total_seconds()

    def read_value(value: Any) -> float:
        seconds = value.total_seconds() if isinstance(value, timedelta) else _read_number(value)
        if not at_least <= seconds <= longest or not (seconds or zero):
            raise ValueError
        return seconds

    if at_least:
        least = f"at least {at_least:g} s"
    else:
        least = "0 or more" if zero else "above 0"
    days = f"{at_most.days} {'day' if at_most.days == 1 else 'days'}"
    return Argument(f"seconds (a number) or a timedelta, {least} and at most {days}", read_value)


def accept_interval(*, optional: bool = False) -> Argument:
    """Accept the seconds between two reads of one task.

    :param optional: accept ``None``, too.
    """
    interval = accept_duration(at_least=_SHORTEST_POLL, at_most=_LONGEST_POLL)
    if not optional:
        return interval
    return Argument(
        f"{interval.must}, or None", lambda value: None if value is None else interval.read(value)
    )


def accept_amount() -> Argument:
    """Accept a number of units or dollars, or ``None``."""

    def read_value(value: Any) -> Any:
        if value is not None and _read_number(value) < 0:
            raise ValueError
        return value

    return Argument("a number, 0 or more, or None", read_value)


def accept_count() -> Argument:
    """Accept a whole number that is 0 or more, or ``None``."""

    def read_value(value: Any) -> Any:
        if value is None:
            return value
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
            raise ValueError
        return value

    return Argument("a whole number, 0 or more, or None", read_value)


def accept_flag() -> Argument:
    """Accept ``True`` or ``False``, also as text, which would otherwise count as true whatever it says."""

    def read_value(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        raise ValueError

    return Argument("True or False", read_value)


def accept_text(what: str, *, optional: bool = False) -> Argument:
    """Accept a text that is not empty.

    :param what: continues "must be": ``"the id of a connection"``.
    """

    def read_value(value: Any) -> Any:
        if (value is None and optional) or (isinstance(value, str) and value.strip()):
            return value
        raise ValueError

    return Argument(f"{what}{' or None' if optional else ''}", read_value)


def accept_folder(*, optional: bool = False) -> Argument:
    """Accept a folder, and read it as text, so that Airflow renders the Jinja in it."""

    def read_value(value: Any) -> str | None:
        if value is None and optional:
            return None
        if isinstance(value, str) and value.strip():
            return value
        # An ObjectStoragePath is no PathLike, and importing it takes long.
        if isinstance(value, PurePath) or (hasattr(value, "conn_id") and hasattr(value, "with_suffix")):
            return str(value)
        raise ValueError

    return Argument(
        f"a folder: text, a Path or an ObjectStoragePath{', or None' if optional else ''}", read_value
    )


def accept_file_name(places: Sequence[str], *, optional: bool = False) -> Argument:
    """Accept the name of a file without suffix.

    :param places: the names that it may hold in braces.
    """

    def read_value(value: Any) -> str | None:
        if value is None and optional:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # what a name like 2024 becomes under native rendering
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        parse_template(value, places)
        return value

    return Argument(f"a file name without suffix{', or None' if optional else ''}", read_value)


def accept_request(*, optional: bool = False) -> Argument:
    """Accept one request; its fields are checked later."""

    def read_value(value: Any) -> Any:
        if isinstance(value, Mapping) or (value is None and optional):
            return value
        raise ValueError

    must = "a mapping such as {'prompt': 'A red panda'} (of a model: model.model_dump(exclude_unset=True))"
    return Argument(f"{must}{', or None' if optional else ''}", read_value)


def accept_inputs() -> Argument:
    """Accept results of other tasks by the field that takes them; they are checked later."""

    def read_value(value: Any) -> Any:
        if value is None or (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
            return value
        raise ValueError

    return Argument(
        "a mapping of fields to results such as {'first_frame': picture.output}, or None", read_value
    )


def with_dicts(value: Any) -> Any:
    """Replace every mapping in ``value`` that is not a dict by one: Airflow renders no templates in other mappings.

    Where there is nothing to replace, the very same object is returned: Airflow recognizes by it what came from an XCom.
    """
    if isinstance(value, Mapping):
        made = {key: with_dicts(item) for key, item in value.items()}
        return value if isinstance(value, dict) and all(made[key] is value[key] for key in value) else made
    if isinstance(value, list):
        items = [with_dicts(item) for item in value]
        return value if all(map(operator.is_, items, value)) else items
    return value


def accept_requests() -> Argument:
    """Accept several requests; their fields are checked later."""

    def read_value(value: Any) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise ValueError
        found = list(value)
        if not all(isinstance(one, Mapping) for one in found):
            raise ValueError
        return found

    return Argument("a list of requests, as load_prompts returns it", read_value)


def accept_texts(what: str, *, optional: bool = False) -> Argument:
    """Accept a list of texts. A single text is refused: it would be read letter by letter.

    :param what: what each of them is: ``"Dag ids"``.
    """

    def read_value(value: Any) -> Any:
        if value is None and optional:
            return value
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise ValueError
        found = list(value)
        if not all(isinstance(one, str) and one.strip() for one in found):
            raise ValueError
        return found

    return Argument(f"a list of {what}{' or None' if optional else ''}", read_value)


def read_arguments(
    owner: str, arguments: Mapping[str, Argument], given: Mapping[str, Any], templated: Iterable[str] = ()
) -> dict[str, Any]:
    """Read those of ``given`` that are among ``arguments`` and known already, in the form that is used from here on.

    :param owner: whose settings they are, for the message.
    :param templated: names whose values may still be Jinja or XComs; those are skipped.
    :raises KlingRequestError: naming every one that is wrong, what it must be and what was found.
    """
    known, wrong = {}, []
    for name, argument in arguments.items():
        if name not in given or (name in templated and not is_known(given[name])):
            continue
        try:
            known[name] = argument.read(given[name])
        except ValueError as error:
            wrong.append(_describe_problem(name, given[name], argument, str(error)))
    if wrong:
        from kling_provider.exceptions import KlingRequestError

        raise KlingRequestError(f"{owner}: {' '.join(wrong)}")
    return known


def is_known(value: Any) -> bool:
    """Tell whether a templated value is final: it holds no XCom and no Jinja, at any depth."""
    if _is_reference(value):
        return False
    if isinstance(value, str):
        return not any(sign in value for sign in _JINJA)
    if isinstance(value, Mapping):
        return all(map(is_known, value.values()))
    return not isinstance(value, list | tuple | set) or all(map(is_known, value))


def poll_seconds(value: Any, default: float | None) -> float | None:
    """Return a valid poll interval in seconds for one from the database, where an error would reach no author.

    :param default: for what is not a number.
    """
    try:
        return min(max(_read_number(value), _SHORTEST_POLL), _LONGEST_POLL.total_seconds())
    except ValueError:
        return default


def _read_number(value: Any) -> float:
    """Read a finite number.

    :raises ValueError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise ValueError
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def _is_reference(value: Any) -> bool:
    """Tell whether a value is an XCom, or what a mapped task group passes to its tasks."""
    return callable(getattr(value, "iter_references", None)) and callable(getattr(value, "resolve", None))


def _describe_problem(name: str, value: Any, argument: Argument, why: str = "") -> str:
    if _is_reference(value):
        found = "the output of another task, which Airflow resolves in templated arguments only"
    else:
        found = _SHORT.repr(value)
    near = suggest(str(value), argument.words) if argument.words else ""
    return f"{name} must be {argument.must}; found {found}{f', which {why}' if why else ''}.{near}"
