// Starts the WebKit of the system (WebKitGTK's small browser), by the standard protocol of its driver.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { freePort } from "./free-port.js";

const BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/**
 * A running WebKit with one page: `run(script, ...values)` runs a function in the page and waits for
 * it, `choose(find, path)` chooses a file for the input that the function `find` returns.
 */
export async function openWebKit() {
  const port = await freePort();
  // Tests run as root in containers, where its sandbox cannot be set up; there is no screen.
  const env = { ...process.env, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1" };
  const command = ["-a", "WebKitWebDriver", `--port=${port}`, "--host=127.0.0.1"];
  const driver = spawn("xvfb-run", command, { env, stdio: "ignore", detached: true });
  const ended = once(driver, "exit");
  const origin = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${origin}/status`).then((answer) => answer.ok, () => false))) {
    if (driver.exitCode !== null) throw new Error("the driver of WebKit ended");
    await new Promise((later) => setTimeout(later, 100));
  }
  const browserOptions = { binary: BROWSER, args: ["--automation"] };
  const wanted = { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": browserOptions, timeouts: { script: 300_000 } } } };
  const { sessionId } = await call(`${origin}/session`, wanted);
  const session = `${origin}/session/${sessionId}`;
  return {
    goto: (url) => call(`${session}/url`, { url }),
    reload: () => call(`${session}/refresh`, {}),
    run: (script, ...args) => call(`${session}/execute/async`, { script: promised(script), args }),
    async choose(find, path) {
      const found = await call(`${session}/execute/sync`, { script: `return (${find})()`, args: [] });
      await call(`${session}/element/${found[ELEMENT]}/value`, { text: path });
    },
    async close() {
      await fetch(session, { method: "DELETE" }).catch(() => {});
      if (driver.exitCode === null) process.kill(-driver.pid, "SIGKILL");
      await ended;
    },
  };
}

/** A script that ends when the function's promise does. */
function promised(script) {
  return `const [done, ...values] = [...arguments].reverse();
    Promise.resolve((${script})(...values.reverse())).then((value) => done(value ?? null));`;
}

async function call(url, body) {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}
