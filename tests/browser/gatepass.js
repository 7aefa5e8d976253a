// Starts the real binary in a new data directory, and signs URLs for it.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const built = fileURLToPath(new URL("../../target/debug/gatepass", import.meta.url));

export const KEY = "gp_test_key_do_not_use_000000000000_sentinel_Qx7";

/**
 * A running server. `url` and `api` are its origins, which stay over restarts; `kill()` ends it as a
 * crash does, `start()` starts it again, `stop()` ends it and removes its data.
 */
export async function startGatepass() {
  const data = await mkdtemp(join(tmpdir(), "gatepass-browser-"));
  // It takes free ports, and keeps them.
  const at = { listen: "127.0.0.1:0", api: "127.0.0.1:0" };
  let child, ended;

  const end = async (signal) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  const start = async () => {
    child = spawn(process.env.GATEPASS_BIN ?? built, ["serve", "--data", data, "--listen", at.listen, "--api-listen", at.api], {
      env: { PATH: process.env.PATH, GATEPASS_API_KEY: KEY },
      stdio: ["ignore", "ignore", "pipe"],
    });
    ended = once(child, "exit");
    const ready = await readyLine(child);
    const address = (name) => ready.match(new RegExp(`${name}="?([0-9.:]+)`))[1];
    Object.assign(at, { listen: address("delivery"), api: address("api") });
  };
  const stop = async () => {
    await end("SIGTERM");
    await rm(data, { recursive: true, force: true });
  };
  await start();

  const url = `http://${at.listen}`;
  const api = `http://${at.api}`;
  /** The unfinished uploads of files with this name. */
  const uploads = async (filename) => {
    const answer = await fetch(`${api}/uploads?limit=100`, { headers: { Authorization: `Bearer ${KEY}` } });
    return (await answer.json()).data.filter((upload) => upload.filename === filename);
  };
  /** Waits until there is none any more. */
  const gaveUp = async (filename) => {
    for (let tries = 0; (await uploads(filename)).length; tries++) {
      if (tries === 600) throw new Error(`the upload of ${filename} is still there`);
      await new Promise((later) => setTimeout(later, 50));
    }
  };
  return { key: KEY, url, api, start, stop, uploads, gaveUp, kill: () => end("SIGKILL"), sign: (...what) => sign(url, ...what) };
}

async function readyLine(child) {
  const seen = [];
  for await (const line of createInterface({ input: child.stderr })) {
    // Colours come between a name and its value.
    const plain = line.replace(/\x1b\[[0-9;]*m/g, "");
    seen.push(plain);
    if (plain.includes("ready")) {
      child.stderr.resume();
      return plain;
    }
  }
  throw new Error(`the server ended: ${seen.join("\n")}`);
}

function sign(origin, path, method, more = "") {
  const signed = `${path}?expiry=${Math.floor(Date.now() / 1000) + 600}&method=${method}${more}`;
  const signature = createHmac("sha256", KEY).update(signed).digest("base64url");
  return `${origin}/${signed}&signature=${signature}`;
}
