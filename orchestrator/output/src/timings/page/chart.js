// The chart of all actions, in rows (an action a row, in the order of the starts) or in lanes (as many as ran at
// once), below an axis with the stages of the build.
const axis = document.getElementById("axis");
const scroll = document.getElementById("scroll");
const spacer = document.getElementById("spacer");
const gantt = document.getElementById("gantt");
const ROW = 18;
const LANE = 26;
const TALLEST = 720;

// What is drawn now, for finding what is under the pointer: a list of bars a row.
let drawn = { height: ROW, rows: [] };

const rowHeight = () => (view.rows ? ROW : LANE);

function layOut() {
  const isInView = (bar) => bar.end >= view.from && bar.start <= view.to;
  if (view.rows) {
    return bars.filter((bar) => isShown(bar) && isInView(bar)).map((bar) => [bar]);
  }
  const rows = laneEnds.map(() => []);
  for (const bar of bars) if (isInView(bar)) rows[bar.lane].push(bar);
  return rows;
}

function drawAxis(width) {
  const { ink, dim, line, stripe } = colours();
  const context = canvas(axis, width, 44);
  for (const [number, stage] of stages.entries()) {
    const [left, right] = [toX(stage.from, width), toX(stage.to, width)].map((x) => Math.max(-2, Math.min(x, width + 2)));
    if (right <= left || right < 0 || left > width) continue;
    context.fillStyle = number % 2 ? stripe : line;
    context.fillRect(left, 2, Math.max(right - left, 0.5), 16);
    context.fillStyle = ink;
    clipped(context, stage.name, left + 5, 10, right - left - 8);
  }
  const { step, found } = marks(view.from, view.to, width / 90);
  for (const value of found) {
    const x = toX(value, width);
    context.fillStyle = line;
    context.fillRect(x, 38, 1, 6);
    context.fillStyle = dim;
    context.textAlign = x < 30 ? "left" : x > width - 30 ? "right" : "center";
    context.fillText(mark(value, step), x, 30);
  }
}

// Text as long as it fits; none where little would be left of it.
function clipped(context, text, x, y, room) {
  if (room < 14) return;
  const widths = context.measureText(text).width;
  context.textAlign = "left";
  if (widths <= room) return context.fillText(text, x, y);
  const count = Math.floor((text.length * room) / widths) - 1;
  if (count > 1) context.fillText(`${text.slice(0, count)}…`, x, y);
}

function fillBar(context, bar, left, right, top, height) {
  const palette = colours();
  let [strong, pale] = ofTarget(bar.targets[0]);
  if (bar.state === "failed") [strong, pale] = [palette.failed, palette.failedPale];
  const isHollow = bar.state === "elsewhere" || bar.state === "interrupted";
  context.fillStyle = isHollow ? pale : strong;
  context.fillRect(left, top, right - left, height);
  if (isHollow) {
    if (bar.state === "interrupted") strong = palette.failed;
    context.strokeStyle = strong;
    context.setLineDash([3, 3]);
    context.strokeRect(left + 0.5, top + 0.5, Math.max(right - left - 1, 0), height - 1);
    context.setLineDash([]);
  } else if (bar.metadata !== null) {
    const middle = Math.max(left, Math.min(toX(bar.metadata, drawn.width), right));
    context.fillStyle = pale;
    context.fillRect(middle, top, right - middle, height);
  }
  if (bar.critical) {
    context.fillStyle = palette.ink;
    context.fillRect(left, top + height - 3, Math.max(right - left, 1), 3);
  }
}

function drawBar(context, bar, top, height, isFaint) {
  const width = drawn.width;
  const left = Math.max(toX(bar.start, width), -4);
  const end = Math.min(toX(bar.end, width), width + 4);
  // What follows at once in a lane is told apart by a gap.
  const right = Math.max(end - (!view.rows && end - left > 4 ? 1 : 0), left + (view.rows ? 1.5 : 0.75));
  context.globalAlpha = isFaint ? 0.15 : 1;
  fillBar(context, bar, left, right, top, height);
  const palette = colours();
  if (bar === view.chosen || bar === view.hovered) {
    context.strokeStyle = palette.ink;
    context.lineWidth = bar === view.chosen ? 2 : 1;
    context.strokeRect(left - 0.5, top - 0.5, right - left + 1, height + 1);
    context.lineWidth = 1;
  }
  context.fillStyle = palette.ink;
  drawLabel(context, bar, Math.max(left, 0), Math.min(right, width), top + height / 2 - (bar.critical ? 1 : 0));
  context.globalAlpha = 1;
}

