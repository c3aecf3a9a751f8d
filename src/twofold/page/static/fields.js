// One control for each field of a table of the recipe, made of the recipe's own models: their limits, helps, defaults.

import { attempt, post } from "./api.js";
import { h } from "./dom.js";
import { store } from "./store.js";

export const change = (edit) => attempt(post("recipe", { edit }));

const LIMITS = { min: "at least", above: "above", max: "at most", below: "below" };

function limits(field) {
  return Object.entries(LIMITS).filter(([key]) => field[key] !== undefined).map(([key, words]) => `${words} ${field[key]}`).join(", ");
}

// A value as it is typed: a text without quotes, a list or a table as one line of TOML.
function written(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : inline(value);
}

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object") return typeof value === "string" ? JSON.stringify(value) : String(value);
  const pairs = Object.entries(value).map(([key, item]) => `${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)} = ${inline(item)}`);
  return pairs.length ? `{ ${pairs.join(", ")} }` : "";
}

export function faultsAt(path) {
  const key = JSON.stringify(path);
  return (store.recipe?.faults ?? []).filter((fault) => JSON.stringify(fault.path) === key);
}

// Locked and hidden tables, as a teacher's recipe says in [page].
export const hidden = (section) => (store.recipe?.table?.page?.hide ?? []).includes(section);
export const locked = (section) => (store.recipe?.table?.page?.lock ?? []).includes(section);

function choice(field, value, set) {
  const select = h("select", {}, field.choices.map((option) => h("option", { value: String(option) }, String(option))));
  select.value = String(value ?? field.default ?? "");
  select.addEventListener("change", () => set(field.choices.find((option) => String(option) === select.value)));
  return select;
}

function flag(field, value, set) {
  const box = h("input", { type: "checkbox", checked: Boolean(value ?? field.default) });
  box.addEventListener("change", () => set(box.checked));
  return box;
}

function text(field, value, edit, unset) {
  const shown = written(value);
  const input = h("input", {
    type: "text", value: shown, placeholder: written(field.default), spellcheck: "false", autocomplete: "off", title: limits(field),
    list: field.choices.length ? undefined : null,
  });
  input.addEventListener("change", () => {
    const typed = input.value.trim();
    if (typed === "" && !field.required) unset();
    else edit(typed);
  });
  return input;
}

// A field of the table at `path`, say ["layers", 1] or ["optimizer"].
export function control(path, field, table, section) {
  const at = [...path, field.name];
  const key = at.join(".");
  const value = table?.[field.name];
  const faults = faultsAt(at);
  const onlyText = field.types.length === 1 && field.types[0] === "string" && !field.choices.length;
  const set = (chosen) => change({ set: key, value: chosen });
  let input;
  if (field.choices.length && !field.types.length) input = choice(field, value, set);
  else if (field.types.length === 1 && field.types[0] === "boolean") input = flag(field, value, set);
  else {
    input = text(field, value, (typed) => change(onlyText ? { set: key, value: typed } : { set: key, text: typed }), () => change({ unset: key }));
  }
  input.id = `field-${key}`;
  input.disabled = locked(section);
  if (faults.length) input.setAttribute("aria-invalid", "true");
  const help = [field.help, limits(field) && `${limits(field)}.`].filter(Boolean).join(" ");
  const label = h("label", { for: input.id, title: help }, field.name.replaceAll("_", " "));
  const notes = faults.map((fault) => h("p", { class: "fault", role: "alert" }, fault.rule, fault.remedy ? h("small", {}, ` ${fault.remedy}`) : null));
  const isSet = value !== undefined && value !== null;
  return h("div", { class: `field${isSet ? " set" : ""}${faults.length ? " faulty" : ""}` }, label, input, ...notes);
}

// The fields of a kind: those that are set, required or faulty first; the others on demand.
export function fields(path, kind, table, section, open) {
  const first = kind.fields.filter((field) => field.required || table?.[field.name] !== undefined || faultsAt([...path, field.name]).length
    || MAIN.has(field.name));
  const rest = kind.fields.filter((field) => !first.includes(field));
  const boxes = first.map((field) => control(path, field, table, section));
  if (rest.length) {
    const more = h("details", { class: "more", open: open.has(path.join(".")) },
      h("summary", {}, `${rest.length} more`), ...rest.map((field) => control(path, field, table, section)));
    more.addEventListener("toggle", () => (more.open ? open.add(path.join(".")) : open.delete(path.join("."))));
    boxes.push(more);
  }
  return boxes;
}

const MAIN = new Set(["lr", "momentum", "epochs", "steps", "batch_size", "samples", "noise", "units", "channels", "kernel", "p", "length", "test"]);
