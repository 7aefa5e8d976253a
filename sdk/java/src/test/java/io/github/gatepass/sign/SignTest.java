package io.github.gatepass.sign;

import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The tests, as a program: JUnit is not part of the JDK. Its argument is vectors/signing.json. */
@SuppressWarnings("unchecked")
final class SignTest {
    private static final String PUBLIC_URL = "https://files.example.net";
    private static int passed;
    private static int failed;

    private SignTest() {
    }

    public static void main(String[] args) throws Exception {
        vectors(java.nio.file.Path.of(args[0]));
        settings();
        options();
        kinds();
        json();
        check(!new Signer("gp_test_key", PUBLIC_URL).toString().contains("gp_test_key"), "the key does not print");
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void vectors(java.nio.file.Path file) throws Exception {
        Map<String, Object> all = (Map<String, Object>) Json.parse(Files.readString(file));
        for (String kind : List.of("sign", "sign-refuse", "receipt")) {
            int before = passed + failed;
            for (Map<String, Object> one : (List<Map<String, Object>>) all.get("cases")) {
                if (one.get("kind").equals(kind)) {
                    String found = Cases.answer(one);
                    check(found.equals(Cases.expected(one)), one.get("id") + ": " + found);
                }
            }
            check(passed + failed - before > 20, kind);
        }
    }

    private static void settings() {
        refuses(SigningException.Code.SETTINGS_INVALID, "no key", () -> new Signer("", PUBLIC_URL));
        refuses(SigningException.Code.SETTINGS_INVALID, "no key", () -> new Signer(null, PUBLIC_URL));
        refuses(SigningException.Code.SETTINGS_INVALID, "no URL", () -> new Signer("k", null));
        for (String url : List.of("", "files.example.net", "https://", PUBLIC_URL + "/folder", PUBLIC_URL + "?x=1", PUBLIC_URL + "\n")) {
            refuses(SigningException.Code.SETTINGS_INVALID, url, () -> new Signer("k", url));
        }
    }

    private static void options() {
        Signer signer = new Signer("gp_test_key", PUBLIC_URL);
        Map<String, Callable<Policy>> wrong = new LinkedHashMap<>();
        wrong.put("no time", () -> new Policy().expiresIn(Duration.ZERO));
        wrong.put("less than a second", () -> new Policy().expiresIn(Duration.ofMillis(999)));
        wrong.put("too far", () -> new Policy().expiresIn(Duration.ofSeconds(Long.MAX_VALUE)));
        wrong.put("both", () -> new Policy().expiresIn(Duration.ofHours(1)).expiry(Instant.ofEpochSecond(4102444800L)));
        wrong.put("no types", () -> new Policy().type());
        wrong.put("empty type", () -> new Policy().type(""));
        wrong.put("null type", () -> new Policy().type((String) null));
        wrong.put("a comma", () -> new Policy().type("image/png,image/gif"));
        wrong.put("half a pair", () -> new Policy().ref("\ud800"));
        wrong.put("null", () -> new Policy().ref(null));
        wrong.put("null meta", () -> new Policy().meta("user", null));
        wrong.forEach((what, policy) -> refuses(SigningException.Code.POLICY_MALFORMED, what,
                () -> signer.signUpload("a.bin", policy.call())));
        refuses(SigningException.Code.PATH_INVALID, "null path", () -> signer.signUpload(null));
        refuses(SigningException.Code.PATH_INVALID, "half a pair", () -> signer.signUpload("\ud800.png"));
    }

    private static void kinds() {
        Signer signer = new Signer("gp_test_key", PUBLIC_URL);
        Map<String, String> urls = Map.of("put", signer.signUpload("a b.png"), "get", signer.signDownload("a b.png"),
                "delete", signer.signDelete("a b.png", new Policy()));
        urls.forEach((method, url) -> {
            Matcher found = Pattern.compile("https://files\\.example\\.net/a%20b\\.png\\?expiry=(\\d+)&method=" + method
                    + "&signature=[\\w-]{43}").matcher(url);
            check(found.matches(), url);
            long left = Long.parseLong(found.group(1)) - Instant.now().getEpochSecond();
            check(left >= 3595 && left <= 3600, "an hour: " + left);
        });
    }

    private static void json() {
        check(Json.parse(" {\"a\\u0041\\n\": [1, -2.5e1, true, null, {}], \"b\":[]} ").toString()
                .equals("{aA\n=[1, -25.0, true, null, {}], b=[]}"), "JSON");
        for (String wrong : List.of("", "{", "[1,]", "{\"a\"}", "01", "+1", "1.", "\"\n\"", "\"\\x\"", "\"\\u12g4\"", "nul", "1 2",
                "{a:1}", "99999999999999999999", "[".repeat(1000))) {
            try {
                check(false, "JSON " + wrong + ": " + Json.parse(wrong));
            } catch (IllegalArgumentException e) {
                check(true, wrong);
            }
        }
    }

    private static void refuses(SigningException.Code code, String what, Callable<?> call) {
        try {
            check(false, what + ": " + call.call());
        } catch (SigningException e) {
            check(e.code() == code, what + ": " + e.code());
        } catch (Exception e) {
            check(false, what + ": " + e);
        }
    }

    private static void check(boolean holds, String what) {
        passed += holds ? 1 : 0;
        failed += holds ? 0 : 1;
        if (!holds) {
            System.out.println("failed: " + what);
        }
    }
}
