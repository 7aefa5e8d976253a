/** A new element with properties, attributes for names with a dash or `role` and `part`, and children. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  settings: Record<string, unknown> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(settings)) {
    if (key in element && key !== "part" && !key.includes("-")) Object.assign(element, { [key]: value });
    else element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}
