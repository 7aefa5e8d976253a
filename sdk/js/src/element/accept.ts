/** Whether a file is one that `accept` names, as an `<input>` understands it. */
export function accepts(accept: string | null, file: { name: string; type: string }): boolean {
  const wanted = (accept ?? "").split(",").map((one) => one.trim().toLowerCase());
  if (!wanted.some(Boolean)) return true;
  const name = file.name.toLowerCase();
  const type = file.type.toLowerCase();
  return wanted.some((one) => {
    if (one.startsWith(".")) return name.endsWith(one);
    if (one.endsWith("/*")) return type.startsWith(one.slice(0, -1));
    return one !== "" && type === one;
  });
}
