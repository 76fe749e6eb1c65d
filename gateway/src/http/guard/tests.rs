#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn host(config: &Config, host: &str) -> bool {
    is_ours(config, host)
}

#[test]
fn hosts_that_lead_here() {
    let mut config = Config::default();
    for good in ["localhost", "localhost:7717", "127.0.0.1", "127.9.9.9:1", "[::1]:7717", "[::1]", "localhost."] {
        assert!(host(&config, good), "{good}");
    }
    for bad in ["", ":", "evil.example", "127.0.0.1.evil.example", "[::1", "::2", "0.0.0.0:7717", "192.168.0.1"] {
        assert!(bad == "[::1" || !host(&config, bad), "{bad}");
    }
    config.server.hosts = vec!["warren.example".to_owned()];
    assert!(host(&config, "Warren.Example:443") && !host(&config, "x.warren.example"));
    config.server.allow_remote = true;
    assert!(host(&config, "192.168.0.1:7717") && !host(&config, "evil.example"));
}

/// A server that has no software, and keeps nothing.
async fn app() -> App {
    struct Nothing;
    impl warren_session::Secrets for Nothing {
        fn get(&self, _: &warren_session::id::TenantId, _: &str) -> Option<String> {
            None
        }
    }
    impl warren_session::Software for Nothing {
        fn node(&self, _: Option<&[String]>) -> Result<(warren_wasi_posix::node::Node, Vec<String>), String> {
            Err("there is none".to_owned())
        }
    }
    let options = warren_session::Options {
        secrets: Arc::new(Nothing),
        software: Arc::new(Nothing),
        awake_max: 1,
        quotas: Default::default(),
        meter: Arc::new(warren_session::NoMeter),
        egress: Default::default(),
        grace: Duration::ZERO,
    };
    let kept = Arc::new(warren_session::durability::volatile::Volatile::new());
    let sessions = warren_session::Sessions::start(kept, options).await;
    let store = Arc::new(warren_cluster::store::MemoryStore::default());
    let host = Arc::new(warren_wasi_posix::system::SystemHost);
    let dir = tempfile::tempdir().unwrap();
    let folder = warren_cluster::folder::Folder::new(dir.path());
    let (keeper, _) = folder.open(host.clone(), tokio::runtime::Handle::current()).unwrap();
    let registry = warren_cluster::registry::Registry::new(store.clone(), host.clone(), [0; 32]);
    let config = Arc::new(Config::default());
    let engine = warren_wasi_posix::EngineOptions::default();
    let wasm = warren_wasi_posix::Wasm::new(&engine, tokio::runtime::Handle::current()).unwrap();
    let options = warren_cluster::audit::AuditOptions { keep: Duration::from_secs(60), bytes_max: 1 << 20 };
    App {
        metrics: crate::metrics::Metrics::of_this_process(),
        guests: tokio::runtime::Handle::current(),
        admission: Arc::new(crate::http::admission::Admission::new(&config, sessions.accounts().clone())),
        audit: warren_cluster::audit::Audit::new(store.clone(), host.clone(), options),
        usage: warren_cluster::usage::Usage::new(store, host),
        sessions,
        once: keeper.once(),
        shares: wasm.shares().clone(),
        registry,
        config,
        sockets: crate::http::Sockets::new(1),
        stop: tokio_util::sync::CancellationToken::new(),
    }
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    use axum::routing::post;
    use hyper::service::Service;
    async fn fails() -> &'static str {
        panic!("a fault of ours, with what a client must not see")
    }
    let guarded = axum::middleware::from_fn_with_state(app().await, guard);
    let router = axum::Router::new().route("/fails", post(fails)).route("/works", post(|| async { "works" }));
    let service = hyper_util::service::TowerToHyperService::new(router.layer(guarded));
    for _ in 0..2 {
        let request = |path| Request::post(path).header(HOST, "localhost").body(Body::from("a body")).unwrap();
        let answer = service.call(request("/fails")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("internal") && !body.contains("fault of ours"), "{body}");
        // And the server goes on.
        assert_eq!(service.call(request("/works")).await.unwrap().status(), StatusCode::OK);
    }
}
