"""Put a matplotlib SVG inside an HTML page: ids of its own, colours that follow the page."""

from __future__ import annotations

import html
import re

from hatstats.report.figures.style import (
    BAND,
    FAMILY_LOOK,
    INK,
    MUTED,
    OTHER_LOOK,
    PAPER,
    RULE,
    TREND,
)

#: Colour in the file -> name of the page's CSS variable.
COLOURS = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    TREND: "trend",
    BAND: "band",
    OTHER_LOOK[0]: "family-other",
    **{colour: f"family-{place}" for place, (colour, _) in enumerate(FAMILY_LOOK)},
}


def inline_svg(svg: str, *, prefix: str, alt: str) -> str:
    """Turn the text of an SVG file into an element for an HTML page.

    Parameters
    ----------
    svg : str
        File as matplotlib writes it.
    prefix : str
        Put before every id, so that several figures can share a page.
    alt : str
        Description for screen readers.

    Returns
    -------
    str
        An ``<svg>`` element that scales with its container. Known colours become CSS variables
        with the colour itself as fallback; coordinates of paths are cut to two decimals.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    body = re.sub(r' d="[^"]+"', _shorter, body)
    for colour, name in COLOURS.items():
        body = body.replace(f"{colour}", f"var(--{name}, {colour})")
    width, height = _size(body)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(alt)}" '
        f'style="width:100%;max-width:{1.75 * width:.0f}px;height:auto">'
    )
    return opening + body[body.index(">") + 1 :].strip()


def _shorter(path: re.Match[str]) -> str:
    """Cut the coordinates of one path; scales in transforms must keep their digits."""
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", path[0])


def _size(svg: str) -> tuple[float, float]:
    """Width and height of the drawing in points."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if found is None:
        raise ValueError("this is no SVG as matplotlib writes it: it has no viewBox")
    return float(found[1]), float(found[2])
