package io.github.gatepass.sign;

import java.util.List;
import java.util.regex.Pattern;

/** The grammar of paths. */
final class Path {
    private static final int BYTES_MAX = 1024;
    private static final int SEGMENT_BYTES_MAX = 255;
    private static final Pattern FORBIDDEN = Pattern.compile("[?#\\\\]");
    private static final Pattern ESCAPE = Pattern.compile("%[0-9A-Fa-f]{2}");

    private Path() {
    }

    /** Refuses what two readers could understand differently, and what would bring its own query. */
    static void check(String path) {
        String fault = fault(path);
        if (fault != null) {
            throw new SigningException(SigningException.Code.PATH_INVALID, "the path " + fault);
        }
    }

    private static String fault(String path) {
        if (path == null || path.isEmpty()) {
            return "is empty";
        }
        if (!Text.isWellFormed(path)) {
            return "is not well-formed Unicode";
        }
        if (Text.length(path) > BYTES_MAX) {
            return "is longer than 1024 bytes";
        }
        if (FORBIDDEN.matcher(path).find() || Text.hasControl(path)) {
            return "has one of ? # \\ or a control character";
        }
        if (ESCAPE.matcher(path).find()) {
            return "holds a percent escape: give it decoded";
        }
        return segmentsFault(List.of(path.split("/", -1)));
    }

    private static String segmentsFault(List<String> segments) {
        if (segments.contains("")) {
            return "has an empty segment";
        }
        if (segments.contains(".") || segments.contains("..")) {
            return "has a dot segment";
        }
        if (segments.stream().anyMatch(segment -> Text.length(segment) > SEGMENT_BYTES_MAX)) {
            return "has a segment longer than 255 bytes";
        }
        return segments.get(0).equals(".well-known") ? "starts with the reserved segment .well-known" : null;
    }
}
