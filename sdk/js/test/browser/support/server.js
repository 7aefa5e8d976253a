// The real server, on a data directory of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BINARY = process.env.GATEPASS_BIN ?? new URL("../../../../../target/debug/gatepass", import.meta.url).pathname;

export const KEY = "gp_browser_tests_0123456789abcdef0123456789abcdef";

/** A running server: `url`, `api`, `kill()`, `start()`, `stop()`. The ports stay over restarts. */
export async function startServer() {
  const data = await mkdtemp(join(tmpdir(), "gatepass-browser-"));
  const server = {
    url: `http://127.0.0.1:${await freePort()}`,
    api: `http://127.0.0.1:${await freePort()}`,
    async start() {
      this.child = spawn(BINARY, ["serve", "--data", data, "--listen", new URL(this.url).host, "--api-listen", new URL(this.api).host], {
        env: { ...process.env, GATEPASS_API_KEY: KEY },
        stdio: "ignore",
      });
      await answering(`${this.url}/.well-known/gatepass/readyz`, this.child);
    },
    /** As a crash does it. */
    async kill() {
      const gone = once(this.child, "exit");
      this.child.kill("SIGKILL");
      await gone;
    },
    async stop() {
      if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
      await rm(data, { recursive: true, force: true });
    },
    /** The unfinished uploads of files with this name. */
    async uploads(filename) {
      const answer = await fetch(`${this.api}/uploads?limit=100`, { headers: { Authorization: `Bearer ${KEY}` } });
      return (await answer.json()).data.filter((upload) => upload.filename === filename);
    },
    /** Waits until there is none any more. */
    async gaveUp(filename) {
      for (let tries = 0; (await this.uploads(filename)).length; tries++) {
        if (tries === 200) throw new Error(`the upload of ${filename} is still there`);
        await new Promise((later) => setTimeout(later, 50));
      }
    },
  };
  await server.start();
  return server;
}

async function answering(url, child) {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const up = await fetch(url).then((answer) => answer.ok, () => false);
    if (up) return;
    await new Promise((later) => setTimeout(later, 50));
  }
  throw new Error("the server does not answer");
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
