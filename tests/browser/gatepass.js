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
const key = "gp_test_key_do_not_use_000000000000_sentinel_Qx7";

/** A running server: `delivery` and `api` are its origins, `stop()` ends it. */
export async function startGatepass() {
  const data = await mkdtemp(join(tmpdir(), "gatepass-browser-"));
  const free = ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"];
  const child = spawn(process.env.GATEPASS_BIN ?? built, ["serve", "--data", data, ...free], {
    env: { PATH: process.env.PATH, GATEPASS_API_KEY: key },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill();
    await ended;
    await rm(data, { recursive: true });
  };
  const ready = await readyLine(child);
  const origin = (name) => `http://${ready.match(new RegExp(`${name}="?([0-9.:]+)`))[1]}`;
  const delivery = origin("delivery");
  return { key, delivery, api: origin("api"), stop, sign: (...what) => sign(delivery, ...what) };
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
  const signature = createHmac("sha256", key).update(signed).digest("base64url");
  return `${origin}/${signed}&signature=${signature}`;
}
