<?php

// One case of vectors/signing.json, as this package answers it. Run as a program, it answers the
// cases on its standard input: a URL, claims, or "!" and a code, one a line.

declare(strict_types=1);

use Gatepass\Sign\{ReceiptError, Signer, SigningError};

// What Composer's autoloader does.
spl_autoload_register(static function (string $class): void {
    require __DIR__ . '/../src/' . substr($class, strlen('Gatepass\\Sign\\')) . '.php';
});

const CLAIMS = ['sub', 'path', 'size', 'type', 'etag', 'iat', 'exp'];

function answer(array $case): string
{
    $signer = new Signer($case['key'], $case['public_url'] ?? 'https://files.example.net');
    try {
        if ($case['kind'] === 'receipt') {
            return line((array) $signer->verifyReceipt($case['token'], $case['now']));
        }
        $policy = $case['policy'];
        $policy['maxSize'] = $policy['max_size'] ?? null;
        unset($policy['max_size']);
        return $signer->sign($case['path'], $policy);
    } catch (SigningError | ReceiptError $error) {
        return "!{$error->reason}";
    }
}

function expected(array $case): string
{
    $expect = $case['expect'] ?? [];
    return $case['url'] ?? (isset($expect['accept']) ? line($expect['accept']) : "!{$expect['refuse']}");
}

function line(array $claims): string
{
    return implode("\t", array_map(static fn ($name) => $claims[$name], CLAIMS));
}

if (realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    foreach (json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR) as $case) {
        echo answer($case), "\n";
    }
}
