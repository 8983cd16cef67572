// What the mouse and the keyboard do.
const tip = document.getElementById("tip");
const filter = document.getElementById("filter");

function describe(entry) {
  tip.replaceChildren();
  element("strong", entry.name, tip);
  const list = element("dl", undefined, tip);
  const line = (label, text) => {
    if (text === null) return;
    element("dt", label, list);
    element("dd", text, list);
  };
  line("for", entry.target + (entry.units > 1 ? ` (${entry.units} units share it)` : ""));
  if (entry.state !== "executed") line("state", STATES[entry.state]);
  line("started", time(entry.start));
  line("took", time(entry.took));
  if (entry.metadata !== null) line("metadata", `after ${time(entry.metadata - entry.start)}`);
  if (entry.cpu !== null && entry.state !== "elsewhere") {
    line("CPU", `${time(entry.cpu)}${entry.took > 0 ? `, ${(entry.cpu / entry.took).toFixed(2)} cores` : ""}`);
  }
  if (entry.memory) line("memory", size(entry.memory));
  line("why then", why(entry));
  if (entry.released.length) line("let go", entry.released.length === 1 ? "1 other" : `${entry.released.length} others`);
}

function placeTip(x, y) {
  tip.hidden = false;
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  const left = x + 16 + width > innerWidth ? x - width - 12 : x + 16;
  const top = y + 16 + height > innerHeight ? y - height - 12 : y + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function hover(bar, x, y) {
  if (bar !== view.hovered) {
    view.hovered = bar;
    if (bar) describe(bar);
    changed();
  }
  if (bar) placeTip(x, y);
  else tip.hidden = true;
}

function choose(bar) {
  view.chosen = bar;
  if (bar && bar.start !== null) reveal(bar);
  changed();
}

// Dragging moves in time; a click without a drag chooses.
let drag = null;
gantt.addEventListener("pointerdown", (event) => {
  drag = { x: event.clientX, from: view.from, to: view.to, isMoved: false };
  gantt.setPointerCapture(event.pointerId);
});
gantt.addEventListener("pointermove", (event) => {
  if (!drag) return hover(barAt(event.offsetX, event.offsetY), event.clientX, event.clientY);
  const by = event.clientX - drag.x;
  if (Math.abs(by) > 3) drag.isMoved = true;
  const moved = (by / (drawn.width - 2 * MARGIN)) * (drag.to - drag.from);
  if (drag.isMoved) show(drag.from - moved, drag.to - moved);
});
gantt.addEventListener("pointerup", (event) => {
  if (drag && !drag.isMoved) {
    const bar = barAt(event.offsetX, event.offsetY);
    choose(bar === view.chosen ? null : bar);
  }
  drag = null;
});
gantt.addEventListener("pointerleave", () => hover(null));
gantt.addEventListener("dblclick", () => show(0, wall));
for (const node of [gantt, axis, load]) {
  node.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY * 0.005), toTime(event.offsetX, drawn.width));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX || event.deltaY) / 1000);
    else return;
    event.preventDefault();
  }, { passive: false });
}
scroll.addEventListener("scroll", changed);
axis.addEventListener("pointermove", (event) => {
  const moment = toTime(event.offsetX, drawn.width);
  const stage = stages.find((one) => one.from <= moment && moment < one.to);
  axis.title = stage ? `${stage.name}: ${time(stage.to - stage.from)}` : "";
});

// Over the curve a span of time is chosen.
let span = null;
load.addEventListener("pointerdown", (event) => {
  span = event.offsetX;
  load.setPointerCapture(event.pointerId);
});
load.addEventListener("pointerup", (event) => {
  const [left, right] = [span, event.offsetX].sort((a, b) => a - b);
  if (span !== null && right - left > 4) show(toTime(left, drawn.width), toTime(right, drawn.width));
  span = null;
});
load.addEventListener("pointermove", (event) => {
  load.title = loadAt(toTime(event.offsetX, drawn.width));
  if (span === null) return;
  drawLoad();
  const context = load.getContext("2d");
  context.globalAlpha = 0.2;
  context.fillStyle = colours().ink;
  context.fillRect(span, 0, event.offsetX - span, LOAD);
});
load.addEventListener("dblclick", () => show(0, wall));