// In lanes a name has the room of its bar. In rows it stands in the bar, else behind it, else before it.
function drawLabel(context, bar, left, right, y) {
  if (!view.rows) return clipped(context, bar.name, left + 4, y, right - left - 7);
  const label = `${bar.name}  ${time(bar.took)}`;
  const length = context.measureText(label).width;
  context.textAlign = "left";
  if (length + 8 <= right - left) context.fillText(label, left + 4, y);
  else if (right + 4 + length <= drawn.width) context.fillText(label, right + 4, y);
  else if (left - 4 - length >= 0) context.fillText(label, left - 4 - length, y);
  else clipped(context, label, left + 4, y, right - left - 7);
}

// A line from where one action let another go to where that one starts.
function link(context, from, to, places, colour, weight) {
  const [above, below] = [places.get(from), places.get(to)];
  if (above === undefined || below === undefined) return;
  const width = drawn.width;
  const x = toX(to.atMetadata && from.metadata !== null ? from.metadata : from.end, width);
  const [top, bottom] = [above, below].map((place) => place + drawn.height / 2);
  context.strokeStyle = colour;
  context.lineWidth = weight;
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x, bottom);
  context.lineTo(toX(to.start, width), bottom);
  context.stroke();
  context.lineWidth = 1;
}

function drawLinks(context, places) {
  const { ink, dim } = colours();
  for (const bar of path) if (bar.cause) link(context, bar.cause, bar, places, dim, 1);
  const focus = view.hovered ?? view.chosen;
  if (!focus) return;
  for (const bar of focus.released) link(context, focus, bar, places, dim, 1);
  for (let bar = focus; bar.cause; bar = bar.cause) link(context, bar.cause, bar, places, ink, 1.5);
}

function drawGantt() {
  const rows = layOut();
  const height = rowHeight();
  const total = Math.max(rows.length, 1) * height + 6;
  // The room for the scroll bar is known when the height is.
  const visible = isPrinting ? total : Math.min(total, TALLEST);
  scroll.style.height = `${visible}px`;
  spacer.style.height = `${total}px`;
  const width = scroll.clientWidth;
  const offset = scroll.scrollTop;
  drawn = { height, rows, width };
  drawAxis(width);
  const context = canvas(gantt, width, visible);
  const palette = colours();
  const first = Math.max(0, Math.floor(offset / height));
  const last = Math.min(rows.length, Math.ceil((offset + visible) / height));
  context.fillStyle = palette.stripe;
  for (let row = first; row < last; row++) if (row % 2) context.fillRect(0, row * height - offset, width, height);
  context.fillStyle = palette.line;
  for (const value of marks(view.from, view.to, width / 90).found) context.fillRect(toX(value, width), 0, 1, visible);
  const places = new Map();
  for (const [row, list] of rows.entries()) for (const bar of list) places.set(bar, row * height - offset);
  drawLinks(context, places);
  for (let row = first; row < last; row++) {
    for (const bar of rows[row]) drawBar(context, bar, row * height - offset + 2, height - 4, !isShown(bar));
  }
  if (rows.length === 0) {
    context.fillStyle = palette.dim;
    context.textAlign = "left";
    context.fillText(bars.length ? "Nothing that ran fits the filter." : "Nothing ran: everything was in the cache.", 12, 12);
  }
}
view.listeners.push(drawGantt);

// The bar at a point of the chart. In rows the whole row is its bar's.
function barAt(x, y) {
  const list = drawn.rows[Math.floor((y + scroll.scrollTop) / drawn.height)] ?? [];
  if (view.rows) return list[0] ?? null;
  const near = (bar) => Math.max(toX(bar.start, drawn.width) - x, x - toX(bar.end, drawn.width), 0);
  const shown = list.filter(isShown);
  const best = shown.reduce((found, bar) => (found && near(found) <= near(bar) ? found : bar), null);
  return best && near(best) <= 3 ? best : null;
}

// Brings a bar into view, in time and in its row.
function reveal(bar) {
  if (bar.start < view.from || bar.end > view.to) {
    const room = Math.max(view.to - view.from, (bar.end - bar.start) * 2);
    show((bar.start + bar.end - room) / 2, (bar.start + bar.end + room) / 2);
  }
  const row = layOut().findIndex((list) => list.includes(bar));
  const top = row * drawn.height;
  if (row >= 0 && (top < scroll.scrollTop || top + drawn.height > scroll.scrollTop + scroll.clientHeight)) {
    scroll.scrollTop = top - scroll.clientHeight / 2;
  }
}
