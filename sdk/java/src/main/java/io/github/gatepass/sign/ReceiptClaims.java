package io.github.gatepass.sign;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What a receipt states about an upload.
 *
 * @param sub  the file's id
 * @param path its path, decoded
 * @param size its size in bytes
 * @param type its content type
 * @param etag its entity tag, without quotes
 * @param iat  when the receipt was issued, in Unix seconds
 * @param exp  when it ends, in Unix seconds
 */
public record ReceiptClaims(String sub, String path, long size, String type, String etag, long iat, long exp) {
    private static final Pattern BASE64URL = Pattern.compile("[A-Za-z0-9_-]*");

    /** Reads the payload of a token whose signature matched. */
    static ReceiptClaims read(String payload) throws ReceiptException {
        try {
            if (!BASE64URL.matcher(payload).matches()) {
                throw new IllegalArgumentException("not base64url");
            }
            ByteBuffer bytes = ByteBuffer.wrap(Base64.getUrlDecoder().decode(payload));
            String text = StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
            return of((Map<?, ?>) Json.parse(text));
        } catch (IllegalArgumentException | ClassCastException | NullPointerException | CharacterCodingException e) {
            throw new ReceiptException(ReceiptException.Code.MALFORMED, "the receipt's claims are malformed");
        }
    }

    private static ReceiptClaims of(Map<?, ?> read) {
        return new ReceiptClaims(text(read, "sub"), text(read, "path"), number(read, "size"), text(read, "type"),
                text(read, "etag"), number(read, "iat"), number(read, "exp"));
    }

    private static String text(Map<?, ?> read, String name) {
        if (read.get(name) instanceof String text) {
            return text;
        }
        throw new IllegalArgumentException(name);
    }

    private static long number(Map<?, ?> read, String name) {
        if (read.get(name) instanceof Long number && number >= 0) {
            return number;
        }
        throw new IllegalArgumentException(name);
    }
}
