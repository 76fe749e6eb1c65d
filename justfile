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
# A target of fuzz/ (package, abi, line, kernel, image) and how long; see CONTRIBUTING.md.
fuzz target seconds="1440":
    mkdir -p fuzz/found/{{target}}
    cd fuzz && cargo run --locked --bin {{target}} -- found/{{target}} corpus/{{target}} \
        -max_total_time={{seconds}} -timeout=10 -rss_limit_mb=4096 -max_len=1024 -artifact_prefix=found/
ci:
    .ci/run
