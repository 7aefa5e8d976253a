// Starts what a block of commands on a page starts, as somebody does who follows the page.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../browser/free-port.js";

/** Runs commands in a folder until they answer, on a free port if no `url` is given; `{url, stop, said}`. */
export async function start(commands, cwd, env, { url, patience = 500_000 } = {}) {
  const port = String(await freePort());
  // Each framework has its own way to be told.
  const ports = { PORT: port, UVICORN_PORT: port, SERVER_PORT: port, ORIGIN: `http://127.0.0.1:${port}`, NEXT_TELEMETRY_DISABLED: "1" };
  const child = spawn("bash", ["-euc", commands], {
    cwd,
    env: { ...process.env, ...ports, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // In a group of its own, so that all it starts ends with it.
    detached: true,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const ended = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
  };
  url ??= `http://127.0.0.1:${port}`;
  const until = Date.now() + patience;
  while (!(await answers(url))) {
    const over = child.exitCode !== null || Date.now() > until;
    if (over) {
      await stop();
      throw new Error(`it does not start:\n${commands}\n${said}`);
    }
    await new Promise((later) => setTimeout(later, 100));
  }
  return { url, stop, said: () => said };
}

const answers = (url) => fetch(url).then((answer) => answer.ok, () => false);
