package gatepass

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// {"alg":"HS256","typ":"JWT"}
	receiptHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
	tokenBytesMax = 8192
)

// ReceiptClaims is what a receipt states about an upload.
type ReceiptClaims struct {
	// Sub is the file's id.
	Sub string
	// Path is the file's path, decoded.
	Path string
	// Size is the file's size in bytes.
	Size int64
	// Type is the file's content type.
	Type string
	// ETag is the file's entity tag, without quotes.
	ETag string
	// IssuedAt is when the receipt was issued, in Unix seconds.
	IssuedAt int64
	// Expiry is when the receipt ends, in Unix seconds.
	Expiry int64
}

// VerifyReceipt returns what a receipt states, if this key signed it and its time is not over; it
// fails with a *ReceiptError otherwise. Compare Path with the one that you signed.
func (s *Signer) VerifyReceipt(token string) (*ReceiptClaims, error) {
	return s.VerifyReceiptAt(token, time.Now())
}

// VerifyReceiptAt is VerifyReceipt at another moment.
func (s *Signer) VerifyReceiptAt(token string, now time.Time) (*ReceiptClaims, error) {
	parts := strings.Split(token, ".")
	// The algorithm is never taken from the token: only this one header is ours.
	if len(token) > tokenBytesMax || len(parts) != 3 || parts[0] != receiptHeader {
		return nil, &ReceiptError{ReceiptMalformed, "the receipt is malformed"}
	}
	expected := s.mac(parts[0] + "." + parts[1])
	if !hmac.Equal([]byte(expected), []byte(parts[2])) {
		return nil, &ReceiptError{ReceiptSignatureInvalid, "the receipt's signature does not match"}
	}
	claims := readClaims(parts[1])
	if claims == nil {
		return nil, &ReceiptError{ReceiptMalformed, "the receipt's claims are malformed"}
	}
	if now.Unix() >= claims.Expiry {
		return nil, &ReceiptError{ReceiptExpired, "the receipt has expired"}
	}
	return claims, nil
}

func readClaims(payload string) *ReceiptClaims {
	// Pointers tell a claim that is missing from one that is empty.
	var read struct {
		Sub, Path, Type, ETag *string
		Size, IAT, Exp        *int64
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil || !utf8.Valid(text) || json.Unmarshal(text, &read) != nil {
		return nil
	}
	if read.Sub == nil || read.Path == nil || read.Type == nil || read.ETag == nil {
		return nil
	}
	for _, number := range []*int64{read.Size, read.IAT, read.Exp} {
		if number == nil || *number < 0 {
			return nil
		}
	}
	return &ReceiptClaims{*read.Sub, *read.Path, *read.Size, *read.Type, *read.ETag, *read.IAT, *read.Exp}
}
