# Front door; CI calls .ci/run, which runs the same commands.
fmt:
    cargo fmt --all
lint:
    cargo clippy --workspace --all-targets -- -D warnings
test:
    cargo test --workspace
interleavings:
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" cargo test -p warren-kernel --test interleavings
bench:
    cargo run -p warren-loadtest -- bench
ci:
    .ci/run
