use std::fmt;

/// A short text that a blob store wants to be remembered with a blob or with a part of it. A
/// catalog keeps it, and only the store that wrote it reads it. Most stores need none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Memo(String);

impl Memo {
    /// Takes a text, of a store or from the catalog.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text; empty if there is nothing to remember.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
