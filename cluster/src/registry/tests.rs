#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use crate::store::MemoryStore;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use warren_kernel::host::Monotonic;
use warren_session::quota::Quota;

const MINUTE: i64 = 60_000_000_000;

/// A clock that stands until it is moved, and numbers for random bytes.
#[derive(Default)]
struct Clock {
    now: AtomicI64,
    drawn: AtomicU64,
}

impl Host for Clock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.realtime().0 as u64)
    }

    fn realtime(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn fill_random(&self, buf: &mut [u8]) {
        let number = self.drawn.fetch_add(1, Ordering::SeqCst);
        let seed = blake3::hash(&number.to_le_bytes());
        blake3::Hasher::new_keyed(seed.as_bytes()).finalize_xof().fill(buf);
    }
}

struct World {
    registry: Registry,
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
}

impl World {
    fn new() -> World {
        let (store, clock) = (Arc::new(MemoryStore::default()) as Arc<dyn Store>, Arc::new(Clock::default()));
        clock.now.store(1_000 * MINUTE, Ordering::SeqCst);
        World { registry: Registry::new(store.clone(), clock.clone(), [7; 32]), store, clock }
    }

    /// As a process that starts later sees it: nothing is cached.
    fn fresh(&self) -> Registry {
        Registry::new(self.store.clone(), self.clock.clone(), [7; 32])
    }

    fn pass(&self, minutes: i64) {
        self.clock.now.fetch_add(minutes * MINUTE, Ordering::SeqCst);
    }

    async fn tenant(&self, id: &str) -> TenantId {
        let id: TenantId = id.parse().unwrap();
        self.registry.create_tenant(&id, None).await.unwrap();
        id
    }

    async fn key(&self, tenant: &TenantId, role: Role) -> (ApiKey, String) {
        let (key, text) = self.registry.create_key(new(tenant, role)).await.unwrap();
        (key, text.reveal())
    }
}

fn new(tenant: &TenantId, role: Role) -> NewKey {
    NewKey { tenant: tenant.clone(), name: "a key".into(), role: Some(role), scopes: role.scopes(), expires: None }
}

async fn refused(registry: &Registry, bearer: &str) {
    assert_eq!(registry.authenticate(bearer).await, Err(AuthError::Refused), "{bearer}");
}

#[test]
fn texts_are_of_one_form() {
    let clock = Clock::default();
    let text = KeyText::generate(&clock);
    let shown = text.reveal();
    assert_eq!((shown.len(), &shown[..4]), (4 + 16 + 1 + 52, KEY_PREFIX));
    let again: KeyText = shown.parse().unwrap();
    assert!(again.hash().is(&text.hash()) && again.id() == text.id());
    assert!(!format!("{text:?}").contains(&shown[21..]), "a secret is not for logs");
    // The last character carries one bit of the secret and four zeros: one key has one text.
    let (start, last) = shown.split_at(72);
    for other in "0123456789abcdefghijklmnopqrstuv".chars().filter(|other| !last.starts_with(*other)) {
        let same = format!("{start}{other}").parse::<KeyText>().is_ok_and(|key| key.hash().is(&text.hash()));
        assert!(!same, "{other}");
    }
    for bad in ["", "wrn_", "wrn__", &shown[1..], &shown[..72], &format!("{shown}0"), &shown.to_uppercase()] {
        assert!(bad.parse::<KeyText>().is_err(), "{bad}");
    }
    for bytes in [&b""[..], b"a", b"ab", b"abc", b"abcd", b"abcde", &[255; 32]] {
        assert_eq!(base32::decode(&base32::encode(bytes)).as_deref(), Some(bytes));
    }
    for bad in ["0", "1", "01", "000", "w", "A0", "0 "] {
        assert!(base32::decode(bad).is_none() || bad == "00", "{bad}");
    }
}

