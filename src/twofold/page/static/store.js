// What the page knows: the server's state, kept up to date by its events. Views listen, and draw.

import { get } from "./api.js";

const MOST = 2000; // points of a curve, as in the server

export const store = {
  recipe: null,
  job: { status: "idle" },
  points: [],
  rows: {},
  losses: {},
  pictures: {},
  sentences: null,
  schema: null,
  runs: "",
  reports: "",
  pace: 0,
};

const listeners = {};

export function on(names, listener) {
  for (const name of names.split(" ")) (listeners[name] ??= []).push(listener);
}

export function emit(name, value) {
  for (const listener of listeners[name] ?? []) listener(value);
}

function addPoints(points) {
  const last = store.points.length ? store.points.at(-1)[0] : -1;
  store.points.push(...points.filter((point) => point[0] > last));
  if (store.points.length > MOST) store.points = halved(store.points);
}

function halved(points) {
  const fewer = [];
  for (let i = 0; i + 1 < points.length; i += 2) {
    const [a, b] = [points[i], points[i + 1]];
    const means = a.slice(1, -1).map((x, k) => (x === null || b[k + 1] === null ? null : (x + b[k + 1]) / 2));
    const gaps = [a.at(-1), b.at(-1)].filter((gap) => gap !== null);
    fewer.push([b[0], ...means, gaps.length ? Math.max(...gaps) : null]);
  }
  if (points.length % 2) fewer.push(points.at(-1));
  return fewer;
}

function addRow({ engine, ...row }) {
  const rows = (store.rows[engine] ??= []);
  if (rows.length && rows.at(-1).step >= row.step) return;
  rows.push(row);
  if (rows.length > MOST) store.rows[engine] = [rows[0], ...rows.filter((_, i) => i > 1 && i % 2 === 0)];
}

// Events that come while the state is on its way are taken after it: they may be newer than what it says.
let waiting = null;

export async function refresh() {
  waiting ??= [];
  let state;
  try {
    state = await get("state");
  } finally {
    if (!state) waiting = null;
  }
  const [later, pictures] = [waiting ?? [], {}];
  waiting = null;
  for (const picture of state.pictures) pictures[picture.kind] = picture;
  Object.assign(store, state, { pictures });
  for (const [name, value] of later) HANDLERS[name](value);
  for (const name of ["recipe", "job", "curves", "pictures", "sentences"]) emit(name);
}

const HANDLERS = {
  recipe: (value) => { store.recipe = value; emit("recipe"); },
  job: (value) => {
    store.job = value;
    emit("job");
  },
  frame: (value) => {
    addPoints(value.points);
    store.job = { ...store.job, step: value.step, epoch: value.epoch };
    store.pace = value.pace;
    emit("frame");
  },
  loss: ({ engine, points }) => {
    const losses = (store.losses[engine] ??= []);
    losses.push(...points);
    if (losses.length > MOST) store.losses[engine] = losses.filter((_, i) => i % 2 === 0);
    emit("frame");
  },
  row: (value) => { addRow(value); emit("rows"); },
  picture: (value) => { store.pictures[value.kind] = value; emit("picture", value.kind); },
  sentences: (value) => { store.sentences = value; emit("sentences"); },
  note: (value) => emit("note", value),
  runs: () => emit("runs"),
};

export function listen() {
  const events = new EventSource("api/events");
  let lost = false;
  for (const [name, handle] of Object.entries(HANDLERS)) {
    events.addEventListener(name, (event) => {
      const value = JSON.parse(event.data);
      if (waiting) waiting.push([name, value]);
      else handle(value);
    });
  }
  events.addEventListener("anew", refresh);
  events.addEventListener("open", () => {
    if (lost) refresh();
    lost = false;
    emit("connection", true);
  });
  events.addEventListener("error", () => {
    lost = true;
    emit("connection", false);
  });
}
