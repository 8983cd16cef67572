// All actions as a table, the slowest first; sorted anew by a click on a heading.
const COLUMNS = [
  { title: "unit", value: (entry) => entry.name, text: (entry) => entry.name },
  { title: "target", value: (entry) => entry.target, text: (entry) => entry.target },
  { title: "state", value: (entry) => entry.state, text: (entry) => entry.state },
  { title: "started", value: (entry) => entry.start, text: (entry) => time(entry.start) },
  { title: "took", value: (entry) => entry.took, text: (entry) => time(entry.took) },
  { title: "CPU", value: (entry) => entry.cpu, text: (entry) => time(entry.cpu) },
  { title: "memory", value: (entry) => entry.memory, text: (entry) => size(entry.memory) },
  { title: "waited", value: (entry) => entry.waited, text: (entry) => (entry.waited >= 0.0005 ? time(entry.waited) : "–") },
  { title: "let go", value: (entry) => entry.released.length, text: (entry) => String(entry.released.length) },
];
const FEW = 25;
const order = { column: 4, isDown: true };
const withCached = document.getElementById("with-cached");
const more = document.getElementById("more");
let isWhole = false;
withCached.checked = bars.length === 0;

const headings = COLUMNS.map((column, number) => {
  const cell = element("th", undefined, document.querySelector("#units thead tr"));
  const button = element("button", column.title, cell);
  button.addEventListener("click", () => {
    order.isDown = order.column === number ? !order.isDown : number > 2;
    order.column = number;
    changed();
  });
  return cell;
});

function compare(a, b) {
  const { value } = COLUMNS[order.column];
  const [one, other] = [value(a), value(b)];
  if (one === null || other === null) return (one === null) - (other === null);
  const found = typeof one === "string" ? one.localeCompare(other) : one - other;
  return (order.isDown ? -found : found) || a.index - b.index;
}

// The table is made anew only when something else would be in it.
let shownKey = "";
function drawTable() {
  const key = JSON.stringify([view.text, view.minimum, view.onlyCritical, [...view.hidden], order, withCached.checked, isWhole]);
  if (key !== shownKey) {
    shownKey = key;
    fillTable();
  }
  for (const row of document.querySelectorAll("tr[data-entry]")) {
    row.classList.toggle("chosen", Number(row.dataset.entry) === view.chosen?.index);
  }
}

function fillTable() {
  headings.forEach((cell, number) => {
    const isOrder = number === order.column;
    cell.setAttribute("aria-sort", isOrder ? (order.isDown ? "descending" : "ascending") : "none");
  });
  const all = entries.filter((entry) => isShown(entry) && (withCached.checked || entry.start !== null)).sort(compare);
  const body = document.createElement("tbody");
  for (const entry of all.slice(0, isWhole ? all.length : FEW)) {
    const row = element("tr", undefined, body);
    row.dataset.entry = entry.index;
    if (entry.start === null) row.classList.add("quiet");
    for (const [number, column] of COLUMNS.entries()) {
      const cell = element("td", column.text(entry), row);
      if (number === 0 && entry.critical) cell.classList.add("critical");
      if (number === 2) cell.classList.add(entry.state);
    }
  }
  document.querySelector("#units tbody").replaceWith(body);
  more.hidden = all.length <= FEW;
  more.textContent = isWhole ? `Show the first ${FEW}` : `Show all ${all.length}`;
  document.getElementById("count").textContent = `${all.length} of ${entries.length}`;
}
view.listeners.push(drawTable);

more.addEventListener("click", () => {
  isWhole = !isWhole;
  changed();
});
withCached.addEventListener("change", changed);
