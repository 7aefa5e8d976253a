<?php

declare(strict_types=1);

namespace Gatepass\Sign;

/** What a receipt states about an upload. */
final class ReceiptClaims
{
    /**
     * @param string $sub  the file's id
     * @param string $path its path, decoded
     * @param int    $size its size in bytes
     * @param string $type its content type
     * @param string $etag its entity tag, without quotes
     * @param int    $iat  when the receipt was issued, in Unix seconds
     * @param int    $exp  when it ends, in Unix seconds
     */
    private function __construct(
        public readonly string $sub,
        public readonly string $path,
        public readonly int $size,
        public readonly string $type,
        public readonly string $etag,
        public readonly int $iat,
        public readonly int $exp,
    ) {
    }

    /** @internal Reads the payload of a token whose signature matched. */
    public static function read(string $payload): self
    {
        try {
            if (preg_match('/^[A-Za-z0-9_-]*$/D', $payload) !== 1) {
                throw new \ValueError('not base64url');
            }
            $json = base64_decode(strtr($payload, '-_', '+/'), true);
            $read = json_decode((string) $json, false, 16, JSON_THROW_ON_ERROR);
            $numbers = $read instanceof \stdClass ? [$read->size ?? -1, $read->iat ?? -1, $read->exp ?? -1] : [-1];
            if (min(array_map(static fn ($number) => is_int($number) ? $number : -1, $numbers)) < 0) {
                throw new \ValueError('not numbers of ours');
            }
            return new self(
                $read->sub ?? null,
                $read->path ?? null,
                $read->size,
                $read->type ?? null,
                $read->etag ?? null,
                $read->iat,
                $read->exp,
            );
        } catch (\JsonException | \TypeError | \ValueError) {
            throw new ReceiptError('malformed', "the receipt's claims are malformed");
        }
    }
}