#[test]
fn scopes_are_sets_by_name() {
    let member = Role::Member.scopes();
    assert_eq!(member.to_string(), "sessions:read, sessions:write, exec, files:read, files:write");
    assert!(Role::Operator.scopes().cover(member) && !member.cover(Role::Admin.scopes()));
    assert_eq!(member.lacks(Role::Admin.scopes()).to_string(), "keys:manage, usage:read, audit:read");
    assert!(!Role::Admin.scopes().has(Scope::TenantsManage) && Scopes::default().is_empty());
    let wrong = "exce".parse::<Scope>().unwrap_err().to_string();
    assert!(wrong.contains("`exce`") && wrong.contains("files:write"), "{wrong}");
    assert!("root".parse::<Role>().is_err());
}

#[tokio::test]
async fn a_key_is_its_tenants_and_has_its_scopes() {
    let world = World::new();
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let (key, text) = world.key(&a, Role::Viewer).await;
    for registry in [&world.registry, &world.fresh()] {
        let caller = registry.authenticate(&text).await.unwrap();
        assert_eq!((&caller.tenant, caller.key, caller.scopes), (&a, key.id, Role::Viewer.scopes()));
        assert_eq!(registry.keys(&b).await.unwrap(), []);
        assert_eq!(registry.key(&b, key.id).await, Err(RegistryError::NoKey(key.id)));
        assert_eq!(registry.revoke_key(&b, key.id).await, Err(RegistryError::NoKey(key.id)));
        assert!(registry.rotate_key(&b, key.id, Duration::ZERO).await.is_err());
        registry.authenticate(&text).await.unwrap();
    }
    // The right id with another secret, an id that is nobody's, nonsense, far too much.
    let (_, other) = world.key(&a, Role::Admin).await;
    refused(&world.registry, &format!("{}{}", &text[..21], &other[21..])).await;
    refused(&world.registry, &KeyText::generate(&*world.clock).reveal()).await;
    for nonsense in ["", "wrn_", "wrt_", "wrt_0_0", "Basic", &"w".repeat(BEARER_MAX + 1), &"wrn_".repeat(100)] {
        refused(&world.registry, nonsense).await;
    }
    let missing: TenantId = "c".parse().unwrap();
    assert_eq!(
        world.registry.create_key(new(&missing, Role::Admin)).await.unwrap_err(),
        RegistryError::NoTenant(missing)
    );
    let none = NewKey { scopes: Scopes::default(), ..new(&a, Role::Admin) };
    assert!(world.registry.create_key(none).await.unwrap_err().to_string().starts_with("scopes:"));
    let named = NewKey { name: "a\nb".into(), ..new(&a, Role::Admin) };
    assert!(world.registry.create_key(named).await.unwrap_err().to_string().starts_with("name:"));
}

#[tokio::test]
async fn a_revoked_key_works_for_nobody_from_then_on() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let (key, text) = world.key(&tenant, Role::Admin).await;
    let caller = world.registry.authenticate(&text).await.unwrap();
    let revoked = world.registry.revoke_key(&tenant, key.id).await.unwrap();
    assert_eq!(revoked.revoked, Some(world.clock.realtime()));
    refused(&world.registry, &text).await;
    refused(&world.fresh(), &text).await;
    assert_eq!(world.registry.is_still(&caller).await, Err(AuthError::Refused));
    assert!(matches!(world.registry.rotate_key(&tenant, key.id, Duration::ZERO).await, Err(RegistryError::DeadKey(_))));
    world.pass(1);
    let again = world.registry.revoke_key(&tenant, key.id).await.unwrap();
    assert_eq!(again.revoked, revoked.revoked, "the first time counts");
}

