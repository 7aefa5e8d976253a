package io.github.gatepass.sign;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** Texts as UTF-8, and their escapes. */
final class Text {
    private static final Pattern CONTROL = Pattern.compile("[\\x00-\\x1f\\x7f-\\x9f]");
    private static final String UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    private Text() {
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static int length(String text) {
        return utf8(text).length;
    }

    static boolean hasControl(String text) {
        return CONTROL.matcher(text).find();
    }

    /** Half a surrogate pair has no UTF-8. */
    static boolean isWellFormed(String text) {
        return StandardCharsets.UTF_8.newEncoder().canEncode(text);
    }

    /** Escapes every byte outside RFC 3986's unreserved characters and {@code also}. */
    static String escape(String text, String also) {
        StringBuilder out = new StringBuilder();
        for (byte value : utf8(text)) {
            char plain = (char) (value & 0xff);
            if (UNRESERVED.indexOf(plain) >= 0 || also.indexOf(plain) >= 0) {
                out.append(plain);
            } else {
                out.append(String.format("%%%02X", value & 0xff));
            }
        }
        return out.toString();
    }
}
