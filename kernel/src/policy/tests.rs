use super::*;

fn rules(default: Effect, list: &[(Effect, &str)]) -> Rules {
    Rules {
        default,
        rules: list.iter().map(|(effect, pattern)| Rule { effect: *effect, pattern: (*pattern).to_owned() }).collect(),
    }
}

#[test]
fn patterns_match_as_documented() {
    for (pattern, subject, expected) in [
        ("/tmp/*", "/tmp/a", true),
        ("/tmp/*", "/tmp/a/b", false),
        ("/tmp/**", "/tmp/a/b", true),
        ("/tmp/**", "/tmp", false),
        ("**", "", true),
        ("*.example.com:443", "api.example.com:443", true),
        ("*.example.com:443", "example.com:443", false),
        ("?", "a", true),
        ("?", "/", false),
        ("a*b*c", "aXXbYYc", true),
        ("a*b*c", "aXXbYY", false),
        ("", "", true),
    ] {
        assert_eq!(matches(pattern.as_bytes(), subject.as_bytes()), expected, "{pattern} on {subject}");
    }
}

#[test]
fn the_last_matching_rule_decides() {
    let policy = Policy {
        write: rules(
            Effect::Deny,
            &[
                (Effect::Allow, "/home/**"),
                (Effect::Deny, "/home/agent/.ssh/**"),
                (Effect::Allow, "/home/agent/.ssh/known_hosts"),
            ],
        ),
        ..Policy::default()
    };
    assert_eq!(policy.decide(Domain::Write, b"/home/agent/x"), Effect::Allow);
    assert_eq!(policy.decide(Domain::Write, b"/home/agent/.ssh/id"), Effect::Deny);
    assert_eq!(policy.decide(Domain::Write, b"/home/agent/.ssh/known_hosts"), Effect::Allow);
    assert_eq!(policy.decide(Domain::Write, b"/etc/passwd"), Effect::Deny);
}

#[test]
fn nothing_said_is_denied_and_a_session_reaches_nothing_outside() {
    assert_eq!(Policy::default().decide(Domain::Read, b"/"), Effect::Deny);
    assert_eq!(Policy::session().decide(Domain::Read, b"/"), Effect::Allow);
    assert_eq!(Policy::session().decide(Domain::Connect, b"example.com:443"), Effect::Deny);
    assert_eq!(Policy::session().decide(Domain::Tool, b"weather"), Effect::Deny);
}

#[test]
fn a_hostile_pattern_is_bounded_and_an_oversized_one_refused() {
    let pattern = "*a".repeat(500);
    let subject = "a".repeat(4096);
    assert!(matches(pattern.as_bytes(), subject.as_bytes()));
    assert!(!matches(format!("{pattern}b").as_bytes(), subject.as_bytes()));
    let policy =
        Policy { tool: rules(Effect::Deny, &[(Effect::Allow, &"x".repeat(PATTERN_MAX + 1))]), ..Policy::default() };
    assert!(policy.validate().unwrap_err().to_string().contains("tool"));
}
