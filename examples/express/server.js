import { randomUUID } from "node:crypto";
import { Signer } from "@gatepass/sdk/server";
import express from "express";

const { GATEPASS_API_KEY: key, GATEPASS_PUBLIC_URL: publicUrl = "http://127.0.0.1:8080", PORT = 3000 } = process.env;
const signer = new Signer({ key, publicUrl });
const files = new Map(); // In place of your database.
const userOf = (request) => ({ id: 7 }); // In place of your session.

const app = express();
app.use("/gatepass", express.static("node_modules/@gatepass/sdk/dist/script"));
app.use(express.urlencoded());

// The path is made up here, never by the page, and begins with whose it is.
app.post("/sign", async (request, response) => {
  const path = `users/${userOf(request).id}/${randomUUID()}`;
  const limits = { expiresIn: 600, maxSize: 10_000_000, type: "image/*", overwrite: false };
  response.json({ url: await signer.signUpload(path, limits) });
});

// What the page says could be made up; what the receipt states was uploaded.
app.post("/files", async (request, response) => {
  const claims = await signer.verifyReceipt(request.body?.receipt).catch(() => null);
  if (!claims?.path.startsWith(`users/${userOf(request).id}/`)) {
    return response.status(403).send("The receipt was refused.");
  }
  files.set(claims.sub, { url: `${publicUrl}/${claims.path}`, type: claims.type, size: claims.size });
  response.redirect(303, "/");
});

app.get("/", (request, response) => response.send(page([...files.values()])));

app.listen(PORT, "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}`));

const page = (files) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Photos</title>
<h1>Photos</h1>
<form action="/files" method="post">
  <gatepass-upload name="receipt" sign-url="/sign" accept="image/*" max-size="10000000" required></gatepass-upload>
  <button>Save</button>
</form>
<ul>
  ${files.map(({ url, size }) => `<li><a href="${url}"><img src="${url}" height="120" alt=""></a> ${size} bytes`).join("\n  ")}
</ul>
<script src="/gatepass/element.js"></script>
</html>`;
