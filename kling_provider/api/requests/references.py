# SPDX-License-Identifier: Apache-2.0
"""References in a prompt to what goes in beside it: ``<<<image_1>>>`` on the legacy API, ``@name`` on the standard one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from kling_provider.api.problems import Problem

#: Any word counts: ``<<<img_1>>>`` is a mistake rather than text.
_NUMBERED = re.compile(r"<<<\s*([^\W\d_]\w*?)_(\d+)\s*>>>")
#: Not within a word, as in the address of an e-mail.
_NAMED = re.compile(r"(?<!\w)@(\w[\w-]*)")


def find_wrong_numbers(prompt: str, counts: Mapping[str, int]) -> list[Problem]:
    """Find references by number to something that the request does not have.

    :param counts: how many there are, by the word of the reference: ``{"image": 2}``.
    """
    wrong = [
        found[0] for found in _NUMBERED.finditer(prompt) if not 1 <= int(found[2]) <= counts.get(found[1], 0)
    ]
    if not wrong:
        return []
    here = ", ".join(f"{count} as <<<{word}_1>>> …" for word, count in counts.items() if count) or "none"
    message = (
        f"must refer to what the request has ({here}): {', '.join(dict.fromkeys(wrong))} is not among it"
    )
    return [Problem("prompt", None, message)]


def find_wrong_names(field: str, prompt: str, names: Sequence[str]) -> list[Problem]:
    """Find names that are given twice, and references by name to something that the request does not have.

    Without any name an ``@`` is a sign like others.

    :param field: the field whose parts have the names, for the message.
    """
    found = [
        Problem(field, None, f"must have names (id) that differ: {name!r} is there {count} times")
        for name, count in Counter(names).items()
        if count > 1
    ]
    wrong = [
        one[0] for one in _NAMED.finditer(prompt) if names and not any(one[1].startswith(n) for n in names)
    ]
    if wrong:
        message = (
            f"must refer to names that the request has ({', '.join('@' + name for name in names)}); "
            f"found {', '.join(dict.fromkeys(wrong))}"
        )
        found.append(Problem("prompt", None, message))
    return found
