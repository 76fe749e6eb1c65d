//! The double as a program: `warren-s3-double --listen 127.0.0.1:9000 --seed 7 --fault 503:20 --fault lost:5`.
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use warren_s3_double::faults::Chance;
use warren_s3_double::server::{ACCESS_KEY, SECRET_KEY};
use warren_s3_double::{Conditions, Double, Options, Script};

/// A server that speaks S3 and fails as it is told to, for tests.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// A folder for the objects; without one they are gone when this ends.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// A bucket that is there.
    #[arg(long, default_value = "bucket")]
    bucket: Vec<String>,
    /// A fault by chance: NAME:PER_MILLE[:NUMBER]. Names: 409 429 500 503 error-after-apply slow lost reset stall
    /// stall-after-apply cut behind page error-inside whole shifted.
    #[arg(long)]
    fault: Vec<Chance>,
    /// What chance begins with.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Look at a condition first and write later, as a store does that cannot do both at once.
    #[arg(long)]
    racy: bool,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "what it prints is what its caller waits for")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        listen: arguments.listen,
        conditions: if arguments.racy { Conditions::Racy } else { Conditions::Kept },
        folder: arguments.folder,
        script: Script::new(arguments.seed, arguments.fault),
        buckets: arguments.bucket,
    };
    let double = match Double::start(options).await {
        Ok(double) => double,
        Err(error) => {
            eprintln!("cannot listen on {}: {error}", arguments.listen);
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}, access key {ACCESS_KEY}, secret {SECRET_KEY}", double.endpoint());
    let _ = tokio::signal::ctrl_c().await;
    ExitCode::SUCCESS
}
