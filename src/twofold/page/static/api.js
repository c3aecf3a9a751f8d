// The server's addresses, below the page's own.

import { $ } from "./dom.js";

async function answered(response) {
  const body = await response.json().catch(() => ({ fault: response.statusText }));
  if (!response.ok) throw Object.assign(new Error(body.fault ?? "refused"), { status: response.status, body });
  return body;
}

export function get(path, query = {}) {
  const text = new URLSearchParams(query).toString();
  return fetch(`api/${path}${text ? `?${text}` : ""}`).then(answered);
}

export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return fetch(`api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }).then(answered);
}

// A file as it is: the server takes its bytes, and its name as data.
export function send(path, query, file) {
  const text = new URLSearchParams(query).toString();
  const headers = { "Content-Type": "application/octet-stream" };
  return fetch(`api/${path}?${text}`, { method: "POST", headers, body: file }).then(answered);
}

let hiding = 0;

export function complain(error) {
  const place = $("fault");
  place.textContent = error instanceof Error ? error.message : String(error);
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (place.hidden = true), 12000);
}

// Does something that the server may refuse, and says why where it does.
export async function attempt(promise) {
  try {
    return await promise;
  } catch (error) {
    complain(error);
    return null;
  }
}
