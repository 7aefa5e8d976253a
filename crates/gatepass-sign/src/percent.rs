//! Percent-encoding without repair: what does not decode in exactly one way is refused.

/// Why a text did not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// `%` is not followed by two hexadecimal digits.
    BadEscape,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

/// Decodes every `%XX`; all other bytes stand for themselves.
pub(crate) fn decode(text: &str) -> Result<String, DecodeError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex_value).ok_or(DecodeError::BadEscape)?;
            let low = rest.next().and_then(hex_value).ok_or(DecodeError::BadEscape)?;
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)
}

/// Escapes everything outside RFC 3986's unreserved characters and `also`.
pub(crate) fn encode(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 15));
        }
    }
    out
}

/// Whether the text holds something that a further decoding would change.
pub(crate) fn holds_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.contains(&b'%') && bytes.windows(3).any(|w| {
        matches!(w, [b'%', high, low] if hex_value(*high).is_some() && hex_value(*low).is_some())
    })
}

fn hex_value(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).map_or('0', |c| c.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_strictly() {
        assert_eq!(decode("a%20b"), Ok("a b".to_owned()));
        assert_eq!(decode("%C3%a9"), Ok("é".to_owned()));
        for bad in ["%", "%a", "%zz", "a%2", "%%20"] {
            assert_eq!(decode(bad), Err(DecodeError::BadEscape), "{bad}");
        }
        assert_eq!(decode("%ff"), Err(DecodeError::NotUtf8));
    }

    #[test]
    fn finds_what_a_second_decoding_would_change() {
        assert!(holds_escape("a%20b"));
        assert!(!holds_escape("100%"));
        assert!(!holds_escape("50%off"));
    }
}
