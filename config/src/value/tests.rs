#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct All {
    size: Size,
    period: Period,
    timeout: Timeout,
}

fn read(size: &str, period: &str, timeout: &str) -> Result<All, toml::de::Error> {
    toml::from_str(&format!("size = {size}\nperiod = \"{period}\"\ntimeout = \"{timeout}\""))
}

#[test]
fn sizes_and_times_as_people_write_them() {
    let read = read("\"64MiB\"", "1m 30s", "never").unwrap();
    assert_eq!(read.size, Size(64 << 20));
    assert_eq!(read.period, Period(Duration::from_secs(90)));
    assert_eq!(read.timeout, Timeout(None));
    assert_eq!(toml::from_str::<All>(&toml::to_string(&read).unwrap()).unwrap(), read, "written and read again");
}

#[test]
fn the_smallest_and_the_largest() {
    for (text, size) in [("0", 0), ("7", 7), ("\"1k\"", 1024), ("\"16777215TiB\"", 16_777_215 << 40)] {
        assert_eq!(read(text, "0s", "1ns").unwrap().size, Size(size), "{text}");
    }
}

#[test]
fn what_is_none_says_what_would_be_right() {
    for text in ["-1", "\"16777216TiB\"", "\"1 parsec\"", "\"\"", "1.5", "true"] {
        let error = read(text, "1s", "never").unwrap_err().to_string();
        assert!(error.contains("64KiB"), "{text}: {error}");
    }
    for text in ["90", "never", "soon", ""] {
        let error = read("1", text, "never").unwrap_err().to_string();
        assert!(error.contains("90s") && !error.contains("or \"never\""), "{text}: {error}");
    }
}
