// What is shown at the moment: a span of time, some of the entries, one of them chosen.
const view = {
  from: 0,
  to: wall,
  rows: bars.length <= 400,
  text: "",
  minimum: 0,
  onlyCritical: false,
  hidden: new Set(),
  chosen: null,
  hovered: null,
  listeners: [],
};

// How much may be looked at closely: a hundredth of a millisecond over the width of the page.
const CLOSEST = 1e-4;

function isShown(entry) {
  if (view.onlyCritical && !entry.critical) return false;
  if (entry.targets.every((target) => view.hidden.has(target))) return false;
  if (view.minimum > 0 && !(entry.took >= view.minimum)) return false;
  return view.text.split(/\s+/).every((word) => entry.lower.includes(word));
}

let isPending = false;
function changed() {
  if (isPending) return;
  isPending = true;
  requestAnimationFrame(() => {
    isPending = false;
    for (const listener of view.listeners) listener();
  });
}

function show(from, to) {
  const length = Math.min(Math.max(to - from, CLOSEST), wall);
  view.from = Math.min(Math.max(from, 0), wall - length);
  view.to = view.from + length;
  changed();
}

function zoom(factor, at = (view.from + view.to) / 2) {
  show(at - (at - view.from) * factor, at + (view.to - at) * factor);
}

function pan(part) {
  const by = (view.to - view.from) * part;
  show(view.from + by, view.to + by);
}

// The time's place on a canvas of a width, and back.
const MARGIN = 8;
const toX = (value, width) => MARGIN + ((value - view.from) / (view.to - view.from)) * (width - 2 * MARGIN);
const toTime = (x, width) => view.from + ((x - MARGIN) / (width - 2 * MARGIN)) * (view.to - view.from);

// Colours: of each target a strong one and, for what comes after the metadata, a pale one.
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
let isPrinting = false;
const LIGHT = {
  ink: "#1b1f24", dim: "#5b6470", line: "#d5dae0", back: "#ffffff", stripe: "#f6f7f9",
  running: "#d3dce8", cpu: "#4178be", limit: "#b42318",
  failed: "#e5484d", failedPale: "#f5b5b7",
  targets: [
    ["#b3bcc7", "#dfe3e8"], ["#82b4f2", "#d0e3fb"], ["#f3b562", "#fbe3bf"], ["#7dcfa3", "#cfeedf"],
    ["#c2a2ee", "#e6daf9"], ["#f2a0b6", "#fbdbe3"], ["#74ccd2", "#cbedef"], ["#cab48e", "#ebe1d0"],
    ["#b9c763", "#e4eac3"],
  ],
};
const DARK = {
  ink: "#e8ebef", dim: "#9aa4b0", line: "#343b44", back: "#16191d", stripe: "#1b1f24",
  running: "#33404f", cpu: "#6ea8f0", limit: "#ff8078",
  failed: "#c93c40", failedPale: "#6e2527",
  targets: [
    ["#5f6a77", "#3b434c"], ["#3a74c0", "#26456d"], ["#a86c1c", "#614215"], ["#2d8a5c", "#1f5339"],
    ["#7d56bd", "#4c3770"], ["#b14d69", "#693344"], ["#22808a", "#1a5158"], ["#85704a", "#514631"],
    ["#6b7822", "#444b1c"],
  ],
};
const colours = () => (darkScheme.matches && !isPrinting ? DARK : LIGHT);

// The host is grey; the other targets share the rest of the colours.
const hasHost = data.targets[0] === "host";
function ofTarget(target) {
  const list = colours().targets;
  const number = hasHost ? target : target + 1;
  return number === 0 ? list[0] : list[((number - 1) % (list.length - 1)) + 1];
}

// A canvas as sharp as the screen, with its context, and its size in CSS pixels.
function canvas(node, width, height) {
  const scale = isPrinting ? 2 : window.devicePixelRatio || 1;
  node.width = Math.round(width * scale);
  node.height = Math.round(height * scale);
  node.style.height = `${height}px`;
  const context = node.getContext("2d");
  context.scale(scale, scale);
  context.font = FONT;
  context.textBaseline = "middle";
  return context;
}
const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';

// Round steps between marks, so that a mark has some room.
function marks(from, to, count) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000];
  const rough = (to - from) / Math.max(count, 1);
  let step = steps.find((one) => one >= rough) ?? 36000 * Math.ceil(rough / 36000);
  if (rough < 1) {
    const power = 10 ** Math.floor(Math.log10(rough));
    step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.9999);
  }
  const found = [];
  for (let number = Math.ceil(from / step - 1e-9); number * step <= to + step * 1e-9; number++) {
    found.push(number * step);
  }
  return { step, found };
}

function mark(value, step) {
  if (step >= 60) return value < 3600 ? `${Math.round(value / 60)} min` : `${Math.floor(value / 3600)}:${two(Math.round(value / 60) % 60)} h`;
  if (step >= 1 && value >= 60) return `${Math.floor(value / 60)}:${two(Math.round(value % 60))}`;
  const digits = step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
  return step < 0.01 ? `${(value * 1e3).toFixed(Math.max(0, digits - 3))} ms` : `${value.toFixed(digits)} s`;
}
