use super::*;
use crate::snapshot::objects::MemoryObjects;

fn store() -> Arc<dyn Objects> {
    Arc::new(MemoryObjects::default())
}

#[tokio::test]
async fn a_tenants_keys_are_made_once() {
    let (store, kek, tenant) = (store(), KeyEncryptionKey::from_bytes([1; 32]), TenantId::embedded());
    let first = TenantKeys::open_or_create(&store, &kek, &tenant, "1").await.unwrap();
    let second = TenantKeys::open_or_create(&store, &kek, &tenant, "1").await.unwrap();
    let other = TenantKeys::open_or_create(&store, &kek, &tenant, "2").await.unwrap();
    assert_eq!(first.hash_key(), second.hash_key());
    assert_ne!(first.hash_key(), other.hash_key());
}

#[tokio::test]
async fn another_key_file_is_told_apart_from_damage() {
    let (store, tenant) = (store(), TenantId::embedded());
    let kek = KeyEncryptionKey::from_bytes([1; 32]);
    TenantKeys::open_or_create(&store, &kek, &tenant, "1").await.unwrap();
    let wrong = KeyEncryptionKey::from_bytes([2; 32]);
    let error = TenantKeys::open_or_create(&store, &wrong, &tenant, "1").await.unwrap_err();
    assert!(matches!(error, KeyError::WrongKey { .. }), "{error}");
    let wrapped = store.get("default/key/1").await.unwrap().unwrap();
    for cut in [0, 4, 5, 20, wrapped.len() - 1] {
        let error = unwrap(&kek, &tenant, "1", &wrapped[..cut]).unwrap_err();
        assert!(matches!(error, KeyError::Damaged { .. }), "{cut}: {error}");
    }
}

#[tokio::test]
async fn a_wrapped_key_belongs_to_its_tenant() {
    let (store, kek) = (store(), KeyEncryptionKey::from_bytes([1; 32]));
    TenantKeys::open_or_create(&store, &kek, &"one".parse().unwrap(), "1").await.unwrap();
    let wrapped = store.get("one/key/1").await.unwrap().unwrap();
    store.put_if_absent("two/key/1", wrapped).await.unwrap();
    let error = TenantKeys::open_or_create(&store, &kek, &"two".parse().unwrap(), "1").await.unwrap_err();
    assert!(matches!(error, KeyError::WrongKey { .. }), "{error}");
}

#[tokio::test]
async fn a_destroyed_key_does_not_come_back() {
    let (store, kek, tenant) = (store(), KeyEncryptionKey::from_bytes([1; 32]), TenantId::embedded());
    let first = TenantKeys::open_or_create(&store, &kek, &tenant, "1").await.unwrap();
    TenantKeys::destroy(&store, &tenant, "1").await.unwrap();
    TenantKeys::destroy(&store, &tenant, "1").await.unwrap();
    let second = TenantKeys::open_or_create(&store, &kek, &tenant, "1").await.unwrap();
    assert_ne!(first.hash_key(), second.hash_key());
}

#[test]
fn nothing_prints_a_key() {
    let keys = TenantKeys::from_data_key(TenantId::embedded(), [0xab; 32]);
    let kek = KeyEncryptionKey::from_bytes([0xab; 32]);
    let text = format!("{keys:?} {kek:?}");
    assert!(!text.contains("171") && !text.contains("ab, ab"), "{text}");
}

#[test]
fn the_operators_file_is_made_once_and_only_its_owner_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kek");
    let first = KeyEncryptionKey::open_or_create(&path).unwrap();
    let second = KeyEncryptionKey::open_or_create(&path).unwrap();
    assert_eq!(first.key.0, second.key.0);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyEncryptionKey::open_or_create(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for bytes in [vec![1; 31], vec![1; 33], vec![]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(KeyEncryptionKey::open_or_create(&path), Err(KeyError::File { .. })));
    }
    let nowhere = folder.path().join("no/such/folder");
    assert!(matches!(KeyEncryptionKey::open_or_create(&nowhere), Err(KeyError::File { .. })));
}
