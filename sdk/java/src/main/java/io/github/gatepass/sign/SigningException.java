package io.github.gatepass.sign;

/** Nothing was signed. */
public final class SigningException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** What is wrong. */
    public enum Code {
        SETTINGS_INVALID, PATH_INVALID, POLICY_MALFORMED
    }

    private final Code code;

    SigningException(Code code, String message) {
        super(message);
        this.code = code;
    }

    public Code code() {
        return code;
    }
}
