//! Projects, domains and keys.

use futures_util::future::join_all;
use gatepass_core::port::CatalogError;
use gatepass_core::project::{
    Domain, KeyState, Project, SealedKey, SettingsChange, SettingsRecords,
};
use gatepass_core::{
    AccessRule, AccessRules, KeyId, LegacyUrls, ProjectId, Scopes, Timestamp, Visibility,
};

use super::{Subject, add_project};
use crate::builders::{domain, project, sealed_key, time};

use SettingsChange::{PutDomain, PutKey, PutProject, RemoveDomain, RequireVersion, TouchKeys};

async fn load(catalog: &Subject) -> SettingsRecords {
    catalog.load_settings().await.unwrap()
}

async fn change(catalog: &Subject, changes: Vec<SettingsChange>) {
    catalog.change_settings(changes).await.unwrap();
}

/// A project with something in every field.
fn full_project() -> Project {
    let rule = |prefix: &str, visibility| AccessRule { prefix: prefix.to_owned(), visibility };
    Project {
        id: ProjectId::new("proj_full"),
        org: "org_\u{1f600}".to_owned(),
        name: "Full '\"% \u{e9}".to_owned(),
        catch_all: false,
        legacy_urls: LegacyUrls::Both,
        max_expiry_seconds: Some(604_800),
        file_bytes_max: Some(5 << 40),
        access_rules: AccessRules::new(vec![
            rule("private/", Visibility::Private),
            rule("private/press/", Visibility::Public),
        ]),
        created: time(3),
    }
}

/// A key with something in every field.
fn full_key() -> SealedKey {
    SealedKey {
        project: ProjectId::new("proj_full"),
        name: "n\u{e9} '".to_owned(),
        scopes: "sign:put files:read".parse::<Scopes>().unwrap(),
        prefix: "p/%_/".to_owned(),
        state: KeyState::Paused,
        verify_until: Some(time(70)),
        created: time(4).plus(std::time::Duration::from_millis(5)),
        last_used: Some(time(60)),
        ..sealed_key("key_full")
    }
}

/// Whatever was put is loaded, field by field.
pub async fn every_field_comes_back(catalog: Subject) {
    let off = Project {
        id: ProjectId::new("proj_off"),
        legacy_urls: LegacyUrls::Off,
        created: time(9),
        ..project()
    };
    let projects = vec![project(), full_project(), off];
    let revoked =
        SealedKey { state: KeyState::Revoked, created: time(20), ..sealed_key("key_revoked") };
    let keys = vec![sealed_key("key_plain"), full_key(), revoked];
    let full_domain = Domain {
        project: ProjectId::new("proj_full"),
        public_url: "http://cdn.example.net:8443".to_owned(),
        created: time(5),
        ..domain("cdn.example.net:8443")
    };
    let domains = vec![domain("a.example.net"), full_domain];
    let changes = projects.iter().cloned().map(PutProject);
    let changes = changes.chain(domains.iter().cloned().map(PutDomain));
    change(&catalog, changes.chain(keys.iter().cloned().map(PutKey)).collect()).await;

    let found = load(&catalog).await;
    assert_same(found.projects, projects, |project| project.id.to_string());
    assert_same(found.domains, domains, |domain| domain.host.clone());
    assert_same(found.keys, keys, |key| key.id.to_string());
}

/// Equal but for their order, of which the port says nothing.
fn assert_same<T: PartialEq>(mut found: Vec<T>, mut wanted: Vec<T>, name: fn(&T) -> String) {
    found.sort_by_key(name);
    wanted.sort_by_key(name);
    let names = |values: &[T]| values.iter().map(name).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted));
    let changed: Vec<_> =
        found.iter().zip(&wanted).filter(|(f, w)| f != w).map(|(_, w)| name(w)).collect();
    assert!(changed.is_empty(), "came back changed: {changed:?}");
}

