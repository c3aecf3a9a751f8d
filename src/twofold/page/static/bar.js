// Start, pause, step, epoch, reset: the training's own bar.

import { attempt, post } from "./api.js";
import { button, h, number } from "./dom.js";
import { on, store } from "./store.js";

const WORDS = {
  idle: "not loaded", loading: "loading", paused: "paused", playing: "training", ended: "ended", failed: "failed", interrupted: "stopped",
  finishing: "running", finished: "finished",
};

const drive = (what, more = {}) => attempt(post("job", { do: what, ...more }));

export function bar(place) {
  const play = button("Start", () => drive(store.job.status === "playing" ? "pause" : "play"), { class: "main", accesskey: "s" });
  const step = button("Step", () => drive("step"), { title: "One batch (n)" });
  const epoch = button("Epoch", () => drive("epoch"), { title: "To the end of the epoch (e)" });
  const reset = button("Reset", () => drive("reset"), { title: "From the beginning again (r)" });
  const finish = button("Finish as a run", () => drive(store.job.status === "finishing" ? "stop" : "finish"), { title: "An ordinary run folder with its report, of this recipe" });
  const seed = h("input", { type: "text", inputmode: "numeric", class: "short", "aria-label": "Seed" });
  seed.addEventListener("change", () => drive("reset", { seed: seed.value }));
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Steps taken" });
  const words = h("span", { class: "words", role: "status" });
  place.append(play, step, epoch, reset, h("label", {}, "seed ", seed), progress, words, finish);

  const draw = () => {
    const { status, step: taken, steps, epoch: epochs, message, what, done, total } = store.job;
    const playing = status === "playing";
    const busy = status === "loading" || status === "finishing";
    play.textContent = playing ? "Pause" : taken && status === "paused" ? "Go on" : status === "ended" ? "Again" : "Start";
    play.disabled = busy || !store.recipe?.trainable;
    step.disabled = epoch.disabled = playing || busy || status === "ended" || !store.recipe?.trainable;
    reset.disabled = !store.recipe?.trainable;
    finish.textContent = status === "finishing" ? "Stop" : "Finish as a run";
    finish.disabled = status === "loading" || !store.recipe?.trainable;
    progress.max = steps ?? total ?? 1;
    progress.value = taken ?? done ?? 0;
    const parts = [WORDS[status] ?? status];
    if (what) parts.push(what);
    if (taken !== undefined && steps) parts.push(`step ${number(taken)} of ${number(steps)}`);
    if (epochs) parts.push(`epoch ${epochs.toFixed(1)}`);
    if (playing && store.pace) parts.push(`${number(Math.round(store.pace))} steps a second`);
    if (status === "finished") parts.push(`the run is ${store.runs}/${store.job.run}: see Runs`);
    words.textContent = message ?? parts.join(" · ");
    words.title = message ?? "";
    words.classList.toggle("wrong", status === "failed");
    document.documentElement.dataset.status = status;
    document.documentElement.dataset.live = String(Boolean(store.live));
  };
  on("job frame recipe", draw);
  on("recipe", () => {
    if (document.activeElement !== seed) seed.value = String(store.recipe?.table?.training?.seed ?? 0);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, button, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { " ": play, n: step, e: epoch, r: reset };
    const pressed = keys[event.key];
    if (pressed && !pressed.disabled) {
      event.preventDefault();
      pressed.click();
    }
  });
}
