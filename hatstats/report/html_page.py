"""One self-contained HTML page: the key results first, then everything behind it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from hatstats.report.figures.run_figures import Drawn
from hatstats.report.figures.style import COLOURS, PRESETS
from hatstats.report.manifest import Origin
from hatstats.report.results.results import Results
from hatstats.report.tables import rounding
from hatstats.report.tables.run_tables import Shown
from hatstats.report.tables.text_table import to_html

#: Functions of `rounding` by which the template writes numbers and names.
_FILTERS = ("count_text", "decimals", "df_text", "number_text", "p_text", "percent_text",
            "plain_text", "words")  # fmt: skip


def report_page(
    results: Results, figures: Sequence[tuple[Drawn, str]], tables: Sequence[Shown], origin: Origin
) -> str:
    """Write the page, from figures with the text of their SVG files.

    The HTML has its style and figures inside; it asks for nothing from elsewhere. Figures
    bring their captions and what they show for those who cannot see them.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hatstats.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(rounding, name) for name in _FILTERS}
    return environment.get_template("report.html").render(
        results=results,
        info=results.info,
        facts=results.facts,
        level=f"{100.0 * results.conf_level:g} %",
        pictures={drawn.name: (drawn, svg) for drawn, svg in figures},
        inline_svg=inline_svg,
        column=PRESETS["acl"].column + 0.1,
        tables={table.name: (table.caption, Markup(to_html(table.table))) for table in tables},
        origin=origin,
    )


def inline_svg(svg: str, *, prefix: str, alt: str) -> Markup:
    """Turn the text of an SVG file, as matplotlib writes it, into an element of an HTML page.

    `prefix` is put before every id, so that several figures can share a page; `alt` is the
    description for screen readers. The element scales with its container. Known colours become
    CSS variables with the colour itself as fallback; coordinates of paths are cut to two decimals.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", body)
    # Coordinates of paths are cut; scales in transforms must keep their digits.
    body = re.sub(r' d="[^"]+"', lambda path: re.sub(r"(\d+\.\d{2})\d+", r"\1", path[0]), body)
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
