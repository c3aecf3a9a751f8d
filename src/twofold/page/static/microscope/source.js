// Where the microscope's numbers come from: a training that stands still, or a record in the page itself. Both give the
// batches that there are, the facts of one, and a layer with everything behind its numbers.

import { unpack } from "./numbers.js";

/** A layer of a record, with its accounts by name, arrays by engine and name, updates by parameter. */
function layerOf(told, blobs) {
  const arrays = {};
  const unpacked = new Map();
  const at = (number) => {
    if (!unpacked.has(number)) unpacked.set(number, unpack(blobs[number]));
    return unpacked.get(number);
  };
  const named = (numbers) => Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, at(number)]));
  const byName = (accounts) => Object.fromEntries(accounts.map((account) => [account.what, account]));
  for (const [engine, numbers] of Object.entries(told.arrays)) arrays[engine] = named(numbers);
  const updates = {};
  for (const [parameter, update] of Object.entries(told.updates)) {
    updates[parameter] = { accounts: byName(update.accounts), arrays: {} };
    for (const [engine, numbers] of Object.entries(update.arrays)) updates[parameter].arrays[engine] = named(numbers);
  }
  return { ...told, accounts: byName(told.accounts), arrays, updates };
}

/** Batches that a report keeps: one before training, one after. */
export function recorded(record) {
  const layers = new Map();
  return {
    batches: record.batches.map(({ title, step }, place) => ({ key: String(place), title, step })),
    samples: () => null,
    async head({ batch }) {
      return record.batches[Number(batch)];
    },
    async layer({ batch }, name) {
      const key = `${batch} ${name}`;
      const told = record.batches[Number(batch)];
      if (!layers.has(key)) layers.set(key, layerOf(told.layers.find((layer) => layer.name === name), told.arrays));
      return layers.get(key);
    },
  };
}

/** The step at which a training is paused, asked of the process that trains. */
export function live(page) {
  const answers = new Map();
  const ask = async (query) => {
    const key = JSON.stringify([page.state()?.step, query]);
    if (!answers.has(key)) {
      const told = await page.ask(query);
      if (told.fault) throw new Error(told.fault);
      answers.set(key, told);
    }
    return answers.get(key);
  };
  return {
    batches: [
      { key: "training", title: "Next batch of training" },
      { key: "held-out", title: "Held-out samples" },
    ],
    samples: ({ batch }) => (batch === "held-out" ? "any" : null),
    forget: () => answers.clear(),
    async head({ batch, from }) {
      return ask({ batch, sample: String(from) });
    },
    async layer({ batch, from }, name) {
      const told = await ask({ batch, sample: String(from), layer: name });
      told.opened ??= layerOf(told.layer, told.arrays);
      return told.opened;
    },
  };
}
