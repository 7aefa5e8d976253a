package io.github.gatepass.sign;

/** A receipt is not believed. */
public final class ReceiptException extends Exception {
    private static final long serialVersionUID = 1L;

    /** No receipt of ours; not signed by this key, or changed; its time is over. */
    public enum Code {
        MALFORMED, SIGNATURE_INVALID, EXPIRED
    }

    private final Code code;

    ReceiptException(Code code, String message) {
        super(message);
        this.code = code;
    }

    public Code code() {
        return code;
    }
}
