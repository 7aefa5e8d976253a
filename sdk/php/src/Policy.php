<?php

declare(strict_types=1);

namespace Gatepass\Sign;

/** @internal The query that is signed. */
final class Policy
{
    private const VALUE_BYTES_MAX = 1024;
    private const LIST_MAX = 32;
    private const SIZE_MAX = 2 ** 53 - 1;
    private const EXPIRY_MAX = 99_999_999_999;
    private const EXPIRES_IN_DEFAULT = 3600;
    /** 48 KiB, less `&signature=` and its 43 characters. */
    private const QUERY_BYTES_MAX = 48 * 1024 - 54;
    private const TOKEN = '[A-Za-z0-9!#$&^_.+-]{1,127}';
    private const PLAIN = ['%2F' => '/', '%2A' => '*', '%2C' => ',', '%3A' => ':', '%40' => '@'];

    /**
     * `expiry`, `method`, then the rest by name.
     *
     * @param array<string, mixed> $options
     */
    public static function query(array $options): string
    {
        $options = array_filter($options, static fn ($value) => $value !== null);
        $parts = ['expiry=' . self::expiry($options)];
        if (isset($options['method'])) {
            $parts[] = 'method=' . self::method($options['method']);
        }
        foreach (self::rest($options) as $name => $value) {
            $parts[] = "$name=" . strtr(rawurlencode($value), self::PLAIN);
        }
        $query = implode('&', $parts);
        if (strlen($query) > self::QUERY_BYTES_MAX) {
            self::bad('query', 'all values together are longer than 48 KiB, encoded');
        }
        return $query;
    }

    /** @return array<string, string> */
    private static function rest(array $options): array
    {
        unset($options['expiresIn'], $options['expiry'], $options['method']);
        $rest = [];
        foreach ($options as $name => $value) {
            match ($name) {
                'maxSize' => $rest['max_size'] = self::bytes($name, $value),
                'size' => $rest[$name] = self::bytes($name, $value),
                'type' => $rest[$name] = self::types($value),
                'sha256' => $rest[$name] = self::sha256($value),
                'overwrite' => $rest += self::overwrite($value),
                'ref', 'download', 'kid' => $rest[$name] = self::text($name, $value),
                'meta' => $rest += self::meta($value),
                default => self::bad((string) $name, 'is no option of a signed URL'),
            };
        }
        ksort($rest, SORT_STRING);
        return $rest;
    }

    private static function expiry(array $options): int
    {
        if (isset($options['expiresIn'], $options['expiry'])) {
            self::bad('expiry', 'give it or expiresIn, not both');
        }
        $seconds = $options['expiresIn'] ?? self::EXPIRES_IN_DEFAULT;
        if (!is_int($seconds) || $seconds < 1 || $seconds > self::EXPIRY_MAX) {
            self::bad('expiresIn', 'must be a whole number of seconds, 1 or more');
        }
        $expiry = $options['expiry'] ?? time() + $seconds;
        if (!is_int($expiry) || $expiry < 1 || $expiry > self::EXPIRY_MAX) {
            self::bad('expiry', 'must be 1 to 99999999999 Unix seconds');
        }
        return $expiry;
    }

    private static function method(mixed $method): string
    {
        return in_array($method, ['get', 'put', 'delete'], true)
            ? $method
            : self::bad('method', 'must be get, put or delete');
    }

    private static function bytes(string $name, mixed $value): string
    {
        if (!is_int($value) || $value < 0 || $value > self::SIZE_MAX) {
            self::bad($name, 'must be a whole number of bytes, at most 2^53 - 1');
        }
        return (string) $value;
    }

    private static function types(mixed $value): string
    {
        $types = is_string($value) ? explode(',', $value) : $value;
        if (!is_array($types) || $types === []) {
            self::bad('type', 'must be types such as image/png or image/*');
        }
        if (count($types) > self::LIST_MAX) {
            self::bad('type', 'at most 32 types');
        }
        $token = self::TOKEN;
        foreach ($types as $type) {
            if (!is_string($type) || preg_match("~^$token/(?:$token|\\*)$~D", $type) !== 1) {
                self::bad('type', 'must be types such as image/png or image/*');
            }
        }
        return implode(',', $types);
    }

    private static function sha256(mixed $value): string
    {
        if (!is_string($value) || preg_match('/^[0-9A-Fa-f]{64}$/D', $value) !== 1) {
            self::bad('sha256', 'must be 64 hexadecimal digits');
        }
        return strtolower($value);
    }

    /** @return array<string, string> */
    private static function overwrite(mixed $value): array
    {
        if (!is_bool($value)) {
            self::bad('overwrite', 'must be true or false');
        }
        return $value ? [] : ['overwrite' => 'false'];
    }

    /** @return array<string, string> */
    private static function meta(mixed $meta): array
    {
        if (!is_array($meta) || count($meta) > self::LIST_MAX) {
            self::bad('meta', 'must be an array of at most 32 entries');
        }
        $entries = [];
        foreach ($meta as $name => $value) {
            // PHP makes integers of keys that look like some.
            $name = (string) $name;
            if (preg_match('/^[A-Za-z0-9_-]{1,64}$/D', $name) !== 1) {
                self::bad("meta.$name", 'the name must be 1 to 64 letters, digits, _ or -');
            }
            $entries["meta.$name"] = self::text("meta.$name", $value);
        }
        return $entries;
    }

    private static function text(string $name, mixed $value): string
    {
        if (!is_string($value) || preg_match('//u', $value) !== 1) {
            self::bad($name, 'must be text in UTF-8');
        }
        if (strlen($value) > self::VALUE_BYTES_MAX) {
            self::bad($name, 'longer than 1024 bytes');
        }
        if (preg_match('/\p{Cc}/u', $value) === 1) {
            self::bad($name, 'has a control character');
        }
        return $value;
    }

    private static function bad(string $name, string $reason): never
    {
        throw new SigningError('policy_malformed', "$name: $reason");
    }
}
