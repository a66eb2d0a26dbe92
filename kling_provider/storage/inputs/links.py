# SPDX-License-Identifier: Apache-2.0
"""Signed links to inputs that Kling takes by URL only and that lie in an object store.

A link grants access to the file, so it is made just before the paid call, and is never logged, stored or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kling_provider.api.problems import Problem
from kling_provider.api.redaction import redact_urls, shorten
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import is_web_url
from kling_provider.exceptions import KlingRequestError
from kling_provider.storage.failures import as_os_error, as_storage_error
from kling_provider.storage.inputs.values import Refused, parse_path
from kling_provider.storage.stores import is_local

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Seconds that a link lives: Kling gets the file when it begins to render, which may be hours after the call at a full host.
_LIFETIME = 24 * 3600
WAYS_OUT = (
    "Kling takes it by URL only; copy it to an object store that signs links (S3, GCS, Azure) and write that path, "
    "or write an https URL"
)


def sign_links(request: KlingRequest, paths: Mapping[str, str]) -> KlingRequest:
    """Return a copy of ``request`` with signed links, to be sent now.

    :param paths: the paths of files in object stores, by dotted field.
    :raises KlingRequestError: where a store signs no links; nothing was sent.
    :raises KlingStorageError: where a store does not answer; a retry may help.
    """
    links = {}
    for field, value in paths.items():
        try:
            links[field] = sign_link(parse_path(value, None))
        except Refused as refused:
            raise KlingRequestError.of_problems([Problem(field, None, str(refused))]) from None
    return request.with_inputs(links)


def sign_link(path: ObjectStoragePath) -> str:
    """Return a signed link to a file in an object store.

    :raises Refused: where it is no such file, or the store signs none.
    :raises KlingStorageError: where the store does not answer.
    """
    shown, reason = shorten(str(path)), ""
    link: str | None = None
    if is_local(path):
        raise Refused(f"{shown} must not be a path of the worker: {WAYS_OUT}")
    with as_storage_error(f"sign a link to {shown}"), as_os_error():
        try:
            link = path.fs.sign(path.path, expiration=_LIFETIME)
        except NotImplementedError:
            pass
        except (AttributeError, ValueError) as error:
            # Google's store signs with the key of a service account, and has no other way.
            reason = redact_urls(error)[:200]
    if reason:
        raise Refused(f"{shown} gets no signed link from its store ({reason}): {WAYS_OUT}")
    if link is None or not is_web_url(link):
        raise Refused(f"{shown} is in a store that signs no links: {WAYS_OUT}")
    return link
