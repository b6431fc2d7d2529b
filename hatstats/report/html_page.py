"""One self-contained HTML page: the key results first, then everything behind it."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from hatstats.report.figures.run_figures import Drawn
from hatstats.report.figures.style import COLOURS, PRESETS
from hatstats.report.manifest import Origin
from hatstats.report.results.results import Results
from hatstats.report.tables import rounding
from hatstats.report.tables.methods_text import methods_text
from hatstats.report.tables.run_tables import Shown
from hatstats.report.tables.text_table import to_html

#: What intervals say in each scope.
_SCOPES = {
    "these wordings": "if other items had been asked in the same wordings",
    "wordings like these": "if other items had been asked in other wordings",
}
#: Languages that the head of the page names; of more it has the number.
_MOST_NAMED = 16

#: Width of a claim's strip: that of a narrow card in pixels, so that its text is not scaled down.
_STRIP = 170.0

#: Functions of `rounding` by which the template writes numbers and names.
_FILTERS = ("count_text", "decimals", "df_text", "number_text", "p_text", "percent_text",
            "plain_text", "prose", "words")  # fmt: skip


def report_page(
    results: Results, figures: Sequence[tuple[Drawn, str]], tables: Sequence[Shown], origin: Origin
) -> str:
    """Write the page, from figures with the text of their SVG files.

    The HTML has its style, its script and its figures inside; it asks for nothing from elsewhere
    and runs no other script. Figures bring their captions and what they show for those who cannot
    see them.
    """
    script = files("hatstats.report").joinpath("templates", "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shares = results.shares
    letters, pictures = share_letters(
        {
            drawn.name: inline_svg(svg, prefix=f"f{place}", alt=drawn.alt, tips=drawn.tips)
            for place, (drawn, svg) in enumerate(figures)
        }
    )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hatstats.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(rounding, name) for name in _FILTERS}
    return environment.get_template("report.html").render(
        results=results,
        info=results.info,
        facts=results.facts,
        level=f"{100.0 * results.conf_level:g} %",
        scored=_scored(results.facts),
        spoken=_spoken(results.points),
        letters=letters,
        pictures={drawn.name: (drawn, pictures[drawn.name]) for drawn, _ in figures},
        interval_svg=interval_svg,
        shares={name: rows.to_dict("records") for name, rows in shares.groupby("claim")}
        if len(shares)
        else {},
        script=Markup(script),
        script_digest=f"sha256-{digest}",
        column=PRESETS["acl"].column + 0.1,
        tables={table.name: (table.caption, Markup(to_html(table.table))) for table in tables},
        origin=origin,
        said=methods_text(results, origin.versions["hatstats"]),
    )


def _unbroken(text: object) -> object:
    """A text whose per cent signs all stand a space from their number, and on its line."""
    if not isinstance(text, str) or isinstance(text, Markup):
        return text
    return re.sub(r"(?<=\d) ?(?=%)", "\N{NO-BREAK SPACE}", text)


def _scored(facts: Mapping[str, Any]) -> str:
    """How scores were computed, in words and with the names of method, reference and scope."""
    method, reference, scope = (str(facts[name]) for name in ("method", "reference", "scope"))
    return (
        f"Scores are estimated {facts['method_words']} (method {method}) and averaged "
        f"{facts['reference_words']} (reference {reference}); "
        f"their intervals say where they might lie {_SCOPES.get(scope, 'otherwise')} ({scope})."
    )


def _spoken(points: pd.DataFrame) -> str:
    """The target languages by name, where they are few."""
    names = sorted({rounding.english_name(str(tag)) for tag in points["language"]})
    return f": {', '.join(names)}" if len(names) <= _MOST_NAMED else ""


def inline_svg(
    svg: str, *, prefix: str, alt: str, tips: Mapping[str, Sequence[str]] | None = None
) -> Markup:
    """Turn the text of an SVG file, as matplotlib writes it, into an element of an HTML page.

    `prefix` is put before every id, so that several figures can share a page; `alt` is the
    description for screen readers. The element scales with its container. Known colours become
    CSS variables with the colour itself as fallback; coordinates are cut to two decimals.
    `tips` are those of `Drawn`.
    """
    body = with_tips(svg[svg.index("<svg") :], tips or {})
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*(?=<)", "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", body)
    body = re.sub(r' d="[^"]+"', lambda path: re.sub(r"\s*([MLQCz])\s*", r"\1", path[0]), body)
    # Coordinates are cut; scales in transforms must keep their digits.
    places = r' (?:d|x|y)="[^"]+"|translate\([^)]+\)'
    body = re.sub(places, lambda place: re.sub(r"(\d+\.\d{2})\d+", r"\1", place[0]), body)
    for colour, name in COLOURS.items():
        body = body.replace(colour, f"var(--{name}, {colour})")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body)
    if box is None:
        raise ValueError("this is not an SVG as matplotlib writes it: it has no viewBox")
    width, height = float(box[1]), float(box[2])
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(alt)}" '
        f'style="width:100%;max-width:{1.75 * width:.0f}px;height:auto">'
    )
    return Markup(opening + body[body.index(">") + 1 :].strip())


#: A letter as matplotlib draws it; after the prefix of its figure comes its name.
_LETTER = re.compile(r'<path id="([^"]+)" d="([^"]+)" transform="scale\(0\.015625\)"/>')


def share_letters(pictures: Mapping[str, Markup]) -> tuple[Markup, dict[str, Markup]]:
    """Draw each letter once for all figures of a page, which halves what they weigh.

    The first element belongs before the figures; they are the elements of `inline_svg`.
    """
    names: dict[str, str] = {}
    shared = {}
    for figure, text in pictures.items():
        own: dict[str, str] = {}
        for letter, path in _LETTER.findall(text):
            own[letter] = names.setdefault(path, f"l{len(names)}")
        parts = re.split(r'xlink:href="#([^"]+)"', _LETTER.sub("", text))
        parts[1::2] = [f'href="#{own.get(name, name)}"' for name in parts[1::2]]
        shared[figure] = Markup("".join(parts).replace("<defs></defs>", ""))
    scale = 'transform="scale(0.015625)"'
    paths = "".join(f'<path id="{name}" d="{path}" {scale}/>' for path, name in names.items())
    hidden = '<svg aria-hidden="true" width="0" height="0" style="position:absolute"><defs>'
    return Markup(f"{hidden}{paths}</defs></svg>"), shared


_MARK = re.compile(r"<use [^>]*/>|<path [^>]*/>")


def with_tips(svg: str, tips: Mapping[str, Sequence[str]]) -> str:
    """Give each mark of some groups of an SVG a title, which a browser shows under the pointer.

    `tips` has the titles of the marks of each group, by its id. A group whose marks are others
    than those that have titles, since some are outside of the figure, is left as it is.
    """
    for gid, texts in tips.items():
        start = svg.find(f'<g id="{gid}">')
        if start < 0:
            continue
        depth, end = 0, start
        for tag in re.finditer(r"<g\b|</g>", svg[start:]):
            depth += 1 if tag[0] == "<g" else -1
            end = start + tag.end()
            if depth == 0:
                break
        group = svg[start:end]
        shapes = re.sub(r"<defs>.*?</defs>", lambda found: " " * len(found[0]), group, flags=re.S)
        marks = list(_MARK.finditer(shapes))
        if len(marks) != len(texts):
            continue
        parts, done = [], 0
        for mark, text in zip(marks, texts, strict=True):
            title = f"<g><title>{html.escape(text)}</title>{group[mark.start() : mark.end()]}</g>"
            parts += [group[done : mark.start()], title]
            done = mark.end()
        svg = svg[:start] + "".join([*parts, group[done:]]) + svg[end:]
    return svg


def interval_svg(claim: Mapping[str, Any]) -> Markup:
    """Draw a claim's estimate and interval against its threshold, which is a dashed line.

    The side that is claimed is shaded. Empty where the claim has no interval or no threshold.
    """
    names = ("estimate", "conf_low", "conf_high", "threshold")
    estimate, low, high, threshold = (float(claim[name]) for name in names)
    if math.isnan(threshold) or math.isnan(low):
        return Markup("")
    known = [value for value in (estimate, low, high, threshold) if math.isfinite(value)]
    start, width = min(known), max(max(known) - min(known), 1e-9)
    above = claim.get("direction", "greater") == "greater"

    def x(value: float) -> float:
        return 10.0 + (_STRIP - 20.0) * (min(max(value, start), start + width) - start) / width

    bar = f'<line class="bar" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="12" y2="12"/>'
    shown = [rounding.number_text(value) for value in (estimate, low, high)]
    side = f"{'above' if above else 'below'} {rounding.plain_text(threshold)}"
    alt = "estimate {}, interval {} to {}, claimed: ".format(*shown) + side
    mark, said = x(threshold), html.escape(alt)
    shown_at = min(max(mark, 20.0), _STRIP - 20.0)
    return Markup(
        f'<svg class="interval" viewBox="0 0 {_STRIP:.0f} 36" role="img" '
        f'aria-label="{said}"><title>{said}</title>'
        f'<rect class="claimed" x="{mark if above else 0:.1f}" '
        f'y="2" width="{_STRIP - mark if above else mark:.1f}" height="21"/>'
        f'<line class="threshold" x1="{mark:.1f}" x2="{mark:.1f}" y1="2" y2="23"/>'
        f'{bar}<circle cx="{x(estimate):.1f}" cy="12" r="4.5"/>'
        f'<text x="{shown_at:.1f}" y="34">{"&gt;" if above else "&lt;"} '
        f"{rounding.plain_text(threshold)}</text></svg>"
    )
