// Package cases answers cases of vectors/signing.json as the package does.
package cases

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	gatepass "github.com/gatepass/gatepass/sdk/go"
)

// Case is one of sign, sign-refuse and receipt.
type Case struct {
	ID        string
	Kind      string
	Key       string
	Path      string
	PublicURL string `json:"public_url"`
	Policy    struct {
		Expiry                    int64
		Method, Type, SHA256, Ref *string
		MaxSize                   *int64 `json:"max_size"`
		Size                      *int64
		Overwrite                 *bool
		Download, KID             *string
		Meta                      map[string]string
	}
	Token  string
	Now    int64
	URL    string
	Expect struct {
		Accept json.RawMessage
		Refuse string
	}
}

// Answer is a URL, claims, or "!" and a code.
func (c *Case) Answer() string {
	url := c.PublicURL
	if url == "" {
		url = "https://files.example.net"
	}
	signer, err := gatepass.NewSigner(c.Key, url)
	if err != nil {
		return code(err)
	}
	if c.Kind == "receipt" {
		claims, err := signer.VerifyReceiptAt(c.Token, time.Unix(c.Now, 0))
		if err != nil {
			return code(err)
		}
		return line(claims)
	}
	method := gatepass.Unnamed
	if m := c.Policy.Method; m != nil {
		// No value of the type: "" would be none.
		if method = gatepass.Method(*m); method == gatepass.Unnamed {
			method = "?"
		}
	}
	signed, err := signer.Sign(method, c.Path, c.options()...)
	if err != nil {
		return code(err)
	}
	return signed
}

func (c *Case) options() []gatepass.Option {
	p := &c.Policy
	options := []gatepass.Option{gatepass.Expiry(time.Unix(p.Expiry, 0)), gatepass.Meta(p.Meta)}
	if p.MaxSize != nil {
		options = append(options, gatepass.MaxSize(*p.MaxSize))
	}
	if p.Size != nil {
		options = append(options, gatepass.Size(*p.Size))
	}
	if p.Type != nil {
		options = append(options, gatepass.Type(strings.Split(*p.Type, ",")...))
	}
	if p.Overwrite != nil {
		options = append(options, gatepass.Overwrite(*p.Overwrite))
	}
	for _, one := range []struct {
		value  *string
		option func(string) gatepass.Option
	}{{p.SHA256, gatepass.SHA256}, {p.Ref, gatepass.Ref}, {p.Download, gatepass.Download}, {p.KID, gatepass.KeyID}} {
		if one.value != nil {
			options = append(options, one.option(*one.value))
		}
	}
	return options
}

// Expected is the answer that the vectors expect.
func (c *Case) Expected() string {
	if c.URL != "" {
		return c.URL
	}
	if c.Expect.Refuse != "" {
		return "!" + c.Expect.Refuse
	}
	var claims struct {
		Sub, Path, Type, ETag string
		Size, IAT, Exp        int64
	}
	if err := json.Unmarshal(c.Expect.Accept, &claims); err != nil {
		return err.Error()
	}
	return line(&gatepass.ReceiptClaims{
		Sub: claims.Sub, Path: claims.Path, Size: claims.Size, Type: claims.Type, ETag: claims.ETag,
		IssuedAt: claims.IAT, Expiry: claims.Exp,
	})
}

func line(c *gatepass.ReceiptClaims) string {
	return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%d\t%d", c.Sub, c.Path, c.Size, c.Type, c.ETag, c.IssuedAt, c.Expiry)
}

func code(err error) string {
	var signing *gatepass.SigningError
	var receipt *gatepass.ReceiptError
	switch {
	case errors.As(err, &signing):
		return "!" + string(signing.Code)
	case errors.As(err, &receipt):
		return "!" + string(receipt.Code)
	}
	return err.Error()
}