for (const table of document.querySelectorAll("table")) {
  table.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-entry]");
    if (row) choose(entries[Number(row.dataset.entry)]);
  });
}

// The targets, each with its colour: a click takes one out, and in again.
const chips = document.getElementById("targets");
data.targets.forEach((name, target) => {
  const chip = element("button", undefined, chips);
  chip.type = "button";
  chip.setAttribute("aria-pressed", "true");
  element("i", undefined, chip).className = "key";
  chip.firstChild.dataset.target = target;
  element("span", name, chip);
  chip.addEventListener("click", () => {
    if (!view.hidden.delete(target)) view.hidden.add(target);
    chip.setAttribute("aria-pressed", String(!view.hidden.has(target)));
    changed();
  });
});
function paintKeys() {
  for (const key of document.querySelectorAll(".key[data-target]")) {
    key.style.background = ofTarget(Number(key.dataset.target))[0];
  }
  for (const bar of document.querySelectorAll("rect.executed")) {
    bar.style.fill = ofTarget(Number(bar.closest("tr").querySelector(".key").dataset.target))[0];
  }
}

filter.addEventListener("input", () => {
  view.text = filter.value.trim().toLowerCase();
  changed();
});
document.getElementById("minimum").addEventListener("change", (event) => {
  view.minimum = Number(event.target.value);
  changed();
});
document.getElementById("critical").addEventListener("change", (event) => {
  view.onlyCritical = event.target.checked;
  changed();
});
const modes = document.querySelectorAll("[data-mode]");
function setMode(isRows) {
  view.rows = isRows;
  for (const button of modes) button.setAttribute("aria-pressed", String((button.dataset.mode === "rows") === isRows));
  scroll.scrollTop = 0;
  changed();
}
for (const button of modes) button.addEventListener("click", () => setMode(button.dataset.mode === "rows"));
const actions = {
  in: () => zoom(0.6),
  out: () => zoom(1 / 0.6),
  all: () => show(0, wall),
};
for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", actions[button.dataset.zoom]);
}

function step(by) {
  const list = bars.filter(isShown);
  if (list.length === 0) return;
  const place = list.indexOf(view.chosen);
  choose(list[place < 0 ? 0 : Math.min(Math.max(place + by, 0), list.length - 1)]);
  describe(view.chosen);
  const box = scroll.getBoundingClientRect();
  placeTip(box.left + Math.max(toX(view.chosen.start, drawn.width), 0), Math.max(box.top, 0));
}
const keys = {
  ArrowLeft: () => pan(-0.2),
  ArrowRight: () => pan(0.2),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  "+": actions.in,
  "=": actions.in,
  "-": actions.out,
  0: actions.all,
  Escape: () => {
    choose(null);
    tip.hidden = true;
  },
};
scroll.addEventListener("keydown", (event) => {
  const act = keys[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select")) return;
  event.preventDefault();
  filter.focus();
});

if (data.began !== null) {
  const date = new Date(data.began * 1000);
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  document.getElementById("began").textContent = ` · ${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
function repaint() {
  paintKeys();
  changed();
}
new ResizeObserver(changed).observe(scroll);
darkScheme.addEventListener("change", repaint);
// On paper: light, whole, and in rows only where a sheet or two hold them.
addEventListener("beforeprint", () => {
  isPrinting = true;
  view.before = view.rows;
  view.rows = view.rows && layOut().length <= 100;
  paintKeys();
  for (const listener of view.listeners) listener();
});
addEventListener("afterprint", () => {
  isPrinting = false;
  setMode(view.before);
  repaint();
});
setMode(view.rows);
paintKeys();
