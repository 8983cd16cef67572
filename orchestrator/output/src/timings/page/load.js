// How many actions ran, and how many cores they kept busy, over time. CPU is known of whole actions: it is shown as
// if each had used it evenly.
const load = document.getElementById("load");
const LOAD = 110;

// Sums that hold from a moment on: [moment, actions, cores].
const steps = [];
{
  const events = [];
  for (const bar of bars) {
    const isOurs = bar.state !== "elsewhere";
    const cores = isOurs && bar.cpu !== null && bar.end > bar.start ? bar.cpu / (bar.end - bar.start) : 0;
    events.push([bar.start, 1, cores], [bar.end, -1, -cores]);
  }
  events.sort((a, b) => a[0] - b[0]);
  let [actions, cores] = [0, 0];
  for (const [moment, more, busy] of events) {
    actions += more;
    cores = actions === 0 ? 0 : Math.max(0, cores + busy);
    if (steps.length && steps[steps.length - 1][0] === moment) steps.pop();
    steps.push([moment, actions, cores]);
  }
}

// The means over each pixel of the width: [actions, cores].
function means(width) {
  const found = [];
  const valueAt = (place) => (place < 0 ? [0, 0, 0] : steps[place]);
  let place = -1;
  for (let x = 0; x < width; x++) {
    const [from, to] = [toTime(x, width), toTime(x + 1, width)];
    let [actions, cores, moment] = [0, 0, from];
    while (place + 1 < steps.length && steps[place + 1][0] <= from) place++;
    for (let next = place; moment < to; next++) {
      const end = next + 1 < steps.length ? Math.min(steps[next + 1][0], to) : to;
      const [, running, busy] = valueAt(next);
      actions += running * (end - moment);
      cores += busy * (end - moment);
      moment = end;
    }
    found.push([actions / (to - from), cores / (to - from)]);
  }
  return found;
}

function drawLoad() {
  const width = scroll.clientWidth;
  const context = canvas(load, width, LOAD);
  const palette = colours();
  const values = means(width);
  const most = Math.max(data.jobs, ...steps.map(([, actions, cores]) => Math.max(actions, Math.min(cores, data.jobs * 2))));
  const toY = (value) => LOAD - 4 - (Math.min(value, most) / most) * (LOAD - 22);
  const trace = (column) => values.forEach((value, x) => context.lineTo(x, toY(value[column])));
  context.fillStyle = palette.running;
  context.beginPath();
  context.moveTo(0, toY(0));
  trace(0);
  context.lineTo(width, toY(0));
  context.fill();
  context.strokeStyle = palette.cpu;
  context.lineWidth = 1.5;
  context.beginPath();
  trace(1);
  context.stroke();
  context.strokeStyle = palette.limit;
  context.lineWidth = 1;
  context.setLineDash([5, 4]);
  context.beginPath();
  context.moveTo(0, toY(data.jobs));
  context.lineTo(width, toY(data.jobs));
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = palette.limit;
  context.textAlign = "right";
  context.fillText(`at most ${data.jobs}`, width - 6, toY(data.jobs) - 8);
  context.fillStyle = palette.line;
  context.fillRect(0, toY(0), width, 1);
}
view.listeners.push(drawLoad);

// What held at a moment, in words.
function loadAt(moment) {
  const held = steps.findLast((step) => step[0] <= moment) ?? [0, 0, 0];
  return `${time(moment)}: ${held[1]} of ${data.jobs} running, ${held[2].toFixed(2)} cores in use`;
}
