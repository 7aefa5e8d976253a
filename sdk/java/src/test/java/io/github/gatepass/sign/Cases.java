package io.github.gatepass.sign;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * One case of vectors/signing.json, as this package answers it. Run as a program, it answers the
 * cases on its standard input: a URL, claims, or "!" and a code, one a line.
 */
@SuppressWarnings("unchecked")
final class Cases {
    private Cases() {
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        String text = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        for (Object one : (List<Object>) Json.parse(text)) {
            out.print(answer((Map<String, Object>) one) + "\n");
        }
    }

    static String answer(Map<String, Object> one) {
        long now = (Long) one.getOrDefault("now", 0L);
        Clock clock = Clock.fixed(Instant.ofEpochSecond(now), ZoneOffset.UTC);
        String publicUrl = (String) one.getOrDefault("public_url", "https://files.example.net");
        Signer signer = new Signer((String) one.get("key"), publicUrl, clock);
        try {
            if (one.get("kind").equals("receipt")) {
                ReceiptClaims claims = signer.verifyReceipt((String) one.get("token"));
                return line(claims.sub(), claims.path(), claims.size(), claims.type(), claims.etag(), claims.iat(), claims.exp());
            }
            Map<String, Object> policy = (Map<String, Object>) one.get("policy");
            return signer.sign(method((String) policy.get("method")), (String) one.get("path"), policy(policy));
        } catch (SigningException e) {
            return "!" + e.code().name().toLowerCase(Locale.ROOT);
        } catch (ReceiptException e) {
            return "!" + e.code().name().toLowerCase(Locale.ROOT);
        }
    }

    static String expected(Map<String, Object> one) {
        if (one.containsKey("url")) {
            return (String) one.get("url");
        }
        Map<String, Object> expect = (Map<String, Object>) one.get("expect");
        Map<String, Object> claims = (Map<String, Object>) expect.get("accept");
        return claims == null ? "!" + expect.get("refuse")
                : line(claims.get("sub"), claims.get("path"), claims.get("size"), claims.get("type"),
                        claims.get("etag"), claims.get("iat"), claims.get("exp"));
    }

    private static String line(Object... claims) {
        return Arrays.stream(claims).map(Object::toString).collect(Collectors.joining("\t"));
    }

    /** The type has no other values. */
    private static Method method(String name) {
        if (name == null) {
            return null;
        }
        return Arrays.stream(Method.values()).filter(method -> method.wireName().equals(name)).findFirst()
                .orElseThrow(() -> new SigningException(SigningException.Code.POLICY_MALFORMED, name));
    }

    private static Policy policy(Map<String, Object> values) {
        Policy policy = new Policy();
        values.forEach((name, value) -> {
            switch (name) {
                case "expiry" -> policy.expiry(Instant.ofEpochSecond((Long) value));
                case "max_size" -> policy.maxSize((Long) value);
                case "size" -> policy.size((Long) value);
                case "type" -> policy.type(((String) value).split(",", -1));
                case "sha256" -> policy.sha256((String) value);
                case "overwrite" -> policy.overwrite((Boolean) value);
                case "ref" -> policy.ref((String) value);
                case "download" -> policy.download((String) value);
                case "kid" -> policy.keyId((String) value);
                case "meta" -> policy.meta((Map<String, String>) value);
                case "method" -> { }
                default -> throw new IllegalArgumentException(name);
            }
        });
        return policy;
    }
}
