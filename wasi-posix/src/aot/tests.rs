use super::*;
use wasmtime::Config;

fn engine() -> Engine {
    Engine::new(&Config::new()).unwrap()
}

const MODULE: &str = "(module (func (export \"f\") (result i32) i32.const 7))";

fn kept(root: &Path, engine: &Engine) -> (CodeCache, BlobId) {
    let cache = CodeCache::open(root, engine).unwrap();
    let id = BlobId::of(MODULE.as_bytes());
    cache.keep(&id, &engine.precompile_module(MODULE.as_bytes()).unwrap());
    (cache, id)
}

#[test]
fn code_of_this_host_is_loaded_again_also_by_a_second_cache() {
    let root = tempfile::tempdir().unwrap();
    let engine = engine();
    let (cache, id) = kept(root.path(), &engine);
    assert!(cache.load(&engine, &id).is_some());
    assert!(CodeCache::open(root.path(), &engine).unwrap().load(&engine, &id).is_some());
    assert!(cache.load(&engine, &BlobId([0; 32])).is_none(), "code is bound to its content");
}

#[test]
fn changed_code_another_hosts_code_and_anothers_content_are_not_loaded() {
    let root = tempfile::tempdir().unwrap();
    let engine = engine();
    let (cache, id) = kept(root.path(), &engine);
    let path = cache.path(&id, "cwasm");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(cache.load(&engine, &id).is_none());

    let other = tempfile::tempdir().unwrap();
    let (theirs, _) = kept(other.path(), &engine);
    for extension in ["cwasm", "sum"] {
        std::fs::copy(theirs.path(&id, extension), cache.path(&id, extension)).unwrap();
    }
    assert!(cache.load(&engine, &id).is_none(), "their key is not ours");

    let (cache, id) = kept(root.path(), &engine);
    let renamed = BlobId([9; 32]);
    for extension in ["cwasm", "sum"] {
        std::fs::copy(cache.path(&id, extension), cache.path(&renamed, extension)).unwrap();
    }
    assert!(cache.load(&engine, &renamed).is_none(), "a file renamed to another content is not its code");
}

#[test]
fn what_others_may_write_is_not_loaded_and_a_key_others_may_write_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let engine = engine();
    let (cache, id) = kept(root.path(), &engine);
    std::fs::set_permissions(cache.path(&id, "cwasm"), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(cache.load(&engine, &id).is_none());
    let key = root.path().join("code/key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o622)).unwrap();
    let refused = CodeCache::open(root.path(), &engine).unwrap_err();
    assert!(refused.to_string().contains("nobody else"), "{refused}");
}

#[test]
fn a_file_is_mapped_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    std::fs::write(&path, b"bytes").unwrap();
    assert_eq!((*map(&path, 5).unwrap()).as_ref(), b"bytes");
    assert!(map(&path, 6).is_err());
    assert!(map(&folder.path().join("none"), 5).is_err());
    std::fs::write(&path, b"").unwrap();
    assert_eq!((*map(&path, 0).unwrap()).as_ref(), b"");
}
