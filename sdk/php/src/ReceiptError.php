<?php

declare(strict_types=1);

namespace Gatepass\Sign;

/** A receipt is not believed. */
final class ReceiptError extends \RuntimeException
{
    /** @param string $reason malformed, signature_invalid or expired */
    public function __construct(public readonly string $reason, string $message)
    {
        parent::__construct($message);
    }
}
