"use strict";
// Tables that sort, filter and can be copied; sections that open when they are linked to.

const UNKNOWN = new Set(["", "–", "—"]);

/** What a cell sorts by: the number it begins with, an interval's lower end, a date, or its text. */
function sortKey(cell) {
  const text = cell.textContent.trim();
  if (UNKNOWN.has(text)) return null;
  const plain = text.replace(/^[[<≤]\s*/, "").replace(/−/g, "-").replace(/,(?=\d{3})/g, "");
  const scale = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 };
  const found = /^(-?\d*\.?\d+(?:e[+-]?\d+)?)([KMBT]?)(?![\d-])/.exec(plain);
  if (!cell.classList.contains("number") || !found) return text.toLocaleLowerCase();
  return Number(found[1]) * (scale[found[2]] || 1);
}

/** Sort the rows of a table by a column; unknown values stay last in both directions. */
function sortBy(table, column, sign) {
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === typeof b && typeof a === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
  });
  body.append(...keyed.map(([, row]) => row));
}

/** Make each heading of a table a button that sorts by its column, down first for numbers. */
function addSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const first = heading.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const next = now === first ? other : first;
      headings.forEach((one) => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", next);
      sortBy(table, column, next === "ascending" ? 1 : -1);
    });
  });
}

/** Headings and visible rows of a table as arrays of text. */
function cellsOf(table) {
  const rows = [...table.tHead.rows, ...table.tBodies[0].rows].filter((row) => !row.hidden);
  return rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
}

/** A spreadsheet would run a cell that begins with one of these signs and is no number. */
function csvCell(text) {
  const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function asCsv(table) {
  return cellsOf(table).map((row) => row.map(csvCell).join(",")).join("\n") + "\n";
}

function latexCell(text) {
  const signs = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
                  "−": "$-$", "–": "--", "≤": "$\\le$", "²": "$^2$" };
  return text.replace(/[\\~^−–≤²]|[&%$#_{}]/g, (sign) => signs[sign] || `\\${sign}`);
}

function asLatex(table) {
  const kinds = [...table.tHead.rows[0].cells].map((cell) =>
    cell.classList.contains("number") ? "r" : "l");
  const [head, ...rows] = cellsOf(table).map((row) => row.map(latexCell).join(" & ") + " \\\\");
  return [`\\begin{tabular}{${kinds.join("")}}`, "\\toprule", head, "\\midrule", ...rows,
          "\\bottomrule", "\\end{tabular}", ""].join("\n");
}

/** Put text on the clipboard, also where the browser keeps its interface from local files. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function addTools(table) {
  const tools = document.createElement("div");
  tools.className = "tools";
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 8) {
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Filter rows";
    field.setAttribute("aria-label", "Filter rows of this table");
    field.addEventListener("input", () => {
      const words = field.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const text = row.textContent.toLocaleLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      });
      said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    });
    tools.append(field);
  }
  [["Copy as CSV", asCsv], ["Copy as LaTeX", asLatex]].forEach(([name, write]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", async () => {
      await copy(write(table));
      said.textContent = "copied";
    });
    tools.append(button);
  });
  tools.append(said);
  table.parentElement.before(tools);
}

document.querySelectorAll(".scroll > table").forEach((table) => {
  if (!table.tHead || table.tBodies[0].rows.length < 2) return;
  addSorting(table);
  addTools(table);
});

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = target && (target.querySelector("details") || target.closest("details"));
  if (!fold || fold.open) return;
  fold.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () =>
  document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
openTarget();
