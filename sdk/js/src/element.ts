/** Defines `<gatepass-upload>`. */
import { GatepassUpload } from "./element/uploader.js";

globalThis.customElements?.define("gatepass-upload", GatepassUpload);

export { GatepassUpload };

declare global {
  interface HTMLElementTagNameMap {
    "gatepass-upload": GatepassUpload;
  }
}
