// What happened, as objects. Times are in seconds since the build's beginning.
const data = JSON.parse(document.getElementById("data").textContent);
const seconds = (time) => (time === null ? null : time / 1e6);
const columns = data.entries;
const entries = columns.name.map((name, index) => ({
  index,
  name: data.names[name],
  targets: columns.targets[index],
  target: columns.targets[index].map((target) => data.targets[target]).join(", "),
  units: columns.units[index],
  state: columns.state[index],
  ready: seconds(columns.ready[index]),
  start: seconds(columns.start[index]),
  metadata: seconds(columns.metadata[index]),
  end: seconds(columns.end[index]),
  recorded: seconds(columns.wall[index]),
  cpu: seconds(columns.cpu[index]),
  memory: columns.memory[index],
  cause: columns.cause[index],
  atMetadata: columns.atMetadata[index] === 1,
  critical: false,
  lane: 0,
  released: [],
}));
for (const entry of entries) {
  entry.cause = entry.cause === null ? null : entries[entry.cause];
  entry.took = entry.start === null ? entry.recorded : entry.end - entry.start;
  entry.waited = entry.start === null ? null : Math.max(0, entry.start - entry.ready);
  entry.lower = `${entry.name} ${entry.target}`.toLowerCase();
}
const path = data.path.map((index) => entries[index]);
for (const entry of path) entry.critical = true;
// What ran, in the order of the starts.
const bars = entries.filter((entry) => entry.start !== null);
for (const bar of bars) if (bar.cause) bar.cause.released.push(bar);
const wall = Math.max(seconds(data.wall), ...data.stages.map((stage) => seconds(stage[2])), 0.001);
const stages = data.stages.map(([name, from, to]) => ({ name, from: seconds(from), to: seconds(to) }));

// Each bar gets the first lane that is free when it starts.
const laneEnds = [];
for (const bar of bars) {
  let lane = laneEnds.findIndex((end) => end <= bar.start);
  if (lane < 0) lane = laneEnds.length;
  laneEnds[lane] = bar.end;
  bar.lane = lane;
}

const two = (number) => String(number).padStart(2, "0");

function time(value) {
  if (value === null) return "–";
  if (value === 0) return "0 s";
  if (value < 0.001) return `${(value * 1e3).toFixed(1)} ms`;
  if (value < 0.9995) return `${(value * 1e3).toFixed(0)} ms`;
  if (value < 9.995) return `${value.toFixed(2)} s`;
  if (value < 59.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

function size(bytes) {
  if (bytes === null) return "–";
  return bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

const STATES = {
  executed: "executed",
  cached: "from the cache",
  failed: "failed",
  elsewhere: "built by another xbuild meanwhile",
  interrupted: "interrupted",
  untried: "not tried",
};

// Why an action started when it did, in words.
function why(entry) {
  if (entry.start === null) return null;
  const isLate = entry.waited >= 0.0005;
  const wait = isLate ? `, then it waited ${time(entry.waited)} for a free core` : "";
  if (!entry.cause) return `all that it needs was there${wait}`;
  const event = entry.atMetadata && entry.cause.metadata !== null ? "metadata" : "end";
  return `the ${event} of ${entry.cause.name} came at ${time(entry.ready)}${wait}`;
}
