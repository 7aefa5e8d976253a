use serde::{Deserialize, Serialize};

use crate::{ObjectPath, PathError};

/// Most access rules of a project: every request without a signature goes through all of them.
pub const ACCESS_RULES_MAX: usize = 100;

/// Who may read the files below a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Anybody who knows the path.
    Public,
    /// Holders of a get signature or an API key.
    Private,
}

/// One rule: the files within `prefix` have this visibility.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRule {
    /// A path prefix, such as `private/`; see [`ObjectPath::is_within`].
    pub prefix: String,
    /// Who may read.
    pub visibility: Visibility,
}

impl AccessRule {
    /// Checks a prefix as a person would write it: empty for all paths, else like a path, with or
    /// without a slash at its end. What no path can lie within is an error, for whoever set it
    /// would rely on it.
    ///
    /// ```
    /// use gatepass_sign::{AccessRule, Visibility};
    ///
    /// assert!(AccessRule::new("users/private", Visibility::Private).is_ok());
    /// assert!(AccessRule::new("/private", Visibility::Private).is_err());
    /// ```
    pub fn new(prefix: &str, visibility: Visibility) -> Result<Self, PathError> {
        if !prefix.is_empty() {
            ObjectPath::from_decoded(prefix.strip_suffix('/').unwrap_or(prefix))?;
        }
        Ok(Self { prefix: prefix.to_owned(), visibility })
    }
}

impl Visibility {
    /// The visibility's name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// The access rules of a project. The longest prefix that matches decides; where none does, a
/// file is public.
///
/// ```
/// use gatepass_sign::{AccessRule, AccessRules, ObjectPath, Visibility};
///
/// let rules = AccessRules::new(vec![
///     AccessRule { prefix: "private/".into(), visibility: Visibility::Private },
///     AccessRule { prefix: "private/press/".into(), visibility: Visibility::Public },
/// ]);
/// let path = |text| ObjectPath::from_decoded(text).unwrap();
/// assert_eq!(rules.visibility(&path("logo.png")), Visibility::Public);
/// assert_eq!(rules.visibility(&path("private/a.png")), Visibility::Private);
/// assert_eq!(rules.visibility(&path("private/press/a.png")), Visibility::Public);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessRules(Vec<AccessRule>);

impl AccessRules {
    /// Takes the rules in any order.
    pub fn new(mut rules: Vec<AccessRule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.prefix.len()));
        Self(rules)
    }

    /// The rules, longest prefix first.
    pub fn as_slice(&self) -> &[AccessRule] {
        &self.0
    }

    /// The rules with one more, in place of the one that had its prefix.
    #[must_use]
    pub fn with(&self, rule: AccessRule) -> Self {
        let others = self.without(&rule.prefix).0;
        Self::new(others.into_iter().chain([rule]).collect())
    }

    /// The rules but for the one with this prefix.
    #[must_use]
    pub fn without(&self, prefix: &str) -> Self {
        Self(self.0.iter().filter(|rule| rule.prefix != prefix).cloned().collect())
    }

    /// The rule with this very prefix.
    pub fn find(&self, prefix: &str) -> Option<&AccessRule> {
        self.0.iter().find(|rule| rule.prefix == prefix)
    }

    /// Who may read the file at this path.
    pub fn visibility(&self, path: &ObjectPath) -> Visibility {
        self.0
            .iter()
            .filter(|rule| path.is_within(&rule.prefix))
            .max_by_key(|rule| rule.prefix.len())
            .map_or(Visibility::Public, |rule| rule.visibility)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_matches_nothing_is_refused() {
        for good in ["", "a", "a/", "a/b c/", "\u{e9}/"] {
            assert!(AccessRule::new(good, Visibility::Private).is_ok(), "{good}");
        }
        for bad in ["/", "/a", "a//", "a//b", "../a", "a/./b", ".well-known/", "a?", "a%41", "a\n"]
        {
            assert!(AccessRule::new(bad, Visibility::Private).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rule_replaces_the_one_with_its_prefix() {
        let rule = |prefix, visibility| AccessRule::new(prefix, visibility).unwrap();
        let rules = AccessRules::default()
            .with(rule("a/", Visibility::Private))
            .with(rule("a/b/", Visibility::Public))
            .with(rule("a/", Visibility::Public));
        assert_eq!(rules.as_slice().len(), 2);
        assert_eq!(rules.find("a/").map(|rule| rule.visibility), Some(Visibility::Public));
        assert_eq!(rules.without("a/b/").as_slice().len(), 1);
        assert_eq!(rules.find("a"), None);
    }
}
