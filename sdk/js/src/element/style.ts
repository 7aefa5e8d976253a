/** Each colour once, as pairs of light and dark; the first line of a pair is for older browsers. */
export const STYLE = `
:host {
  --_accent: var(--gatepass-accent, #2457d6);
  --_text: var(--gatepass-text, #1b1f27);
  --_muted: var(--gatepass-muted, #5b6472);
  --_surface: var(--gatepass-surface, #ffffff);
  --_border: var(--gatepass-border, #d5dae2);
  --_track: var(--gatepass-track, #e6e9ef);
  --_danger: var(--gatepass-danger, #b42318);
  --_success: var(--gatepass-success, #157347);
  --_radius: var(--gatepass-radius, 12px);
  --_gap: var(--gatepass-gap, 8px);
  display: block;
  container-type: inline-size;
  color: var(--_text);
  font: var(--gatepass-font, 15px/1.45 system-ui, sans-serif);
}
@supports (color: light-dark(#000, #fff)) {
  :host {
    --_accent: var(--gatepass-accent, light-dark(#2457d6, #8ab0ff));
    --_text: var(--gatepass-text, light-dark(#1b1f27, #e8ebf1));
    --_muted: var(--gatepass-muted, light-dark(#5b6472, #a3acba));
    --_surface: var(--gatepass-surface, light-dark(#ffffff, #1b1f27));
    --_border: var(--gatepass-border, light-dark(#d5dae2, #3a4250));
    --_track: var(--gatepass-track, light-dark(#e6e9ef, #313845));
    --_danger: var(--gatepass-danger, light-dark(#b42318, #ff9a8f));
    --_success: var(--gatepass-success, light-dark(#157347, #6fd6a0));
  }
}
:host([hidden]) { display: none; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; }
button { font: inherit; color: inherit; background: none; border: 0; cursor: pointer; }
svg {
  width: 20px; height: 20px; flex: none;
  fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round;
}

.zone {
  display: flex; align-items: center; justify-content: center; gap: 14px;
  width: 100%; min-height: 96px; padding: 20px;
  text-align: start; text-wrap: balance;
  background: var(--_surface);
  border: 1.5px dashed var(--_border); border-radius: var(--_radius);
  transition: border-color .15s, background-color .15s;
}
.zone .badge {
  display: grid; place-items: center; width: 44px; height: 44px; flex: none;
  color: var(--_accent); border-radius: 50%;
  background: color-mix(in srgb, var(--_accent) 12%, transparent);
}
.zone .badge svg { width: 22px; height: 22px; }
.zone b { font-weight: 600; color: var(--_accent); }
.zone .hint { display: block; font-size: .87em; color: var(--_muted); }
.zone .hint:empty { display: none; }
.zone:hover { border-color: var(--_accent); }
.zone.over { border-style: solid; border-color: var(--_accent); background: color-mix(in srgb, var(--_accent) 8%, var(--_surface)); }
.zone:disabled { cursor: not-allowed; opacity: .55; border-color: var(--_border); }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }
.zone:focus-visible { outline-offset: -2px; border-color: transparent; }

ul { list-style: none; margin: 0; padding: 0; display: grid; gap: var(--_gap); }
ul:not(:empty) { margin-top: var(--_gap); }
li {
  display: grid; grid-template-columns: auto 1fr auto; align-items: center; column-gap: 12px;
  padding: 10px 8px 10px 10px; overflow: hidden;
  background: var(--_surface); border: 1px solid var(--_border); border-radius: var(--_radius);
}
.thumbnail {
  display: grid; place-items: center; width: 44px; height: 44px; overflow: hidden;
  color: var(--_muted); background: var(--_track); border-radius: max(4px, calc(var(--_radius) - 5px));
}
.thumbnail img { width: 100%; height: 100%; object-fit: cover; }
.middle { min-width: 0; display: grid; gap: 2px; }
.name { display: flex; min-width: 0; font-weight: 550; white-space: nowrap; }
.name .stem { overflow: hidden; text-overflow: ellipsis; }
.status { display: flex; align-items: flex-start; gap: 5px; font-size: .87em; color: var(--_muted); font-variant-numeric: tabular-nums; }
.status svg { width: 16px; height: 16px; margin-top: .08em; stroke-width: 2; }
.status svg:not(.shown) { display: none; }
.bar { height: 5px; margin-top: 5px; overflow: hidden; border-radius: 3px; background: var(--_track); }
.fill { height: 100%; width: 0; border-radius: inherit; background: var(--_accent); transition: width .25s linear; }
li[data-state="done"] .bar, li[data-state="failed"] .bar { display: none; }
li[data-state="done"] .status { color: var(--_success); }
li[data-state="failed"] { border-color: color-mix(in srgb, var(--_danger) 45%, var(--_border)); }
li[data-state="failed"] .status { color: var(--_danger); }
li:is([data-state="paused"], [data-state="offline"], [data-state="retrying"]) .fill { background: var(--_muted); }
.actions { display: flex; gap: 2px; }
.actions button {
  display: grid; place-items: center; width: 36px; height: 36px; padding: 0;
  color: var(--_muted); border-radius: max(4px, calc(var(--_radius) - 4px));
}
.actions button:hover { color: var(--_text); background: color-mix(in srgb, currentColor 10%, transparent); }
.actions button[hidden] { display: none; }
.unseen {
  position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0;
  overflow: hidden; clip-path: inset(50%); white-space: nowrap; border: 0;
}
@container (max-width: 340px) {
  .zone { flex-direction: column; text-align: center; gap: 8px; }
  .actions button { width: 32px; }
}
@media (prefers-reduced-motion: reduce) { .zone, .fill { transition: none; } }
@media (forced-colors: active) {
  .fill { background: Highlight; }
  .bar { border: 1px solid CanvasText; }
}
`;
