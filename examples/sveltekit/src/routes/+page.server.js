import { fail } from "@sveltejs/kit";
import { files, publicUrl, signer, user } from "$lib/server/gatepass";

export const load = () => ({ files: [...files.values()] });

export const actions = {
  // What the page says could be made up; what the receipt states was uploaded.
  default: async ({ request }) => {
    const receipt = (await request.formData()).get("receipt");
    const claims = await signer().verifyReceipt(receipt).catch(() => null);
    if (!claims?.path.startsWith(`users/${user.id}/`)) return fail(403, { error: "The receipt was refused." });
    files.set(claims.sub, { url: `${publicUrl}/${claims.path}`, type: claims.type, size: claims.size });
  },
};
