"use client";

import { useUpload } from "@gatepass/sdk/react";
import { useEffect, useState } from "react";
import { save } from "./actions";

async function getUrl() {
  const answer = await fetch("/sign", { method: "POST" });
  if (!answer.ok) throw new Error(`signing: ${answer.status}`);
  return (await answer.json()).url;
}

export function Photo() {
  const { progress, result, error, start } = useUpload({ getUrl });
  const [saved, setSaved] = useState({});
  useEffect(() => {
    if (result) save(result.receipt).then(setSaved);
  }, [result]);
  return (
    <>
      <input type="file" accept="image/*" onChange={(event) => start(event.target.files[0])} />
      <progress value={progress.sent / progress.total || 0} />
      <p role="alert">{error?.message ?? saved.error}</p>
    </>
  );
}
