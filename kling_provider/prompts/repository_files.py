# SPDX-License-Identifier: Apache-2.0
"""What lies beside prompts in a repository, and is no prompt."""

from __future__ import annotations

import re

#: What a repository has beside its prompts. The second group holds everyday words, so only their usual form counts.
_USUAL = re.compile(
    r"readme(?![a-z]).*"
    r"|(licen[sc]e|changelog|contributing|contributors|code[_-]of[_-]conduct|codeowners|maintainers|copying)"
    r"([._-]([a-z]{2}([_-][a-z]{2,4})?|mit|apache.*|bsd.*|[al]?gpl.*|cc.*))?",
    re.IGNORECASE,
)
_USUAL_IN_CAPITALS = re.compile(
    r"(HISTORY|CHANGES|RELEASES|SECURITY|SUPPORT|GOVERNANCE|AUTHORS|CREDITS|NOTICE|INSTALL|TODO|ROADMAP|FAQ|AGENTS|CLAUDE)"
    r"([._-][A-Za-z]{2}([_-][A-Za-z]{2,4})?)?"
)
_USUAL_FILES = frozenset(
    {
        *("requirements.txt", "requirements-dev.txt", "constraints.txt", "cmakelists.txt", "robots.txt"),
        *("package.json", "package-lock.json", "composer.json", "tsconfig.json", "mkdocs.yml", "mkdocs.yaml"),
        *(
            "docker-compose.yml",
            "docker-compose.yaml",
            "compose.yaml",
            "airflow_settings.yaml",
            "_config.yml",
        ),
    }
)


def is_repository_file(name: str) -> bool:
    """Say whether a file of this name belongs to the repository (README, licence …), in any language."""
    stem, dot, _ = name.rpartition(".")
    if name.lower() in _USUAL_FILES:
        return True
    return bool(dot and (_USUAL.fullmatch(stem) or _USUAL_IN_CAPITALS.fullmatch(stem)))
