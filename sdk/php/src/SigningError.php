<?php

declare(strict_types=1);

namespace Gatepass\Sign;

/** Nothing was signed. */
final class SigningError extends \InvalidArgumentException
{
    /** @param string $reason settings_invalid, path_invalid or policy_malformed */
    public function __construct(public readonly string $reason, string $message)
    {
        parent::__construct($message);
    }
}
