import "server-only";
import { Signer } from "@gatepass/sdk/server";

export const publicUrl = process.env.GATEPASS_PUBLIC_URL ?? "http://127.0.0.1:8080";

// Made when it is needed: at the time of the build there is no key.
export const signer = () => new Signer({ key: process.env.GATEPASS_API_KEY, publicUrl });

export const user = async () => ({ id: 7 }); // In place of your session.

export const files = (globalThis.files ??= new Map()); // In place of your database.
