package gatepass

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	pathBytesMax    = 1024
	segmentBytesMax = 255
)

var escapeForm = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// checkPath refuses what two readers could understand differently, and what would bring its own
// query.
func checkPath(path string) error {
	if fault := pathFault(path); fault != "" {
		return &SigningError{PathInvalid, "the path " + fault}
	}
	return nil
}

func pathFault(path string) string {
	switch {
	case path == "":
		return "is empty"
	case !utf8.ValidString(path):
		return "is not UTF-8"
	case len(path) > pathBytesMax:
		return "is longer than 1024 bytes"
	case strings.ContainsAny(path, `?#\`) || hasControl(path):
		return `has one of ? # \ or a control character`
	case escapeForm.MatchString(path):
		return "holds a percent escape: give it decoded"
	}
	return segmentsFault(strings.Split(path, "/"))
}

func segmentsFault(segments []string) string {
	for _, segment := range segments {
		switch {
		case segment == "":
			return "has an empty segment"
		case segment == "." || segment == "..":
			return "has a dot segment"
		case len(segment) > segmentBytesMax:
			return "has a segment longer than 255 bytes"
		}
	}
	if segments[0] == ".well-known" {
		return "starts with the reserved segment .well-known"
	}
	return ""
}

func hasControl(text string) bool {
	return strings.IndexFunc(text, unicode.IsControl) >= 0
}

// escape escapes every byte outside RFC 3986's unreserved characters and also.
func escape(text, also string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, b := range []byte(text) {
		if isUnreserved(b) || strings.IndexByte(also, b) >= 0 {
			out.WriteByte(b)
		} else {
			out.Write([]byte{'%', digits[b>>4], digits[b&15]})
		}
	}
	return out.String()
}

func isUnreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("-._~", b) >= 0
}
