"""What a terminal shows: a progress bar, wrapped text, tables, JSON."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from hatstats.report.tables.text_table import Table

#: Sentences are wrapped to so many characters; tables take the width that a terminal has.
WIDTH = 80


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A callable (what, share from 0 to 1) that moves a bar, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<40.40}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def in_flags(text: str) -> str:
    """A text with the keywords of `convert_logs` as the flags of `hatstats convert`."""

    def flags(match: re.Match[str]) -> str:
        pairs = re.findall(r"""(['"])(.*?)\1:\s+(['"])(.*?)\3""", match[2], flags=re.DOTALL)
        flag = {"settings": "--set", "fields": "--map"}[match[1]]
        parts = []
        for name, value in ((name, " ".join(value.split())) for _, name, _, value in pairs):
            own = {"source_language": "--source", "chance": "--chance"}.get(name)
            parts.append(f"{own} {shlex.quote(value)}" if own else
                         f"{flag} {shlex.quote(f'{name}={value}')}")  # fmt: skip
        return " ".join(parts)

    text = re.sub(r"(settings|fields)=\{((?:[^{}]|\{\w*\})*)\}", flags, text)
    text = re.sub(r"\b(format|backend)='(plain|duckdb)'", r"--\1 \2", text)
    text = re.sub(
        r"Study\.from_frame\(pandas\.read_csv\(('[^']*'|\"[^\"]*\")\), source='en'\)",
        lambda found: f"hatstats convert {shlex.quote(found[1][1:-1])} --out FOLDER",
        text,
    )
    text = re.sub(r"as in Study\.from_frame\(df, source='en'\)", "as in --source en", text)
    text = re.sub(r"\b(method|reference|scope)=(?:'([\w:.-]+)'|('[^']+'))", r"--\1 \2\3", text)
    return text.replace("strict=True", "--strict").replace(
        "--format plain, --map", "--format plain --map"
    )


def print_json(value: object) -> None:
    """Print a value as JSON: frames as lists of rows, unknown numbers as null."""
    from hatstats.report.manifest import json_text

    print_json_text(in_flags(json_text(value)))


def print_json_text(text: str) -> None:
    """Print JSON; where the terminal does not know a letter, all are written as JSON escapes."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text)
    print(text, end="")


def print_tables(*tables: Table, **frames: pd.DataFrame) -> None:
    """Print tables, and frames by the name of their layout, in the width that a terminal has."""
    from hatstats.report.tables.run_tables import table_of

    made = [*tables, *(table_of(name, frame) for name, frame in frames.items())]
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    print("", *(f"{_laid_out(table, width)}\n" for table in made if table.rows), sep="\n")


def _laid_out(table: Table, width: int) -> str:
    """A table as text: texts wrap where they must, numbers never.

    Columns that need not be there are, one after the other, while none has to wrap for them. The
    others go on below where the terminal is too narrow.
    """
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table as Grid
    from rich.text import Text

    def grid(columns: Sequence[int]) -> Grid:
        made = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for n in columns:
            side: Literal["left", "right"] = "right" if table.numeric[n] else "left"
            heading = Text(table.headings[n])
            made.add_column(heading, justify=side, no_wrap=table.numeric[n], overflow="fold")
        above = ""
        for first, *others in table.rows:
            cells = ["" if first == above else first, *others]
            made.add_row(*(Text(cells[n]) for n in columns))
            above = first
        return made

    console = Console(width=width, highlight=False)
    wide = console.options.update(width=10_000)

    def size(columns: Sequence[int]) -> Measurement:
        return Measurement.get(console, wide, grid(columns))

    all_of = len(table.headings)
    least = table.least or all_of
    count = max((n for n in range(least, all_of + 1) if size(range(n)).maximum <= width),
                default=least)  # fmt: skip
    blocks = [list(range(count))]
    if size(blocks[0]).minimum > width:
        # Columns for which there is no room go on below, beside the names of the rows.
        blocks = [[0]]
        for n in range(1, count):
            if len(blocks[-1]) > 1 and size([*blocks[-1], n]).maximum > width:
                blocks.append([0])
            blocks[-1].append(n)
    parts = []
    for block in blocks:
        console.width = max(width, size(block).minimum)
        with console.capture() as written:
            console.print(grid(block))
        parts.append("\n".join(line.rstrip() for line in written.get().splitlines()))
    return "\n\n".join(parts)


def say(text: str) -> None:
    """Print paragraphs of at most `WIDTH` characters a line; indented lines stay as they are."""
    for line in in_flags(text).splitlines():
        whole = len(line) <= WIDTH or line.startswith("    ")
        print(line if whole else textwrap.fill(line, WIDTH, subsequent_indent="  "))
