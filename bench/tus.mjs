// @tus/server on a folder: node tus.mjs PACKAGES PORT FOLDER
import { createRequire } from "node:module";

const [packages, port, directory] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const { Server } = await import(require.resolve("@tus/server"));
const { FileStore } = await import(require.resolve("@tus/file-store"));
const server = new Server({ path: "/files", datastore: new FileStore({ directory }) });
server.listen({ host: "127.0.0.1", port: Number(port) });