/// Those who read a key while it is being revoked must not bring it back into the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revocation_holds_against_readers() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    for _ in 0..50 {
        let (key, text) = world.key(&tenant, Role::Admin).await;
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (registry, text) = (world.registry.clone(), text.clone());
                // What is cached never waits; whoever revokes needs a thread too.
                tokio::spawn(async move {
                    while registry.authenticate(&text).await.is_ok() {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        world.registry.revoke_key(&tenant, key.id).await.unwrap();
        refused(&world.registry, &text).await;
        for reader in readers {
            reader.await.unwrap();
        }
        refused(&world.registry, &text).await;
    }
}

#[tokio::test]
async fn a_key_ends_with_its_time_or_its_tenant() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let ends = after(world.clock.realtime(), Duration::from_secs(120));
    let new = NewKey { expires: Some(ends), ..new(&tenant, Role::Admin) };
    let (_, text) = world.registry.create_key(new.clone()).await.unwrap();
    world.pass(1);
    world.registry.authenticate(&text.reveal()).await.unwrap();
    world.pass(1);
    refused(&world.registry, &text.reveal()).await;
    assert!(world.registry.create_key(new).await.unwrap_err().to_string().starts_with("expires:"));

    let (_, text) = world.key(&tenant, Role::Admin).await;
    world.registry.authenticate(&text).await.unwrap();
    world.registry.set_enabled(&tenant, false).await.unwrap();
    refused(&world.registry, &text).await;
    world.registry.set_enabled(&tenant, true).await.unwrap();
    world.registry.authenticate(&text).await.unwrap();
    let own = TenantId::embedded();
    world.registry.create_tenant(&own, None).await.unwrap();
    assert_eq!(world.registry.set_enabled(&own, false).await, Err(RegistryError::OwnTenant(own)));
}

#[tokio::test]
async fn a_rotated_key_works_with_both_secrets_for_its_grace() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let (key, first) = world.key(&tenant, Role::Admin).await;
    let rotate = |grace| world.registry.rotate_key(&tenant, key.id, Duration::from_secs(grace));
    let (rotated, second) = rotate(60).await.unwrap();
    assert_eq!((rotated.id, second.id()), (key.id, key.id));
    let second = second.reveal();
    for text in [&first, &second] {
        world.registry.authenticate(text).await.unwrap();
    }
    world.pass(1);
    refused(&world.registry, &first).await;
    world.registry.authenticate(&second).await.unwrap();
    // Without a grace the old secret ends at once; and never are there three.
    let third = rotate(60).await.unwrap().1.reveal();
    let fourth = rotate(0).await.unwrap().1.reveal();
    for text in [&second, &third] {
        refused(&world.registry, text).await;
    }
    world.registry.authenticate(&fourth).await.unwrap();
    assert!(rotate(GRACE_MAX.as_secs() + 1).await.unwrap_err().to_string().starts_with("grace:"));
}

#[tokio::test]
async fn the_last_use_is_written_now_and_then() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let (key, text) = world.key(&tenant, Role::Admin).await;
    let written = async || world.fresh().key(&tenant, key.id).await.unwrap().used;
    world.registry.write_used().await.unwrap();
    assert_eq!(written().await, None);
    world.registry.authenticate(&text).await.unwrap();
    let first = Some(world.clock.realtime());
    assert_eq!(world.registry.key(&tenant, key.id).await.unwrap().used, first, "known before it is written");
    world.registry.write_used().await.unwrap();
    assert_eq!(written().await, first);
    // Within a minute it is not written again, but known.
    world.clock.now.fetch_add(MINUTE - 1, Ordering::SeqCst);
    world.registry.authenticate(&text).await.unwrap();
    world.registry.write_used().await.unwrap();
    assert_eq!(written().await, first);
    world.pass(1);
    world.registry.authenticate(&text).await.unwrap();
    world.registry.write_used().await.unwrap();
    assert_eq!(written().await, Some(world.clock.realtime()));
}

