package io.github.gatepass.sign;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Clock;
import java.util.Base64;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Signs URLs and checks receipts with one API key. Safe for use by many threads. */
public final class Signer {
    /** {"alg":"HS256","typ":"JWT"} */
    private static final String RECEIPT_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    private static final int TOKEN_MAX = 8192;
    private static final Pattern PUBLIC_URL = Pattern.compile("https?://[A-Za-z0-9._:\\[\\]-]+/*");

    private final SecretKeySpec key;
    private final String publicUrl;
    private final Clock clock;

    /**
     * @param key       the API key, gp_...
     * @param publicUrl where files are served: scheme, host and port
     * @throws SigningException of code SETTINGS_INVALID
     */
    public Signer(String key, String publicUrl) {
        this(key, publicUrl, Clock.systemUTC());
    }

    /** The same with another clock. */
    public Signer(String key, String publicUrl, Clock clock) {
        if (key == null || key.isEmpty()) {
            throw new SigningException(SigningException.Code.SETTINGS_INVALID, "key: the API key is missing");
        }
        if (publicUrl == null || !PUBLIC_URL.matcher(publicUrl).matches()) {
            throw new SigningException(SigningException.Code.SETTINGS_INVALID,
                    "publicUrl: must be scheme and host, https://files.example.net");
        }
        this.key = new SecretKeySpec(Text.utf8(key), "HmacSHA256");
        this.publicUrl = publicUrl.replaceAll("/+$", "");
        this.clock = clock;
    }

    /** A URL that uploads to {@code path} within an hour. */
    public String signUpload(String path) {
        return signUpload(path, new Policy());
    }

    /** A URL that uploads to {@code path}, in one request or in chunks. */
    public String signUpload(String path, Policy policy) {
        return sign(Method.PUT, path, policy);
    }

    /** A URL that reads the file at {@code path} within an hour. */
    public String signDownload(String path) {
        return signDownload(path, new Policy());
    }

    /** A URL that reads the file at {@code path}. */
    public String signDownload(String path, Policy policy) {
        return sign(Method.GET, path, policy);
    }

    /** A URL that deletes the file at {@code path}. */
    public String signDelete(String path, Policy policy) {
        return sign(Method.DELETE, path, policy);
    }

    /**
     * A URL for any method.
     *
     * @param method may be null: then the server's {@code legacy_urls} decides
     * @throws SigningException where the server would refuse the path
     */
    public String sign(Method method, String path, Policy policy) {
        Path.check(path);
        String query = policy.query(method, clock);
        String signature = mac(path + "?" + query);
        return publicUrl + "/" + Text.escape(path, "/") + "?" + query + "&signature=" + signature;
    }

    /**
     * What a receipt states, if this key signed it and its time is not over. Compare its path with
     * the one that you signed.
     */
    public ReceiptClaims verifyReceipt(String token) throws ReceiptException {
        String[] parts = token == null || token.length() > TOKEN_MAX ? new String[0] : token.split("\\.", -1);
        // The algorithm is never taken from the token: only this one header is ours.
        if (parts.length != 3 || !parts[0].equals(RECEIPT_HEADER)) {
            throw new ReceiptException(ReceiptException.Code.MALFORMED, "the receipt is malformed");
        }
        String expected = mac(parts[0] + "." + parts[1]);
        if (!MessageDigest.isEqual(Text.utf8(expected), Text.utf8(parts[2]))) {
            throw new ReceiptException(ReceiptException.Code.SIGNATURE_INVALID,
                    "the receipt's signature does not match");
        }
        ReceiptClaims claims = ReceiptClaims.read(parts[1]);
        if (clock.instant().getEpochSecond() >= claims.exp()) {
            throw new ReceiptException(ReceiptException.Code.EXPIRED, "the receipt has expired");
        }
        return claims;
    }

    private String mac(String text) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return Base64.getUrlEncoder().withoutPadding().encodeToString(mac.doFinal(Text.utf8(text)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HmacSHA256", e);
        }
    }
}
