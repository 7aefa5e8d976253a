package io.github.gatepass.sign;

import java.util.Locale;

/** What a URL is for: read; upload; delete the file. */
public enum Method {
    GET, PUT, DELETE;

    String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