#[tokio::test]
async fn a_token_is_for_one_session_and_ends_with_its_key() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let (key, text) = world.key(&tenant, Role::Admin).await;
    let caller = world.registry.authenticate(&text).await.unwrap();
    let session = SessionId::generate(&*world.clock);
    let scopes: Scopes = [Scope::Exec, Scope::FilesRead].into_iter().collect();
    let asked = TokenAsked { session, scopes, life: Duration::from_secs(60) };
    let (token, ends) = world.registry.mint(&caller, &asked).unwrap();
    assert_eq!(ends, after(world.clock.realtime(), Duration::from_secs(60)));
    assert!(token.len() <= BEARER_MAX / 2, "{} characters", token.len());
    for registry in [&world.registry, &world.fresh()] {
        let bearer = registry.authenticate(&token).await.unwrap();
        let wanted = Caller { tenant: tenant.clone(), key: key.id, scopes, session: Some(session) };
        assert_eq!(bearer, wanted);
        assert!(registry.mint(&bearer, &asked).is_err(), "a token makes no tokens");
    }
    // Every character counts.
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'0' { "1" } else { "0" };
        refused(&world.registry, &format!("{}{other}{}", &token[..at], &token[at + 1..])).await;
    }
    let elsewhere = Registry::new(world.store.clone(), world.clock.clone(), [8; 32]);
    refused(&elsewhere, &token).await;
    let (_, viewer) = world.key(&tenant, Role::Viewer).await;
    let viewer = world.registry.authenticate(&viewer).await.unwrap();
    for (caller, asked) in [
        (&viewer, asked),
        (&caller, TokenAsked { scopes: Scopes::default(), ..asked }),
        (&caller, TokenAsked { scopes: [Scope::KeysManage].into_iter().collect(), ..asked }),
        (&caller, TokenAsked { life: Duration::ZERO, ..asked }),
        (&caller, TokenAsked { life: TOKEN_LIFE_MAX + Duration::from_nanos(1), ..asked }),
    ] {
        assert!(world.registry.mint(caller, &asked).is_err(), "{asked:?}");
    }

    let (short, _) = world.registry.mint(&caller, &asked).unwrap();
    world.pass(1);
    refused(&world.registry, &short).await;
    let (token, _) = world.registry.mint(&caller, &asked).unwrap();
    world.registry.authenticate(&token).await.unwrap();
    world.registry.revoke_key(&tenant, key.id).await.unwrap();
    refused(&world.registry, &token).await;
}

#[tokio::test]
async fn keys_have_a_bound_and_dead_ones_make_room() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let mut ids = Vec::new();
    for _ in 0..KEYS_MAX {
        ids.push(world.key(&tenant, Role::Viewer).await.0.id);
    }
    let refused = world.registry.create_key(new(&tenant, Role::Viewer)).await;
    assert_eq!(refused.unwrap_err(), RegistryError::TooManyKeys);
    world.registry.revoke_key(&tenant, ids[3]).await.unwrap();
    world.key(&tenant, Role::Viewer).await;
    let keys = world.registry.keys(&tenant).await.unwrap();
    assert_eq!(keys.len(), KEYS_MAX);
    assert!(keys.iter().all(|key| key.id != ids[3]), "the dead one is forgotten");
}

#[tokio::test]
async fn tenants_are_made_listed_and_named() {
    let world = World::new();
    for id in ["c", "a", "b"] {
        world.tenant(id).await;
    }
    let a: TenantId = "a".parse().unwrap();
    assert_eq!(world.registry.create_tenant(&a, None).await, Err(RegistryError::TenantExists(a.clone())));
    let (page, more) = world.registry.tenants(None, 2).await.unwrap();
    assert_eq!((page.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), more), (vec!["a", "b"], true));
    let (rest, more) = world.registry.tenants(Some(&page[1].id), 2).await.unwrap();
    assert_eq!((rest.len(), rest[0].id.as_str(), more), (1, "c", false));
    let title = |title: &str| TenantChange { title: Some(Some(title.to_owned())), ..TenantChange::default() };
    let named = world.registry.change_tenant(&a, title("Acme")).await.unwrap();
    assert_eq!(named.title.as_deref(), Some("Acme"));
    assert_eq!(world.registry.tenant(&a).await.unwrap().title.as_deref(), Some("Acme"));
    assert!(world.registry.change_tenant(&a, title("")).await.is_err());
    let none: TenantId = "none".parse().unwrap();
    assert_eq!(world.registry.set_enabled(&none, false).await, Err(RegistryError::NoTenant(none)));
}

