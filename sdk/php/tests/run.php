<?php

declare(strict_types=1);

use Gatepass\Sign\{Signer, SigningError};

require __DIR__ . '/cases.php';

const PUBLIC_URL = 'https://files.example.net';

$passed = $failed = 0;

function check(bool $holds, string $what): void
{
    global $passed, $failed;
    $holds ? $passed++ : $failed++;
    if (!$holds) {
        echo "failed: $what\n";
    }
}

function refuses(string $reason, callable $call, string $what): void
{
    try {
        $call();
        check(false, $what);
    } catch (SigningError $error) {
        check($error->reason === $reason, $what);
    }
}

$cases = json_decode(file_get_contents(__DIR__ . '/../../../vectors/signing.json'), true)['cases'];
foreach (['sign', 'sign-refuse', 'receipt'] as $kind) {
    $mine = array_filter($cases, static fn ($case) => $case['kind'] === $kind);
    check(count($mine) > 20, $kind);
    foreach ($mine as $case) {
        check(answer($case) === expected($case), $case['id']);
    }
}

refuses('settings_invalid', static fn () => new Signer('', PUBLIC_URL), 'no key');
foreach (['', 'files.example.net', 'https://', PUBLIC_URL . '/folder', PUBLIC_URL . '?x=1', PUBLIC_URL . "\n"] as $url) {
    refuses('settings_invalid', static fn () => new Signer('k', $url), "public URL $url");
}

$signer = new Signer('gp_test_key', PUBLIC_URL);
foreach ([
    ['max_size' => 10], ['maxsize' => 10], ['maxSize' => '10'], ['maxSize' => 1.0], ['size' => true], ['expiresIn' => 0],
    ['expiresIn' => 0.5], ['expiresIn' => 60, 'expiry' => 4102444800], ['expiresIn' => PHP_INT_MAX],
    ['expiry' => '4102444800'], ['type' => ''], ['type' => []], ['type' => [7]], ['overwrite' => 'false'], ['ref' => 7],
    ['ref' => "\xff"], ['meta' => ['user' => 7]], ['meta' => 'x'], ['meta' => ['user' => null]], [7],
] as $options) {
    refuses('policy_malformed', static fn () => $signer->signUpload('a.bin', $options), json_encode($options) ?: 'bytes');
}
refuses('path_invalid', static fn () => $signer->signUpload("\xff.png"), 'not UTF-8');

foreach (['signUpload' => 'put', 'signDownload' => 'get', 'signDelete' => 'delete'] as $call => $method) {
    $soon = time() + 3600;
    $url = $signer->$call('a b.png', ['type' => null]);
    check(preg_match("~^https://files\.example\.net/a%20b\.png\?expiry=(\d+)&method=$method&signature=[\w-]{43}$~D", $url, $found) === 1, $url);
    check($found[1] >= $soon && $found[1] <= $soon + 5, 'an hour');
}
check(str_contains($signer->signUpload('a', ['type' => ['image/png', 'image/*']]), '&type=image/png,image/*&'), 'a list of types');

ob_start();
var_dump($signer);
check(!str_contains(ob_get_clean() . print_r($signer, true), 'gp_test_key'), 'the key does not print');

echo "$passed passed, $failed failed\n";
exit($failed === 0 ? 0 : 1);
