// The door to the microscope: open while the training stands still, and where a link names a step.

import { attempt, get, post } from "./api.js";
import { button, h } from "./dom.js";
import { on, store } from "./store.js";

const STILL = ["paused", "ended"];
let opened = null;
let wanted = false;

function style() {
  if (document.getElementById("microscope-style")) return;
  document.head.append(h("link", { id: "microscope-style", rel: "stylesheet", href: "static/microscope/microscope.css" }));
}

function job() {
  return { ...store.job, network: store.recipe?.network ?? [] };
}

export function door(bar, place) {
  const knob = button("Microscope", () => {
    wanted = !wanted;
    draw();
    if (wanted) place.scrollIntoView({ block: "start" });
  }, { "aria-expanded": "false", title: "Every number of this step, as the sum that it is (m)", id: "look" });
  bar.append(knob);

  async function draw() {
    const still = STILL.includes(store.job.status);
    knob.disabled = !still;
    knob.setAttribute("aria-expanded", String(wanted && still));
    place.hidden = !(wanted && still);
    if (place.hidden) {
      opened?.close();
      opened = null;
    } else if (opened) {
      opened.update(job());
    } else {
      style();
      const { open } = await import("./microscope/microscope.js");
      if (!opened && !place.hidden) {
        opened = open(place, { ask: (query) => get("trace", query), state: job, get sample() { return store.job.sample ?? 0; } });
      }
    }
  }

  // A link that names a step: go there, and look.
  function follow() {
    const step = /[#&]step=(\d+)/.exec(location.hash)?.[1];
    if (step === undefined) return;
    wanted = true;
    if (Number(step) !== store.job.step || !STILL.includes(store.job.status)) attempt(post("job", { do: "to", step: Number(step) }));
    else if (!opened) draw();
  }

  let last = "";
  on("job", () => {
    const key = `${store.job.status} ${store.job.step}`;
    if (key !== last) draw();
    last = key;
  });
  on("ready", follow);
  addEventListener("hashchange", follow);
  document.addEventListener("keydown", (event) => {
    if (event.key === "m" && !event.target.closest("input, textarea, select") && !event.ctrlKey && !event.metaKey && !knob.disabled) knob.click();
  });
}
