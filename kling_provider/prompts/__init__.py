# SPDX-License-Identifier: Apache-2.0
"""Prompt files -> requests.

A folder, with its subfolders, or one file. What a file holds depends on its suffix:

* ``.md``: one prompt. The body is the prompt, the YAML head between two ``---`` lines at the very top the other keys.
  Without a head the whole file is the prompt. A single line break in the body is a space, as in Markdown.
* ``.yaml``, ``.yml``, ``.json``: a mapping (one prompt); a list of mappings, or of plain texts; or
  ``{defaults: {…}, prompts: […]}``, whose defaults are for this file. YAML is read by version 1.2.
* ``.jsonl``: one mapping per line.
* ``.csv``: a header of keys, one prompt per row; an empty cell is not given. Comma, semicolon, tab or bar.
* ``.txt``: one prompt per line; empty lines, lines that begin with ``#`` and lines without a letter or digit are skipped.

Files with another suffix, a repository's own files (``README*``, ``LICENSE``, ``CHANGELOG`` …) and everything hidden (a
name that begins with a dot) are passed over. All text is UTF-8. Entries come in the order of their files' paths, then as
they stand in the file. Only regular files below the folder are read; links do not lead out of it.

**Defaults.** ``defaults.yaml`` in a folder is for all entries in it and below; the inner one wins, then the
file's own defaults, then the entry. A default that an entry's ``type`` does not have is left out.

**Names.** A file with one prompt is called by its path without suffix. An entry of a file with several has a
``name``, or is called ``<file>/<first words>-<8 hex of what it asks for>``: so a row that is inserted before
others renames none of them. Names are unique, upper and lower case being the same.

**Several requests of one entry.** ``variants: 3`` makes takes 0, 1 and 2 of the same name (raising it to 4 pays for
one more). ``matrix: {aspect_ratio: ["16:9", "9:16"]}`` makes one entry per combination, called
``<name>/16x9`` and ``<name>/9x16``; a value that is added renames none of the others.

**Images.** A relative ``first_frame``, ``last_frame`` or ``static_mask`` lies beside the file that names it. All of them
lie below the folder that is loaded, or in its bucket; ``inputs_below`` names other places.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["load_prompts"]


def load_prompts(
    path: str | os.PathLike[str],
    *,
    conn_id: str | None = None,
    only: Sequence[str] | str | None = None,
    values: Mapping[str, Any] | None = None,
    inputs_below: Sequence[str | os.PathLike[str]] | str | None = None,
    limit: int = 10_000,
) -> list[dict[str, Any]]:
    """Read prompt files and return requests for ``KlingGenerateOperator.expand(request=…)``, each with its ``name``.

    Call it while the Dag is parsed, inside a task, or as a task: ``task(load_prompts)("dags/prompts")``. Airflow never
    renders Jinja in the requests: while the Dag is parsed they are dicts that its templates leave alone.

    :param path: a folder or a file; a text with ``://`` is an Airflow ``ObjectStoragePath``. A relative one
        is looked for, in a task, beside the Dag's file and in each folder above it, nearest first; then in the
        current directory; then in the Dags folder and the folder that holds it.
    :param conn_id: the id of a ``kling`` connection. When it is given, fields that the API behind it would silently
        ignore are problems as well.
    :param only: the names of the requests to return: a list, or one text with commas between the names, as run
        parameters come. ``*`` and ``?`` match; ``None`` or an empty text means every entry. One of several takes is
        ``<name>.take<n>``.
    :param values: the values that fill ``{{ }}`` in all texts except names, with Jinja in its sandbox and within a limit of time and
        memory. With ``None`` braces stay as they are.
    :param inputs_below: folders and buckets (paths or ``ObjectStoragePath`` texts) that prompt files may name images
        in. By default that is the folder that is loaded, or its bucket; ``[]`` allows no file at all.
    :param limit: the largest number of requests that may be returned, as a guard against mistakes. Airflow itself maps over no
        more than ``[core] max_map_length`` (1,024).
    :raises KlingRequestError: if anything is wrong: with every problem of the folder at once (``problems``), each with
        file, line, key, what was found and what is allowed. Nothing was sent.
    :return: one mapping per request, of JSON values only, in the order of the files and of the entries in them.
    """
    # Here and not above: Dag files import this module each time they are parsed.
    from kling_provider.prompts.load import load_requests

    return load_requests(
        path, conn_id=conn_id, only=only, values=values, inputs_below=inputs_below, limit=limit
    )
