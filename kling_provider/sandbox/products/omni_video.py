# SPDX-License-Identifier: Apache-2.0
"""A video from a prompt with references to images, elements and another video."""

from __future__ import annotations

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.products import legacy_omni, omni_rules, standard_video
from kling_provider.sandbox.products.entries import find_entry
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.models import MODELS, OMNI
from kling_provider.sandbox.products.video import VideoProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class OmniVideoProduct(VideoProduct):
    """``POST /omni-video/{model}`` and ``/v1/videos/omni-video``."""

    name = OMNI
    standard_path = "/omni-video/{model}"
    legacy_path = "/v1/videos/omni-video"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        if dialect == "standard":
            return standard_video.read_create(OMNI, model, body)
        return legacy_omni.read_create(body, lenient=lenient)

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Look elements up: the standard design at create (observed), the legacy one at generation."""
        if request.dialect == "standard":
            elements = [find_entry(library, "element", element_id) for element_id in request.elements]
            for element_id, element in zip(request.elements, elements, strict=True):
                if element is None:
                    raise InvalidParameter(f"Element id not found: {element_id}")  # observed
            characters = sum(element is not None and element.is_character for element in elements)
            omni_rules.check_characters(
                MODELS[request.model], standard_video.count_contents(request.body), characters
            )
        return super().resolve_inputs(request, library)
