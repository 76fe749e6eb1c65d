# Front door; CI calls .ci/run, which runs the same commands.
fmt:
    cargo fmt --all
lint:
    cargo clippy --workspace --all-targets -- -D warnings
test:
    cargo test --workspace
bench:
    cargo run -p warren-loadtest -- bench
ci:
    .ci/run
