// A page with the element in a form.
export const ELEMENT_PAGE = `<!doctype html><html lang="en"><title>element</title>
<meta name="color-scheme" content="light dark">
<style>body { margin: 24px; font: 15px/1.45 system-ui, sans-serif }</style>
<form><gatepass-upload name="receipt" sign-url="/sign" multiple></gatepass-upload></form>
<script src="/dist/script/element.js"></script>
<script>
  window.heard = [];
  // What a screen reader says, one after the other.
  window.said = [];
  const live = document.querySelector("gatepass-upload").shadowRoot.querySelector("[role=status]");
  new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true });
  for (const name of ["upload-done", "upload-error", "upload-removed", "upload-progress"]) {
    addEventListener(name, ({ detail }) => heard.push({ name, file: detail.source.name, sent: detail.sent, kind: detail.error?.kind, url: detail.file?.url }));
  }
</script>`;

/** No inline code or style, nothing from elsewhere but what the element's page of the docs names. */
export const STRICT_PAGE = `<!doctype html><html lang="en"><title>strict</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; connect-src *; img-src 'self' blob:">
<gatepass-upload sign-url="/sign"></gatepass-upload>
<script src="/dist/script/element.js"></script>`;
