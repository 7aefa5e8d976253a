use gatepass_sign::{
    Action, Door, KeyRing, KeyText, Method, ObjectPath, Operation, Policy, ProjectId, Receipt,
    Request, Scopes, Secret, VerifyingKey, explain, sign_url,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000;

fn door() -> Door {
    let key = VerifyingKey::unrestricted("key_1", Secret::new("gp_test_key"));
    Door::new(KeyRing::new(ProjectId::new("p")).with_key(key))
}

fn paths() -> impl Strategy<Value = ObjectPath> {
    vec("[^/?#\\\\\\p{Cc}]{1,12}", 1..4)
        .prop_filter_map("no path", |parts| ObjectPath::from_decoded(&parts.join("/")).ok())
}

fn policies() -> impl Strategy<Value = Policy> {
    let text = "[^\\p{Cc}]{0,20}";
    let parts = (
        option::of(0..1_u64 << 53),
        option::of("[a-z]{1,5}/[a-z*]"),
        option::of(any::<[u8; 32]>()),
        any::<bool>(),
        option::of(text),
        btree_map("[a-zA-Z0-9_-]{1,8}", text, 0..4),
        option::of(text),
    );
    parts.prop_map(|(max_size, types, sha256, overwrite, reference, metadata, download)| Policy {
        max_size,
        types: types.into_iter().collect(),
        sha256,
        overwrite,
        reference,
        metadata,
        download,
        ..Policy::new(Action::Put, NOW + 60)
    })
}

/// Path and query of a URL.
fn split(url: &str) -> (String, String) {
    let rest = url.strip_prefix("http://h/").unwrap();
    let (path, query) = rest.split_once('?').unwrap();
    (path.to_owned(), query.to_owned())
}

fn judge(path: &str, query: &str) -> Option<gatepass_sign::Grant> {
    let request =
        Request { method: Method::Put, path, query: Some(query), bearer: None, continues: false };
    door().authorise(&request, NOW).ok()
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted(path in paths(), policy in policies()) {
        policy.check().unwrap();
        let (raw_path, query) = split(&sign_url(&Secret::new("gp_test_key"), "http://h", &path, &policy));
        let grant = judge(&raw_path, &query).expect("accepted");
        prop_assert_eq!(grant.path(), &path);
        prop_assert_eq!(grant.operation(), Operation::Upload);
        prop_assert_eq!(grant.policy(), Some(&policy));
    }

    #[test]
    fn a_changed_byte_is_refused(path in paths(), policy in policies(), at in any::<prop::sample::Index>(), to in "[ -~]") {
        let (raw_path, query) = split(&sign_url(&Secret::new("gp_test_key"), "http://h", &path, &policy));
        let mut changed: Vec<char> = format!("{raw_path}?{query}").chars().collect();
        let at = at.index(changed.len());
        let to = to.chars().next().unwrap();
        // The same character, or the same escape in the other case, is no change.
        prop_assume!(!changed[at].eq_ignore_ascii_case(&to));
        changed[at] = to;
        let changed: String = changed.into_iter().collect();
        if let Some((path, query)) = changed.split_once('?')
            && let Some(grant) = judge(path, query)
        {
            // Only another spelling of the same path may pass.
            prop_assert_eq!(grant.policy(), Some(&policy));
            prop_assert_eq!(Ok(grant.path().clone()), ObjectPath::from_encoded(&raw_path));
        }
    }

    #[test]
    fn encoding_a_path_loses_nothing(path in paths()) {
        prop_assert_eq!(ObjectPath::from_encoded(&path.to_encoded()), Ok(path));
    }

    #[test]
    fn signed_urls_survive_a_url_parser(path in paths(), policy in policies()) {
        let url = sign_url(&Secret::new("k"), "https://files.example.net", &path, &policy);
        prop_assert_eq!(url::Url::parse(&url).unwrap().to_string(), url);
    }

    #[test]
    fn nothing_panics(path in ".{0,60}", query in ".{0,120}", token in ".{0,200}") {
        let _ = judge(&path, &query);
        let _ = explain(&door(), Method::Get, &path, &query, NOW);
        let _ = judge("a", &format!("{query}&signature={token}"));
        let _ = Receipt::verify(&Secret::new("k"), &token, NOW);
        let _ = KeyText::import(&token, true);
        let _ = token.parse::<Scopes>();
    }
}
