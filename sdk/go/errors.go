package gatepass

// Code says what is wrong, for programs.
type Code string

// Codes of a SigningError and of a ReceiptError.
const (
	SettingsInvalid Code = "settings_invalid"
	PathInvalid     Code = "path_invalid"
	PolicyMalformed Code = "policy_malformed"

	ReceiptMalformed        Code = "malformed"
	ReceiptSignatureInvalid Code = "signature_invalid"
	ReceiptExpired          Code = "expired"
)

// SigningError tells why nothing was signed.
type SigningError struct {
	Code    Code
	Message string
}

func (e *SigningError) Error() string { return "gatepass: " + e.Message }

// ReceiptError tells why a receipt is not believed.
type ReceiptError struct {
	Code    Code
	Message string
}

func (e *ReceiptError) Error() string { return "gatepass: " + e.Message }
