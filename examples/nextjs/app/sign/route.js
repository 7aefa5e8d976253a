import { signer, user } from "../gatepass";

// The path is made up here, never by the page, and begins with whose it is.
export async function POST() {
  const path = `users/${(await user()).id}/${crypto.randomUUID()}`;
  const limits = { expiresIn: 600, maxSize: 10_000_000, type: "image/*", overwrite: false };
  return Response.json({ url: await signer().signUpload(path, limits) });
}
