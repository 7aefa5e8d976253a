<?php

namespace App;

use Gatepass\Sign\ReceiptClaims;
use Gatepass\Sign\ReceiptError;
use Gatepass\Sign\Signer;
use Illuminate\Support\Str;

class Photos
{
    public function __construct(private Signer $signer, private string $publicUrl)
    {
    }

    /** The path is made up here, never by the page, and begins with whose it is. */
    public function sign(int $user): string
    {
        $path = "users/$user/" . Str::uuid();
        $limits = ['expiresIn' => 600, 'maxSize' => 10_000_000, 'type' => 'image/*', 'overwrite' => false];

        return $this->signer->signUpload($path, $limits);
    }

    /** What the page says could be made up; what the receipt states was uploaded. Null: refused. */
    public function accept(string $receipt, int $user): ?ReceiptClaims
    {
        try {
            $claims = $this->signer->verifyReceipt($receipt);
        } catch (ReceiptError) {
            return null;
        }

        return str_starts_with($claims->path, "users/$user/") ? $claims : null;
    }

    public function url(string $path): string
    {
        return "$this->publicUrl/$path";
    }
}
