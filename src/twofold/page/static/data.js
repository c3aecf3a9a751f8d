// Data of one's own: a table, a folder or an archive of images. Names and cells are text, whatever they hold.

import { attempt, complain, post, send } from "./api.js";
import { button, h, number } from "./dom.js";
import { emit } from "./store.js";

let preview = null;
let busy = "";

function use(data, classes) {
  preview = null;
  return attempt(post("recipe", { data, classes }));
}

async function loaded(promise, words) {
  busy = words;
  emit("uploads");
  preview = await attempt(promise);
  busy = "";
  emit("uploads");
}

async function folder(files) {
  const { folder: token } = await post("upload/folder", { name: files[0].webkitRelativePath.split("/")[0] });
  let done = 0;
  for (const file of files) {
    await send("upload/image", { folder: token, path: file.webkitRelativePath }, file);
    done += 1;
    if (done % 50 === 0) {
      busy = `${done} of ${files.length} files`;
      emit("uploads");
    }
  }
  return { kind: "images", ...(await post("upload/end", { folder: token })) };
}

function picker(words, accept, take, more = {}) {
  const input = h("input", { type: "file", accept, hidden: true, "aria-label": words, ...more });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) take(files);
  });
  return [button(words, () => input.click()), input];
}

const takeTable = ([file]) => loaded(send("upload/table", { name: file.name }, file).then((facts) => ({ kind: "table", ...facts })), file.name);
const takeArchive = ([file]) => loaded(send("upload/zip", { name: file.name }, file).then((facts) => ({ kind: "images", ...facts })), file.name);

const KINDS = ["number", "category", "ordinal", "boolean", "date", "text", "drop"];
const WORDS = { drop: "left out" };
const MOST_CLASSES = 40;

function tablePreview() {
  const { columns, rows, label, path, notes } = preview;
  const kinds = new Map(columns.map((column) => [column.name, column.kind]));
  const select = h("select", { id: "label-column" }, columns.map((column) => h("option", { value: column.name }, column.name)));
  select.value = label;
  const line = (column) => {
    const kind = h("select", { "aria-label": `Kind of ${column.name}` }, KINDS.map((name) => h("option", { value: name }, WORDS[name] ?? name)));
    kind.value = column.kind;
    kind.addEventListener("change", () => kinds.set(column.name, kind.value));
    const missing = column.missing ? `, ${number(column.missing)} missing` : "";
    return h("tr", {}, h("th", { scope: "row" }, column.name), h("td", {}, kind),
      h("td", { title: column.warnings.join("; ") }, `${column.range || `${number(column.distinct)} different`}${missing}${column.warnings.length ? " (!)" : ""}`));
  };
  const accept = () => {
    const answer = columns.find((column) => column.name === select.value);
    const named = Object.fromEntries([...kinds].filter(([name]) => name !== select.value));
    if (Object.values(named).every((kind) => kind === "drop")) return complain("Leave at least one column in, beside the one to answer.");
    if (answer.distinct < 2) return complain(`Column ${answer.name} holds one value only: there is nothing to tell apart.`);
    const numbers = answer.kind === "number" && answer.distinct > MOST_CLASSES;
    return use({ source: "table", path, label: select.value, columns: named, ...(numbers ? {} : { classes: answer.distinct }) }, numbers ? 1 : answer.distinct);
  };
  return h("div", { class: "upload" }, h("div", { class: "row" }, h("label", { for: "label-column" }, "answer"), select, button("Use it", accept, { class: "main" }),
    button("Leave it", () => { preview = null; emit("uploads"); })),
  h("p", { class: "help" }, `${number(rows)} rows. What is to be answered: a class, or a number where it has more than ${MOST_CLASSES} values. ${notes.join(" ")}`),
  h("div", { class: "scroll" }, h("table", {}, h("tbody", {}, columns.map(line)))));
}

function imagesPreview() {
  const { classes, images, skipped, size, channels, path } = preview;
  const names = Object.keys(classes);
  const data = { source: "images", path, size: size[0] === size[1] ? size[0] : size, channels };
  return h("div", { class: "upload" },
    h("p", { class: "help" }, `${number(images)} images of ${names.length} classes${skipped ? `; ${number(skipped)} other files were left out` : ""}; taken as ${size.join(" × ")} pixels, ${channels === 1 ? "grey" : "colour"}.`),
    h("ul", { class: "classes" }, names.slice(0, 20).map((name) => h("li", {}, `${name}: ${number(classes[name])}`))),
    h("div", { class: "row" }, button("Use them", () => use(data, names.length), { class: "main" }), button("Leave them", () => { preview = null; emit("uploads"); })));
}

export function uploads() {
  const parts = [h("div", { class: "row uploads" },
    ...picker("Upload a table", ".csv,.tsv,.txt,text/csv", takeTable), ...picker("images (zip)", ".zip,application/zip", takeArchive),
    ...picker("images (folder)", "image/*", (files) => loaded(folder(files), `${files.length} files`), { webkitdirectory: true }))];
  if (busy) parts.push(h("p", { class: "help", role: "status" }, `uploading: ${busy}`));
  if (preview) parts.push(preview.kind === "table" ? tablePreview() : imagesPreview());
  return h("div", {}, parts);
}

// A file that is dropped on the page is an upload as well.
export function dropping() {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (!file) return;
    if (/\.toml$/i.test(file.name)) await attempt(post("recipe", { toml: await file.text() }));
    else if (/\.zip$/i.test(file.name)) takeArchive([file]);
    else takeTable([file]);
  });
}
