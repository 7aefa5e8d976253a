/**
 * Signing on a server: makes the URLs that let a browser upload or read one file, and checks the
 * receipts that come back. Nothing beyond the JDK.
 */
package io.github.gatepass.sign;
