// Package gatepass signs on a server: it makes the URLs that let a browser upload or read one
// file, and checks the receipts that come back. It uses the standard library only.
package gatepass

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

var publicURLForm = regexp.MustCompile(`^https?://[A-Za-z0-9._:\[\]-]+/*$`)

// Signer signs URLs and checks receipts with one API key. It is safe for concurrent use, and does
// not print its key.
type Signer struct {
	key       []byte
	publicURL string
}

// NewSigner makes a Signer. publicURL is where files are served: scheme, host and port.
// It fails with a *SigningError of code SettingsInvalid.
func NewSigner(key, publicURL string) (*Signer, error) {
	if key == "" {
		return nil, &SigningError{SettingsInvalid, "key: the API key is missing"}
	}
	if !publicURLForm.MatchString(publicURL) {
		return nil, &SigningError{SettingsInvalid, "public URL: must be scheme and host, https://files.example.net"}
	}
	return &Signer{key: []byte(key), publicURL: strings.TrimRight(publicURL, "/")}, nil
}

// SignUpload makes a URL that uploads to path, in one request or in chunks.
func (s *Signer) SignUpload(path string, options ...Option) (string, error) {
	return s.Sign(Put, path, options...)
}

// SignDownload makes a URL that reads the file at path.
func (s *Signer) SignDownload(path string, options ...Option) (string, error) {
	return s.Sign(Get, path, options...)
}

// SignDelete makes a URL that deletes the file at path.
func (s *Signer) SignDelete(path string, options ...Option) (string, error) {
	return s.Sign(Delete, path, options...)
}

// Sign makes a URL for any method. It fails with a *SigningError where the server would refuse the
// path or an option.
func (s *Signer) Sign(method Method, path string, options ...Option) (string, error) {
	if err := checkPath(path); err != nil {
		return "", err
	}
	query, err := queryOf(method, options)
	if err != nil {
		return "", err
	}
	signature := s.mac(path + "?" + query)
	return s.publicURL + "/" + escape(path, "/") + "?" + query + "&signature=" + signature, nil
}

func (s *Signer) mac(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Format keeps the key out of every way of printing.
func (s *Signer) Format(state fmt.State, _ rune) {
	fmt.Fprintf(state, "gatepass.Signer(%s)", s.publicURL)
}
