"use strict";
// Tables that sort, filter and can be copied; values of marks of figures; sections that open when linked to.

/** What a cell sorts by: the number it begins with, an interval's lower end, a date, or its text. */
function sortKey(cell) {
  const text = cell.textContent.trim();
  if (["", "–", "—"].includes(text)) return null;
  const plain = text.replace(/^[[<≤]\s*/, "").replace(/−/g, "-").replace(/,(?=\d{3})/g, "");
  const found = /^(-?\d*\.?\d+(?:e[+-]?\d+)?)([KMBT]?)(?![\d-])/.exec(plain);
  if (!cell.classList.contains("number") || !found) return text.toLocaleLowerCase();
  return Number(found[1]) * ({ K: 1e3, M: 1e6, B: 1e9, T: 1e12 }[found[2]] || 1);
}

/** Sort the rows of a table by a column; unknown values stay last in both directions. */
function sortBy(table, column, sign) {
  const numbers = (a, b) => typeof a === "number" && typeof b === "number";
  const keyed = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null)
    : sign * (numbers(a, b) ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true })));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  return element.append(...children), element;
}

/** Make each heading of a table a button that sorts by its column, down first for numbers. */
function addSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = make("button", { type: "button", className: "sort" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const ways = heading.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
      const next = ways[heading.getAttribute("aria-sort") === ways[0] ? 1 : 0];
      headings.forEach((one) => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", next);
      sortBy(table, column, next === "ascending" ? 1 : -1);
    });
  });
}

/** Headings and visible rows of a table as text. */
const cellsOf = (table) => [...table.rows].filter((row) => !row.hidden).map((row) =>
  [...row.cells].map((cell) => cell.textContent.trim()));
/** A spreadsheet would run a cell that begins with one of these signs and is no number. */
function csvCell(text) {
  const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
const asCsv = (table) => cellsOf(table).map((row) => `${row.map(csvCell).join(",")}\n`).join("");
const SIGNS = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
                "−": "$-$", "–": "--", "≤": "$\\le$", "²": "$^2$" };
const latexCell = (text) => text.replace(/[\\~^−–≤²]|[&%$#_{}]/g, (sign) => SIGNS[sign] || `\\${sign}`);
function asLatex(table) {
  const kinds = [...table.tHead.rows[0].cells].map((cell) => cell.classList.contains("number") ? "r" : "l");
  const [head, ...rows] = cellsOf(table).map((row) => row.map(latexCell).join(" & ") + " \\\\");
  return [`\\begin{tabular}{${kinds.join("")}}`, "\\toprule", head, "\\midrule", ...rows,
          "\\bottomrule", "\\end{tabular}", ""].join("\n");
}

/** A button that puts text on the clipboard, also where a browser keeps the newer call from local files. */
function copyButton(name, text, status) {
  const button = make("button", { type: "button" }, name);
  button.addEventListener("click", () => {
    const area = make("textarea", { value: text() });
    document.body.append(area); area.select();
    status.textContent = document.execCommand("copy") ? "copied" : "not copied: the browser refuses";
    area.remove(); button.focus();
  });
  return button;
}

const headed = (table, name) => cellsOf(table)[0].indexOf(name);
const cellText = (row, column) => row.cells[column]?.textContent.trim();
const families = new Map(); // of models, from the table of scores: other tables have models alone
/** A list of the values of some rows, to show those of one; null where there is no choice. */
function chooser(name, rows, valueOf) {
  const values = [...new Set(rows.map(valueOf))].filter(Boolean).sort((a, b) => a.localeCompare(b));
  if (values.length < 2) return null;
  const options = ["", ...values].map((value) => make("option", { value }, value || `${name}: all`));
  const select = make("select", { ariaLabel: `Show one ${name.toLowerCase()} alone` }, ...options);
  return { field: select, event: "change", fits: (row) => !select.value || valueOf(row) === select.value };
}

function search() {
  const field = make("input", { type: "search", placeholder: "Filter rows", ariaLabel: "Filter rows of this table" });
  const fits = (row) => field.value.toLocaleLowerCase().split(/\s+/).every((word) =>
    row.textContent.toLocaleLowerCase().includes(word));
  return { field, event: "input", fits };
}

function addTools(table) {
  const rows = [...table.tBodies[0].rows], status = make("span", { role: "status" });
  const filters = rows.length < 4 ? [] : ["Family", "Language", "Benchmark"].map((name) => {
    const column = headed(table, name);
    return chooser(name, rows, (row) => column < 0 && name === "Family"
      ? families.get(cellText(row, 0)) : cellText(row, column));
  }).concat(rows.length > 8 ? [search()] : []).filter(Boolean);
  filters.forEach(({ field, event }) => field.addEventListener(event, () => {
    rows.forEach((row) => { row.hidden = !filters.every((filter) => filter.fits(row)); });
    status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  }));
  table.parentElement.before(make("div", { className: "tools" }, ...filters.map((one) => one.field),
    copyButton("Copy as CSV", () => asCsv(table), status),
    copyButton("Copy as LaTeX", () => asLatex(table), status), status));
}

const tables = [...document.querySelectorAll(".scroll > table")].filter((table) =>
  table.tHead && table.tBodies[0].rows.length > 1);
tables.filter((table) => headed(table, "Family") > 0 && !headed(table, "Model")).forEach((table) =>
  [...table.tBodies[0].rows].forEach((row) => families.set(cellText(row, 0), cellText(row, headed(table, "Family")))));
tables.forEach((table) => { addSorting(table); addTools(table); });
document.querySelectorAll(".copyable").forEach((text) => {
  const status = make("span", { role: "status" });
  text.before(make("div", { className: "tools" }, copyButton("Copy text", () => text.innerText, status), status));
});

/** Show what a mark says when it is pointed at or reached by the arrow keys of its figure. */
function addValues(figure) {
  const marks = [...figure.querySelectorAll("g > title")].map((title) => title.parentElement);
  const svg = figure.querySelector("svg"), said = make("output", {}, "Values: point at a mark, or use the arrow keys.");
  const show = (place) => {
    if (place < 0) return;
    figure.querySelector(".shown")?.classList.remove("shown");
    marks[place].classList.add("shown");
    said.textContent = marks[place].firstChild.textContent;
  };
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const place = marks.findIndex((mark) => mark.classList.contains("shown"));
    event.preventDefault();
    show(place < 0 ? 0 : (place + step + marks.length) % marks.length);
  });
  svg.addEventListener("pointerover", ({ target }) => show(marks.findIndex((mark) => mark.contains(target))));
  svg.after(said);
}
document.querySelectorAll("figure:has(g > title)").forEach(addValues);

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = target?.querySelector("details") || target?.closest("details");
  if (fold && !fold.open) fold.open = true, target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
openTarget();
