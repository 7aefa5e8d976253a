"""Signing on a server: makes the URLs that let a browser upload or read one file, and checks the
receipts that come back. Standard library only."""

from ._errors import ReceiptError, SigningError
from ._policy import SignOptions
from ._signer import ReceiptClaims, Signer

__all__ = ["ReceiptClaims", "ReceiptError", "SignOptions", "Signer", "SigningError"]
