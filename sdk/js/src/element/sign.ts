/** Headers, or a function that is asked for them before each request. */
export type SignHeaders = HeadersInit | (() => HeadersInit | Promise<HeadersInit>);

/** Asks the app for a signed URL: `POST` with `{name, size, type}`, answered with `{url}`. */
export async function askToSign(address: string, given: SignHeaders, file: File, signal: AbortSignal): Promise<string> {
  const { name, size, type } = file;
  const url = new URL(address, document.baseURI);
  const headers = standardHeaders(url);
  new Headers(typeof given === "function" ? await given() : given).forEach((value, header) => headers.set(header, value));
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ name, size, type }), signal });
  if (!answer.ok) throw new Error(`signing was answered with ${answer.status}`);
  return (await answer.json()).url;
}

function standardHeaders(url: URL): Headers {
  const headers = new Headers({ "Content-Type": "application/json", Accept: "application/json" });
  const token = document.querySelector<HTMLMetaElement>("meta[name=csrf-token]")?.content;
  // The token is a secret between the page and its own server.
  if (token && url.origin === location.origin) headers.set("X-CSRF-Token", token);
  return headers;
}