#[tokio::test]
async fn a_tenant_is_changed_whole_or_not_at_all() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let change = TenantChange {
        title: Some(Some("Acme".to_owned())),
        enabled: Some(false),
        quotas: BTreeMap::from([(Quota::Sessions, Some(3)), (Quota::Streams, None)]),
        limits_max: BTreeMap::from([("processes".to_owned(), Some(9))]),
        weight: Some(Some(50)),
    };
    let made = world.registry.change_tenant(&tenant, change.clone()).await.unwrap();
    assert_eq!((made.quotas.sessions, made.limits_max["processes"], made.weight), (Some(3), 9, Some(50)));
    assert_eq!((made.revision, made.disabled.is_some()), (1, true));
    // Once more changes nothing, and is no change.
    assert_eq!(world.registry.change_tenant(&tenant, change.clone()).await.unwrap().revision, 1);
    // Each of these has one part that is wrong, and others that are right.
    for wrong in [
        TenantChange { enabled: Some(true), title: Some(Some("\n".to_owned())), ..TenantChange::default() },
        TenantChange { enabled: Some(true), weight: Some(Some(0)), ..TenantChange::default() },
        TenantChange {
            enabled: Some(true),
            limits_max: BTreeMap::from([("none".to_owned(), None)]),
            ..TenantChange::default()
        },
    ] {
        let refused = world.registry.change_tenant(&tenant, wrong).await;
        assert!(matches!(refused, Err(RegistryError::Invalid { .. })), "{refused:?}");
        assert_eq!(*world.registry.tenant(&tenant).await.unwrap(), made);
    }
    let own = TenantChange { enabled: Some(false), title: Some(None), ..TenantChange::default() };
    let refused = world.registry.change_tenant(&TenantId::embedded(), own).await;
    assert!(matches!(refused, Err(RegistryError::OwnTenant(_))));
    // Back to what the node says.
    let back = TenantChange {
        quotas: BTreeMap::from([(Quota::Sessions, None)]),
        limits_max: BTreeMap::from([("processes".to_owned(), None)]),
        weight: Some(None),
        ..TenantChange::default()
    };
    let made = world.registry.change_tenant(&tenant, back).await.unwrap();
    assert_eq!((made.quotas.sessions, made.limits_max.len(), made.weight, made.revision), (None, 0, None, 2));
}

#[tokio::test]
async fn the_first_key_is_made_once_also_over_a_crash() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("client.key");
    let shown = world.registry.begin(&file).await.unwrap().unwrap().reveal();
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(kept.trim(), shown);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let caller = world.registry.authenticate(&shown).await.unwrap();
    assert_eq!((caller.tenant, caller.scopes), (TenantId::embedded(), Role::Operator.scopes()));
    assert!(world.fresh().begin(&file).await.unwrap().is_none(), "shown once");

    // A process died with the file written and no key in the registry.
    let other = World::new();
    other.clock.drawn.store(1000, Ordering::SeqCst);
    let again = other.registry.begin(&file).await.unwrap().unwrap();
    assert_eq!(again.reveal(), shown);
    // The owner lost it.
    let new = other.registry.new_first(&file).await.unwrap().reveal();
    assert_ne!(new, shown);
    other.registry.authenticate(&new).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), new);

    std::fs::write(&file, "no key").unwrap();
    let wrong = World::new().registry.begin(&file).await.unwrap_err().to_string();
    assert!(wrong.contains("client.key") && wrong.contains("--new-key"), "{wrong}");
}

#[tokio::test]
async fn what_is_damaged_is_named_and_lets_nobody_in() {
    let world = World::new();
    let tenant = world.tenant("a").await;
    let (key, text) = world.key(&tenant, Role::Admin).await;
    let place = kept::key(key.id);
    let version = world.store.get(&place).await.unwrap().unwrap().version;
    world.store.put_if_match(&place, Bytes::from_static(b"WRNA?"), &version, Flush::Now).await.unwrap();
    let error = world.fresh().authenticate(&text).await.unwrap_err();
    assert!(matches!(&error, AuthError::Registry(RegistryError::Damaged { key, .. }) if *key == place), "{error}");
}
