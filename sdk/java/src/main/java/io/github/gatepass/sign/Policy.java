package io.github.gatepass.sign;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What a signed URL allows. Every method refuses, with a {@link SigningException}, what the server
 * would refuse.
 *
 * <pre>{@code
 * new Policy().expiresIn(Duration.ofMinutes(10)).maxSize(10_000_000).type("image/*")
 * }</pre>
 */
public final class Policy {
    private static final int VALUE_BYTES_MAX = 1024;
    private static final int LIST_MAX = 32;
    private static final long SIZE_MAX = (1L << 53) - 1;
    private static final long EXPIRY_MAX = 99_999_999_999L;
    private static final Duration EXPIRES_IN_DEFAULT = Duration.ofHours(1);
    /** 48 KiB, less {@code &signature=} and its 43 characters. */
    private static final int QUERY_BYTES_MAX = 48 * 1024 - 54;
    private static final String TOKEN = "[A-Za-z0-9!#$&^_.+-]{1,127}";
    private static final Pattern TYPE = Pattern.compile(TOKEN + "/(?:" + TOKEN + "|\\*)");
    private static final Pattern META_NAME = Pattern.compile("[A-Za-z0-9_-]{1,64}");
    private static final Pattern SHA256 = Pattern.compile("[0-9A-Fa-f]{64}");

    private final TreeMap<String, String> values = new TreeMap<>();
    private Duration expiresIn;
    private Instant expiry;

    /** The time from now within which a request may begin, in whole seconds; an hour by default. */
    public Policy expiresIn(Duration duration) {
        if (duration.getSeconds() < 1) {
            throw bad("expiresIn", "must be a second or more");
        }
        expiresIn = duration;
        return this;
    }

    /** The last moment at which a request may begin, instead of {@link #expiresIn}. */
    public Policy expiry(Instant moment) {
        expiry = moment;
        return this;
    }

    /** Most bytes of the upload, at most 2^53 - 1. */
    public Policy maxSize(long bytes) {
        return put("max_size", bytes("maxSize", bytes));
    }

    /** Exact number of bytes of the upload, at most 2^53 - 1. */
    public Policy size(long bytes) {
        return put("size", bytes("size", bytes));
    }

    /** Content types allowed, {@code image/png} or {@code image/*}; at most 32. */
    public Policy type(String... types) {
        if (types.length == 0 || types.length > LIST_MAX) {
            throw bad("type", "must be 1 to 32 types");
        }
        for (String type : types) {
            if (type == null || !TYPE.matcher(type).matches()) {
                throw bad("type", "must be types such as image/png or image/*");
            }
        }
        return put("type", String.join(",", types));
    }

    /** SHA-256 that the bytes must have, 64 hexadecimal digits. */
    public Policy sha256(String digest) {
        if (digest == null || !SHA256.matcher(digest).matches()) {
            throw bad("sha256", "must be 64 hexadecimal digits");
        }
        return put("sha256", digest.toLowerCase(Locale.ROOT));
    }

    /** {@code false}: the upload may create, never replace. */
    public Policy overwrite(boolean allowed) {
        values.remove("overwrite");
        return allowed ? this : put("overwrite", "false");
    }

    /** The app's own reference, kept on the File; at most 1,024 bytes. */
    public Policy ref(String value) {
        return put("ref", text("ref", value));
    }

    /** The app's own metadata, kept on the File; at most 32 entries of at most 1,024 bytes. */
    public Policy meta(String name, String value) {
        if (name == null || !META_NAME.matcher(name).matches()) {
            throw bad("meta." + name, "the name must be 1 to 64 letters, digits, _ or -");
        }
        put("meta." + name, text("meta." + name, value));
        if (values.keySet().stream().filter(key -> key.startsWith("meta.")).count() > LIST_MAX) {
            throw bad("meta", "at most 32 entries");
        }
        return this;
    }

    /** The same for many. */
    public Policy meta(Map<String, String> entries) {
        entries.forEach(this::meta);
        return this;
    }

    /** Reading sends an attachment under this name, or under its own for {@code ""}. */
    public Policy download(String name) {
        return put("download", text("download", name));
    }

    /** Id of the key, so that no other is tried. */
    public Policy keyId(String id) {
        return put("kid", text("kid", id));
    }

    /** The query that is signed: expiry, method, then the rest by name. */
    String query(Method method, Clock clock) {
        StringBuilder query = new StringBuilder("expiry=").append(moment(clock));
        if (method != null) {
            query.append("&method=").append(method.wireName());
        }
        values.forEach((name, value) -> query.append('&').append(name).append('=').append(Text.escape(value, "/*,:@")));
        if (query.length() > QUERY_BYTES_MAX) {
            throw bad("query", "all values together are longer than 48 KiB, encoded");
        }
        return query.toString();
    }

    private long moment(Clock clock) {
        if (expiry != null && expiresIn != null) {
            throw bad("expiry", "give it or expiresIn, not both");
        }
        long soon = clock.instant().getEpochSecond();
        long seconds = (expiresIn == null ? EXPIRES_IN_DEFAULT : expiresIn).getSeconds();
        long moment = expiry != null ? expiry.getEpochSecond() : soon + Math.min(seconds, EXPIRY_MAX);
        if (moment < 1 || moment > EXPIRY_MAX) {
            throw bad("expiry", "must be 1 to 99999999999 Unix seconds");
        }
        return moment;
    }

    private Policy put(String name, String value) {
        values.put(name, value);
        return this;
    }

    private static String bytes(String name, long bytes) {
        if (bytes < 0 || bytes > SIZE_MAX) {
            throw bad(name, "must be a number of bytes, at most 2^53 - 1");
        }
        return Long.toString(bytes);
    }

    private static String text(String name, String value) {
        if (value == null || !Text.isWellFormed(value)) {
            throw bad(name, "must be text");
        }
        if (Text.length(value) > VALUE_BYTES_MAX) {
            throw bad(name, "longer than 1024 bytes");
        }
        if (Text.hasControl(value)) {
            throw bad(name, "has a control character");
        }
        return value;
    }

    private static SigningException bad(String name, String reason) {
        return new SigningException(SigningException.Code.POLICY_MALFORMED, name + ": " + reason);
    }
}
