"use strict";
// Sorting by a column's heading, and filtering of all score tables of a dataset.
(() => {
  const valueOf = (row, index) => {
    const raw = row.cells[index].dataset.value;
    if (raw === undefined) return null;
    const number = Number(raw);
    return raw !== "" && Number.isFinite(number) ? number : raw;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  const sortBy = (button) => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const index = head.cellIndex;
    const now = head.getAttribute("aria-sort");
    const first = button.dataset.better === "higher" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = now === "none" ? first : now === first ? other : first;
    for (const cell of head.parentElement.cells) {
      if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => [valueOf(row, index), row]);
    // A row without a value stays last whichever way the column is sorted.
    keyed.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * compare(a, b));
    body.append(...keyed.map(([, row]) => row));
  };
  for (const button of document.querySelectorAll("button.sort")) {
    button.addEventListener("click", () => sortBy(button));
  }

  const filter = (form, section) => {
    const text = form.elements.text.value.trim().toLowerCase();
    const kinds = new Set([...form.querySelectorAll("[name=kind]:checked")].map((box) => box.value));
    const protocol = form.elements.protocol ? form.elements.protocol.value : "";
    let shown = 0;
    let all = 0;
    for (const table of section.querySelectorAll("table.scores")) {
      for (const row of table.tBodies[0].rows) {
        const who = row.querySelector(".who").textContent.toLowerCase();
        row.hidden = !kinds.has(row.dataset.kind) || !who.includes(text);
        const counts = !table.closest("details") && (!protocol || table.dataset.protocol === protocol);
        all += counts ? 1 : 0;
        shown += counts && !row.hidden ? 1 : 0;
      }
    }
    for (const part of section.querySelectorAll("section[data-protocol]")) {
      const own = part.contains(form);
      const hide = Boolean(protocol) && part.dataset.protocol !== protocol;
      // The section that holds the filters keeps them; only its tables go.
      for (const child of part.children) {
        if (child !== form && (own ? child.matches(".wide-table, details") : true)) child.hidden = hide;
      }
      if (!own) part.hidden = hide;
    }
    form.querySelector(".found").textContent = `${shown} of ${all} rows`;
  };
  for (const form of document.querySelectorAll("form.filters")) {
    const section = document.getElementById(form.dataset.for);
    form.hidden = false;
    form.addEventListener("input", () => filter(form, section));
    form.addEventListener("submit", (event) => event.preventDefault());
    filter(form, section);
  }

  // How many columns a table hides to the right, or to the left once its end is reached.
  const beyond = (frame) => {
    const scroll = frame.querySelector(".scroll");
    const button = frame.querySelector(".beyond");
    const box = scroll.getBoundingClientRect();
    const who = scroll.querySelector("thead tr:last-child .who").getBoundingClientRect();
    const heads = [...scroll.querySelectorAll("thead tr:last-child th:not(.who)")].map((head) => head.getBoundingClientRect());
    const right = heads.filter((head) => head.right > box.right + 2).length;
    const left = heads.filter((head) => head.left < who.right - 2).length;
    const way = right ? "right" : "left";
    const text = right ? `${right} more →` : `← ${left} more`;
    const hidden = box.width === 0 || (right === 0 && left === 0);
    if (button.hidden !== hidden) button.hidden = hidden;
    if (button.textContent !== text) {
      button.textContent = text;
      button.dataset.way = way;
      button.setAttribute("aria-label", `${right || left} more columns to the ${way}: scroll there`);
    }
  };
  for (const frame of document.querySelectorAll(".wide-table")) {
    const scroll = frame.querySelector(".scroll");
    const button = frame.querySelector(".beyond");
    const update = () => beyond(frame);
    button.addEventListener("click", () => {
      const who = scroll.querySelector("thead tr:last-child .who").offsetWidth;
      const step = Math.max(scroll.clientWidth - who - 24, 96);
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (button.dataset.way === "left") scroll.scrollTo({ left: 0, behavior: calm ? "auto" : "smooth" });
      else scroll.scrollBy({ left: step, behavior: calm ? "auto" : "smooth" });
    });
    scroll.addEventListener("scroll", update, { passive: true });
    new ResizeObserver(update).observe(scroll);
    update();
  }
})();
