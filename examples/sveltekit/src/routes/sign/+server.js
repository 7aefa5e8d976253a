import { json } from "@sveltejs/kit";
import { signer, user } from "$lib/server/gatepass";

// The path is made up here, never by the page, and begins with whose it is.
export async function POST() {
  const path = `users/${user.id}/${crypto.randomUUID()}`;
  const limits = { expiresIn: 600, maxSize: 10_000_000, type: "image/*", overwrite: false };
  return json({ url: await signer().signUpload(path, limits) });
}
