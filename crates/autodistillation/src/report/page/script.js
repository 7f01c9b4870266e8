"use strict";

// Tooltips: the title of each point, shown at once, for the mouse and for the keyboard.
const tip = document.getElementById("tip");

function showTip(point, x, y) {
  tip.textContent = point.dataset.tip;
  tip.hidden = false;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  tip.style.left = Math.max(8, Math.min(x + 14, innerWidth - width - 8)) + "px";
  tip.style.top = (y + 18 + height > innerHeight ? Math.max(8, y - height - 12) : y + 18) + "px";
}

function hideTip() {
  tip.hidden = true;
}

for (const point of document.querySelectorAll(".point")) {
  const title = point.querySelector("title");
  point.dataset.tip = title.textContent;
  point.setAttribute("aria-label", title.textContent);
  title.remove();
  point.addEventListener("mousemove", event => showTip(point, event.clientX, event.clientY));
  point.addEventListener("mouseleave", hideTip);
  point.addEventListener("focus", () => {
    const box = point.getBoundingClientRect();
    showTip(point, box.right, box.top);
  });
  point.addEventListener("blur", hideTip);
}
addEventListener("scroll", hideTip, { passive: true });
addEventListener("keydown", event => {
  if (event.key === "Escape") hideTip();
});

// A trial's row and its point light up together.
for (const source of document.querySelectorAll("[data-trial]")) {
  const both = document.querySelectorAll('[data-trial="' + source.dataset.trial + '"]');
  source.addEventListener("mouseenter", () => both.forEach(each => each.classList.add("lit")));
  source.addEventListener("mouseleave", () => both.forEach(each => each.classList.remove("lit")));
}

// Sorting: by the full value where a cell has one, else by its text; empty cells stay last.
const words = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  const bothNumbers = a !== "" && b !== "" && !isNaN(a) && !isNaN(b);
  return bothNumbers ? a - b : words.compare(a, b);
}

function sort(table, column, heading) {
  const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  const sign = direction === "ascending" ? 1 : -1;
  const key = row => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? cell.dataset.value : cell.textContent;
  };
  const rows = Array.from(table.tBodies[0].rows);
  rows.sort((a, b) => {
    const left = key(a), right = key(b);
    if ((left === "") !== (right === "")) return left === "" ? 1 : -1;
    return sign * compare(left, right);
  });
  table.tBodies[0].append(...rows);
  for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", direction);
}

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sort(table, column, heading));
  });
}

// On paper, everything is unfolded.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
