"""Why something was refused, for programs (`code`) and for people (the message)."""


class SigningError(ValueError):
    """Nothing was signed. `code`: `settings_invalid`, `path_invalid` or `policy_malformed`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ReceiptError(ValueError):
    """A receipt is not believed. `code`: `malformed`, `signature_invalid` or `expired`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
