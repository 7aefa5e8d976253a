<?php

declare(strict_types=1);

namespace Gatepass\Sign;

/**
 * Signs URLs and checks receipts with one API key.
 *
 * Options of the methods that sign; null is the same as absent, an unknown one is refused:
 *
 * @phpstan-type Options array{
 *     expiresIn?: ?int, expiry?: ?int, maxSize?: ?int, size?: ?int, type?: string|list<string>|null,
 *     sha256?: ?string, overwrite?: ?bool, ref?: ?string, meta?: ?array<string>, download?: ?string,
 *     kid?: ?string, method?: ?string,
 * }
 */
final class Signer
{
    /** `{"alg":"HS256","typ":"JWT"}` */
    private const RECEIPT_HEADER = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9';
    private const TOKEN_MAX = 8192;

    private readonly string $publicUrl;

    /**
     * @param string $key       the API key, gp_...
     * @param string $publicUrl where files are served: scheme, host and port
     * @throws SigningError settings_invalid
     */
    public function __construct(
        #[\SensitiveParameter]
        private readonly string $key,
        string $publicUrl,
    ) {
        if ($key === '') {
            throw new SigningError('settings_invalid', 'key: the API key is missing');
        }
        if (preg_match('#^https?://[A-Za-z0-9._:\[\]-]+/*$#D', $publicUrl) !== 1) {
            throw new SigningError('settings_invalid', 'publicUrl: must be scheme and host, https://files.example.net');
        }
        $this->publicUrl = rtrim($publicUrl, '/');
    }

    /**
     * A URL that uploads to $path, in one request or in chunks.
     *
     * @param Options $options
     * @throws SigningError
     */
    public function signUpload(string $path, array $options = []): string
    {
        return $this->sign($path, ['method' => 'put'] + $options);
    }

    /**
     * A URL that reads the file at $path.
     *
     * @param Options $options
     * @throws SigningError
     */
    public function signDownload(string $path, array $options = []): string
    {
        return $this->sign($path, ['method' => 'get'] + $options);
    }

    /**
     * A URL that deletes the file at $path.
     *
     * @param Options $options
     * @throws SigningError
     */
    public function signDelete(string $path, array $options = []): string
    {
        return $this->sign($path, ['method' => 'delete'] + $options);
    }

    /**
     * A URL for any method, get, put or delete, or for none.
     *
     * @param Options $options
     * @throws SigningError
     */
    public function sign(string $path, array $options = []): string
    {
        Path::check($path);
        $query = Policy::query($options);
        return "{$this->publicUrl}/" . Path::encode($path) . "?$query&signature=" . $this->mac("$path?$query");
    }

    /**
     * What a receipt states, if this key signed it and its time is not over. Compare its path with
     * the one that you signed.
     *
     * @param ?int $now Unix seconds
     * @throws ReceiptError
     */
    public function verifyReceipt(string $token, ?int $now = null): ReceiptClaims
    {
        $parts = strlen($token) <= self::TOKEN_MAX ? explode('.', $token) : [];
        // The algorithm is never taken from the token: only this one header is ours.
        if (count($parts) !== 3 || $parts[0] !== self::RECEIPT_HEADER) {
            throw new ReceiptError('malformed', 'the receipt is malformed');
        }
        [$header, $payload, $signature] = $parts;
        if (!hash_equals($this->mac("$header.$payload"), $signature)) {
            throw new ReceiptError('signature_invalid', "the receipt's signature does not match");
        }
        $claims = ReceiptClaims::read($payload);
        if (($now ?? time()) >= $claims->exp) {
            throw new ReceiptError('expired', 'the receipt has expired');
        }
        return $claims;
    }

    private function mac(string $text): string
    {
        return rtrim(strtr(base64_encode(hash_hmac('sha256', $text, $this->key, true)), '+/', '-_'), '=');
    }

    /** The key does not print. */
    public function __debugInfo(): array
    {
        return ['publicUrl' => $this->publicUrl];
    }
}
