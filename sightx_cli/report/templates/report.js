"use strict";
document.documentElement.classList.add("js");
const valueOf = (row, column) => {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number.parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
};
const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
for (const head of document.querySelectorAll("table.sortable thead th")) {
  if (!head.textContent.trim()) continue;
  const button = document.createElement("button");
  button.type = "button";
  const plain = !head.querySelector("details");
  if (plain) {
    button.append(...head.childNodes);
  } else {
    button.setAttribute("aria-label", "sort by " + head.querySelector("summary").textContent);
  }
  head.append(button);
  button.addEventListener("click", () => {
    const column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = head.closest("table").tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(valueOf(a, column), valueOf(b, column)));
    body.append(...(down ? rows.reverse() : rows));
  });
}
for (const button of document.querySelectorAll("[aria-controls]")) {
  button.addEventListener("click", () => {
    const box = document.getElementById(button.getAttribute("aria-controls"));
    const open = box.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
    if (open) box.scrollIntoView({ block: "nearest" });
  });
}
document.addEventListener("click", (event) => {
  for (const term of document.querySelectorAll("details.term[open]")) if (!term.contains(event.target)) term.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const term of document.querySelectorAll("details.term[open]")) term.open = false;
});
