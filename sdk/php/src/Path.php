<?php

declare(strict_types=1);

namespace Gatepass\Sign;

/** @internal The grammar of paths. */
final class Path
{
    private const BYTES_MAX = 1024;
    private const SEGMENT_BYTES_MAX = 255;

    /** Refuses what two readers could understand differently, and what would bring its own query. */
    public static function check(string $path): void
    {
        $fault = self::fault($path);
        if ($fault !== null) {
            throw new SigningError('path_invalid', "the path $fault");
        }
    }

    /** The path as it goes into a URL. */
    public static function encode(string $path): string
    {
        return strtr(rawurlencode($path), ['%2F' => '/']);
    }

    private static function fault(string $path): ?string
    {
        $segments = explode('/', $path);
        return match (true) {
            $path === '' => 'is empty',
            preg_match('//u', $path) !== 1 => 'is not UTF-8',
            strlen($path) > self::BYTES_MAX => 'is longer than 1024 bytes',
            preg_match('/[?#\\\\\p{Cc}]/u', $path) === 1 => 'has one of ? # \\ or a control character',
            preg_match('/%[0-9A-Fa-f]{2}/', $path) === 1 => 'holds a percent escape: give it decoded',
            in_array('', $segments, true) => 'has an empty segment',
            in_array('.', $segments, true), in_array('..', $segments, true) => 'has a dot segment',
            max(array_map('strlen', $segments)) > self::SEGMENT_BYTES_MAX => 'has a segment longer than 255 bytes',
            $segments[0] === '.well-known' => 'starts with the reserved segment .well-known',
            default => null,
        };
    }
}
