package gatepass

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	valueBytesMax    = 1024
	listMax          = 32
	sizeMax          = 1<<53 - 1
	expiryMax        = 99_999_999_999
	expiresInDefault = time.Hour
	// 48 KiB, less `&signature=` and its 43 characters.
	queryBytesMax = 48*1024 - 54
)

var (
	metaNameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	typeForm     = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]{1,127}/(?:[A-Za-z0-9!#$&^_.+-]{1,127}|\*)$`)
	sha256Form   = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
)

// Method is what a URL is for.
type Method string

// Methods. Without one, the server's legacy_urls decides.
const (
	Get     Method = "get"
	Put     Method = "put"
	Delete  Method = "delete"
	Unnamed Method = ""
)

// Option limits what a signed URL allows.
type Option func(*policy) error

type policy struct {
	expiry, expiresIn *int64
	values            map[string]string
	meta              int
}

// ExpiresIn is the time from now within which a request may begin, in whole seconds; an hour
// unless Expiry is given.
func ExpiresIn(duration time.Duration) Option {
	return func(p *policy) error {
		seconds := int64(duration / time.Second)
		if seconds < 1 {
			return bad("ExpiresIn", "must be a second or more")
		}
		p.expiresIn = &seconds
		return nil
	}
}

// Expiry is the last moment at which a request may begin, instead of ExpiresIn.
func Expiry(moment time.Time) Option {
	return func(p *policy) error {
		seconds := moment.Unix()
		p.expiry = &seconds
		return nil
	}
}

// MaxSize is the most bytes that may be uploaded, at most 2^53 - 1.
func MaxSize(bytes int64) Option { return size("max_size", bytes) }

// Size is the exact number of bytes that must be uploaded, at most 2^53 - 1.
func Size(bytes int64) Option { return size("size", bytes) }

func size(name string, bytes int64) Option {
	return func(p *policy) error {
		if bytes < 0 || bytes > sizeMax {
			return bad(name, "must be a number of bytes, at most 2^53 - 1")
		}
		p.values[name] = strconv.FormatInt(bytes, 10)
		return nil
	}
}

// Type lists the content types allowed, image/png or image/*; at most 32.
func Type(types ...string) Option {
	return func(p *policy) error {
		if len(types) == 0 || len(types) > listMax {
			return bad("type", "must be 1 to 32 types")
		}
		for _, one := range types {
			if !typeForm.MatchString(one) {
				return bad("type", "must be types such as image/png or image/*")
			}
		}
		p.values["type"] = strings.Join(types, ",")
		return nil
	}
}

// SHA256 is what the bytes must hash to, 64 hexadecimal digits.
func SHA256(digest string) Option {
	return func(p *policy) error {
		if !sha256Form.MatchString(digest) {
			return bad("sha256", "must be 64 hexadecimal digits")
		}
		p.values["sha256"] = strings.ToLower(digest)
		return nil
	}
}

// Overwrite(false) lets the upload create, never replace.
func Overwrite(allowed bool) Option {
	return func(p *policy) error {
		if !allowed {
			p.values["overwrite"] = "false"
		}
		return nil
	}
}

// Ref is the app's own reference, kept on the File; at most 1,024 bytes.
func Ref(value string) Option { return text("ref", value) }

// Download makes reading send an attachment under this name, or under its own for "".
func Download(name string) Option { return text("download", name) }

// KeyID names the key, so that no other is tried.
func KeyID(id string) Option { return text("kid", id) }

// Meta is metadata of the app's own, kept on the File; at most 32 entries of at most 1,024 bytes.
func Meta(entries map[string]string) Option {
	return func(p *policy) error {
		if p.meta += len(entries); p.meta > listMax {
			return bad("meta", "at most 32 entries")
		}
		for name, value := range entries {
			if !metaNameForm.MatchString(name) {
				return bad("meta."+name, "the name must be 1 to 64 letters, digits, _ or -")
			}
			if err := text("meta."+name, value)(p); err != nil {
				return err
			}
		}
		return nil
	}
}

func text(name, value string) Option {
	return func(p *policy) error {
		switch {
		case !utf8.ValidString(value):
			return bad(name, "must be UTF-8")
		case len(value) > valueBytesMax:
			return bad(name, "longer than 1024 bytes")
		case hasControl(value):
			return bad(name, "has a control character")
		}
		p.values[name] = value
		return nil
	}
}

// queryOf makes the query that is signed: expiry, method, then the rest by name.
func queryOf(method Method, options []Option) (string, error) {
	p := &policy{values: map[string]string{}}
	for _, option := range options {
		if err := option(p); err != nil {
			return "", err
		}
	}
	expiry, err := p.moment()
	if err != nil {
		return "", err
	}
	query := "expiry=" + strconv.FormatInt(expiry, 10)
	switch method {
	case Get, Put, Delete:
		query += "&method=" + string(method)
	case Unnamed:
	default:
		return "", bad("method", "must be get, put or delete")
	}
	if query += p.rest(); len(query) > queryBytesMax {
		return "", bad("query", "all values together are longer than 48 KiB, encoded")
	}
	return query, nil
}

func (p *policy) moment() (int64, error) {
	if p.expiry != nil && p.expiresIn != nil {
		return 0, bad("expiry", "give it or ExpiresIn, not both")
	}
	moment := time.Now().Add(expiresInDefault).Unix()
	if p.expiresIn != nil {
		moment = time.Now().Unix() + *p.expiresIn
	}
	if p.expiry != nil {
		moment = *p.expiry
	}
	if moment < 1 || moment > expiryMax {
		return 0, bad("expiry", "must be 1 to 99999999999 Unix seconds")
	}
	return moment, nil
}

func (p *policy) rest() string {
	names := make([]string, 0, len(p.values))
	for name := range p.values {
		names = append(names, name)
	}
	sort.Strings(names)
	var query strings.Builder
	for _, name := range names {
		query.WriteString("&" + name + "=" + escape(p.values[name], "/*,:@"))
	}
	return query.String()
}

func bad(name, reason string) error {
	return &SigningError{PolicyMalformed, name + ": " + reason}
}
