#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;

const GOOD: &str = r#"
[[package]]
name = "a"
package = "@scope/a"
version = "1.2.3"
integrity = "sha512-NAZ5p8HmCxLx0puSBi2uaTXIlH7xlJWFQjsYe1c4rfySTKzNLu+0UZvVTzsVMJMne3confQx+9d+3o79t2SnxQ=="
kind = "aospkg"
licence = "MIT"
default = true
"#;

#[test]
fn the_file_we_ship_is_valid_and_has_the_default_set() {
    let pins = software().unwrap();
    let defaults: Vec<_> = pins.defaults().collect();
    assert_eq!(defaults.len(), 1);
    assert_eq!(defaults[0].package, "@rivet-dev/agentos-runtime-core");
    assert_eq!(defaults[0].kind, PinKind::Commands);
    assert!(pins.all().iter().all(|pin| pin.size.is_some()), "every shipped pin knows its size");
    assert_eq!(pins.find("grep").unwrap().package, "@agentos-software/grep");
    assert_eq!(pins.find("@agentos-software/grep").unwrap().name, "grep");
    assert!(pins.find("nothing-of-that-name").is_none());
}

#[test]
fn unknown_fields_duplicates_and_missing_defaults_are_refused() {
    assert!(parse_software(GOOD).is_ok());
    assert!(matches!(parse_software(&format!("{GOOD}sise = 3\n")), Err(SoftwarePinsError::Syntax(_))));
    assert!(matches!(parse_software(&format!("{GOOD}{GOOD}")), Err(SoftwarePinsError::DuplicateName { .. })));
    assert!(matches!(parse_software(&GOOD.replace("default = true", "")), Err(SoftwarePinsError::NoDefault)));
}

#[test]
fn only_exact_versions_and_sha512_are_pins() {
    for version in ["^1.2.3", "latest", "", "1.x || 2", "../1"] {
        let text = GOOD.replace("1.2.3", version);
        assert!(matches!(parse_software(&text), Err(SoftwarePinsError::Version { .. })), "{version}");
    }
    let sha1 = GOOD.replace("sha512-", "sha1-");
    assert!(matches!(parse_software(&sha1), Err(SoftwarePinsError::Integrity { .. })));
    let short = GOOD.replace("SnxQ==", "Snx==");
    assert!(matches!(parse_software(&short), Err(SoftwarePinsError::Integrity { .. })));
}
