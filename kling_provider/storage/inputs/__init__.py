# SPDX-License-Identifier: Apache-2.0
"""Images, sounds and videos of a request -> the wire, and what stands for them in identities, logs and records."""

from kling_provider.storage.inputs.checks import check_seconds
from kling_provider.storage.inputs.links import sign_links
from kling_provider.storage.inputs.loading import LoadedInput, load_input, load_inputs
from kling_provider.storage.inputs.shown import list_input_addresses, show_input, shown_inputs, shown_request
from kling_provider.storage.inputs.values import Refused

__all__ = [
    "LoadedInput",
    "Refused",
    "check_seconds",
    "list_input_addresses",
    "load_input",
    "load_inputs",
    "show_input",
    "shown_inputs",
    "shown_request",
    "sign_links",
]
