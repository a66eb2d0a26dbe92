# SPDX-License-Identifier: Apache-2.0
"""A video with English subtitles, and the subtitles as files: ``/solutions/drama_subtitle``.

The sandbox hears nothing: its lines are the translations of the glossary, else some of its own, each shown as long as
``target_cps`` says. The price is not published: the sandbox takes a tenth of a video unit for each begun ten seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.files import TextFile
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.media.subtitles import Look, SubbedFile, build_ass, build_cues, build_srt
from kling_provider.sandbox.products import solution_sources, solutions
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, RenderedOutput
from kling_provider.sandbox.products.solution_video import SolutionProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_MOST_TERMS = 200
_LONGEST_TERM = 100
_COUNTS = {"source_video": (1, 1), "glossary": (0, _MOST_TERMS)}
_LINES = ("Where have you been?", "I missed the last train.", "Come in, the tea is still hot.")
_BLOCK_SECONDS = 10
_BLOCK_UNITS = Decimal("0.1")
_PORTRAIT, _LANDSCAPE = (340, 60), (80, 56)
"""Margin below the lines and size of their letters, in pixels (documented)."""


class DramaSubtitleProduct(SolutionProduct):
    """``POST /solutions/drama_subtitle``; it has no watermark."""

    name = "drama-subtitle"
    standard_path = "/solutions/drama_subtitle"
    calls_back_at_end_only = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body; what generation finds in the video is said in the page's sentences."""
        fields = Fields(body)
        terms = _count_terms(fields)
        if terms > _MOST_TERMS:  # documented
            raise InvalidParameter(f"Glossary exceeds the limit of {_MOST_TERMS} entries.")
        contents = solutions.Contents(fields, _COUNTS)
        contents.read_urls("source_video")
        contents.read_texts("glossary", _LONGEST_TERM, "source")
        lines = contents.read_texts("glossary", _LONGEST_TERM, "target") or list(_LINES)
        settings = fields.read_object("settings")
        settings.read_choice("target_language", ("en",), "en")
        return CreateRequest(
            product=self.name,
            model="drama_subtitle",
            model_name="drama_subtitle",
            prompt=" / ".join(lines[:3]),
            settings={
                "lines": lines,
                "target_cps": solutions.read_limited_integer(settings, "target_cps", 10, 20, 17),
                "margin_v": solutions.read_limited_integer(settings, "margin_v", 1, 4096, None),
                "font_size": solutions.read_limited_integer(settings, "font_size", 1, 512, None),
                "video": None,
            },
            **solutions.read_options(fields, watermark=None),
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Look at the video: its shape decides where the lines stand and how large they are."""
        (url,) = solutions.Contents(Fields(request.body), _COUNTS).read_urls("source_video")
        video = library.read_video(url, "source_video.url")
        margin_v, font_size = _PORTRAIT if video.height > video.width else _LANDSCAPE
        settings = {
            **request.settings,
            "margin_v": request.settings["margin_v"] or margin_v,
            "font_size": request.settings["font_size"] or font_size,
            "video": video.to_json(),
        }
        return replace(request, settings=settings, failure_message=solution_sources.find_drama_fault(video))

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return a tenth of a unit for each begun ten seconds; nothing before the video is known."""
        kept = request.settings["video"]
        seconds = solution_sources.compute_seconds(Source.from_json(kept)) if kept else 0
        return _BLOCK_UNITS * -(-seconds // _BLOCK_SECONDS)

    def count_outputs(self, request: CreateRequest) -> int:
        """Return three: the video and two files of subtitles."""
        return 3

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the video and its subtitles in both formats."""
        settings = task.request.settings
        video = Source.from_json(settings["video"])
        cues = build_cues(settings["lines"], seconds=video.seconds, letters_per_second=settings["target_cps"])
        look = Look(
            width=video.width,
            height=video.height,
            font_size=settings["font_size"],
            margin_v=settings["margin_v"],
        )
        subbed = SubbedFile(source=video, cues=cues, look=look)
        files: list[SubbedFile | TextFile] = [subbed, build_srt(cues), build_ass(cues, look)]
        links = [
            Link(f"{name}{file.file_suffix}", file) for name, file in zip(task.output_ids, files, strict=True)
        ]
        return [
            _build_output("subbed_video", url=links[0], duration=subbed.wire_duration),
            _build_output("srt", url=links[1]),
            _build_output("ass", url=links[2]),
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return the reading speed."""
        return f"{request.settings['target_cps']} letters a second"


def _count_terms(fields: Fields) -> int:
    entries = fields.read_list("contents")
    return sum(isinstance(entry, dict) and entry.get("type") == "glossary" for entry in entries)


def _build_output(kind: str, **fields: Link | str) -> RenderedOutput:
    return RenderedOutput(type=kind, standard=fields, legacy={}, legacy_list="videos")
