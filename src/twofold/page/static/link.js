// A link that holds a whole recipe: its text, deflated, in base64url, behind #recipe=. No server ever sees it.

const MARK = "#recipe=";

async function through(bytes, stream) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

export async function linkOf(toml) {
  const packed = await through(new TextEncoder().encode(toml), new CompressionStream("deflate-raw"));
  const letters = Array.from(packed, (byte) => String.fromCharCode(byte)).join("");
  return MARK + btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export async function recipeOf(hash) {
  const packed = hash.slice(MARK.length).split("&")[0].replaceAll("-", "+").replaceAll("_", "/");
  try {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw")));
  } catch {
    throw new Error("the recipe in the link is damaged");
  }
}