/// What has the same id or host is replaced; what is removed is gone; the rest stays.
pub async fn putting_again_replaces(catalog: Subject) {
    change(&catalog, vec![PutProject(project()), PutProject(full_project())]).await;
    let keys = vec![PutKey(sealed_key("key_full")), PutKey(sealed_key("key_stays"))];
    change(&catalog, keys).await;
    let hosts = ["a.example.net", "b.example.net"];
    change(&catalog, hosts.map(|host| PutDomain(domain(host))).to_vec()).await;

    let renamed = Project { id: project().id, created: project().created, ..full_project() };
    let key = SealedKey { created: time(0), ..full_key() };
    let moved = Domain { project: full_project().id, ..domain("a.example.net") };
    let moved = Domain { public_url: "https://elsewhere.example.net".to_owned(), ..moved };
    let puts = vec![PutProject(renamed.clone()), PutKey(key.clone()), PutDomain(moved.clone())];
    change(&catalog, puts).await;
    change(&catalog, vec![RemoveDomain("b.example.net".to_owned())]).await;
    change(&catalog, vec![RemoveDomain("never.example.net".to_owned())]).await;

    let found = load(&catalog).await;
    assert_same(found.projects, vec![renamed, full_project()], |project| project.id.to_string());
    assert_eq!(found.domains, [moved]);
    assert_eq!(found.keys.len(), 2);
    assert!(found.keys.contains(&key), "the key came back changed");
}

/// Changes belong together: when one cannot be made, none is.
pub async fn changes_are_made_all_or_none(catalog: Subject) {
    add_project(&catalog).await;
    let before = load(&catalog).await;
    let homeless = Domain { project: ProjectId::new("proj_none"), ..domain("a.example.net") };
    let changes = vec![
        PutProject(full_project()),
        PutKey(sealed_key("key_a")),
        PutDomain(homeless),
        PutDomain(domain("b.example.net")),
    ];
    assert!(catalog.change_settings(changes).await.is_err(), "a domain without its project");
    let after = load(&catalog).await;
    assert_eq!(after.projects, before.projects);
    assert!(after.keys.is_empty() && after.domains.is_empty());
    assert_eq!(after.version, before.version);
}

/// What requires a version is made at that version only, and of many at once by one.
pub async fn a_required_version_lets_one_of_many_win(catalog: Subject) {
    add_project(&catalog).await;
    let version = load(&catalog).await.version;
    let racers = (0..20).map(|number| {
        let catalog = catalog.clone();
        let put = PutDomain(domain(&format!("d{number}.example.net")));
        tokio::spawn(
            async move { catalog.change_settings(vec![RequireVersion(version), put]).await },
        )
    });
    let mut winners = 0;
    for made in join_all(racers).await {
        match made.unwrap() {
            Ok(()) => winners += 1,
            Err(error) => assert!(matches!(error, CatalogError::Outdated), "{error:?}"),
        }
    }
    let after = load(&catalog).await;
    assert_eq!((winners, after.domains.len()), (1, 1));
    change(&catalog, vec![RequireVersion(after.version), RemoveDomain("x".to_owned())]).await;
}

/// Each change raises the version, and both ways to ask agree.
pub async fn each_change_raises_the_version(catalog: Subject) {
    let changes = [
        PutProject(project()),
        PutDomain(domain("a.example.net")),
        PutKey(sealed_key("key_a")),
        PutKey(SealedKey { state: KeyState::Paused, ..sealed_key("key_a") }),
        RemoveDomain("a.example.net".to_owned()),
    ];
    let mut version = catalog.settings_version().await.unwrap();
    for one in changes {
        change(&catalog, vec![one.clone()]).await;
        let risen = catalog.settings_version().await.unwrap();
        assert!(risen > version, "{one:?}");
        assert_eq!(load(&catalog).await.version, risen);
        version = risen;
    }
}

/// Noting when keys were used does not raise the version, and never goes back in time.
pub async fn touching_keys_is_no_change(catalog: Subject) {
    add_project(&catalog).await;
    change(&catalog, vec![PutKey(sealed_key("key_a")), PutKey(sealed_key("key_b"))]).await;
    let version = catalog.settings_version().await.unwrap();
    let touch = |id: &str, at: Timestamp| (KeyId::new(id), at);
    let both = vec![touch("key_a", time(50)), touch("key_none", time(50))];
    change(&catalog, vec![TouchKeys(both)]).await;
    change(&catalog, vec![TouchKeys(vec![touch("key_a", time(40))])]).await;
    change(&catalog, vec![TouchKeys(Vec::new())]).await;
    let found = load(&catalog).await;
    assert_eq!(found.version, version);
    assert_eq!(catalog.settings_version().await.unwrap(), version);
    let used = |id: &str| {
        found.keys.iter().find(|key| key.id == KeyId::new(id)).and_then(|key| key.last_used)
    };
    assert_eq!((used("key_a"), used("key_b")), (Some(time(50)), None));
}
