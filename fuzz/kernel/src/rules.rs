//! Policies as input: text that may be one, and patterns against a second opinion.

use warren_kernel::policy::{Domain, Effect, Policy, Rule, Rules};

/// Reads a policy from text; one that passes its own check decides on every subject.
pub fn read(text: &str, subject: &[u8]) {
    let policies = [serde_json::from_str::<Policy>(text).ok(), toml::from_str::<Policy>(text).ok()];
    for policy in policies.into_iter().flatten() {
        if policy.validate().is_err() {
            continue;
        }
        for domain in [Domain::Read, Domain::Write, Domain::Execute, Domain::Connect, Domain::Listen, Domain::Tool] {
            let effect = policy.decide(domain, subject);
            assert!(policy.is_uniform(domain).is_none_or(|all| all == effect));
        }
        let again = serde_json::to_string(&policy).expect("plain data has a JSON form");
        assert_eq!(serde_json::from_str::<Policy>(&again).expect("it was just made"), policy);
    }
}

/// Compares a pattern's verdict with that of a matcher written another way.
pub fn compare(pattern: &str, subject: &[u8]) {
    let rule = Rule { effect: Effect::Allow, pattern: pattern.to_owned() };
    let policy = Policy { read: Rules { default: Effect::Deny, rules: vec![rule] }, ..Policy::default() };
    if policy.validate().is_err() {
        return;
    }
    let allowed = policy.decide(Domain::Read, subject) == Effect::Allow;
    assert_eq!(allowed, matches(&tokens(pattern.as_bytes()), subject), "{pattern:?} on {subject:?}");
}

#[derive(Clone, Copy)]
enum Token {
    One,
    Run,
    Any,
    Byte(u8),
}

fn tokens(pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.first() {
        let stars = rest.iter().take_while(|byte| **byte == b'*').count();
        let token = match (stars, first) {
            (0, b'?') => Token::One,
            (0, byte) => Token::Byte(*byte),
            (1, _) => Token::Run,
            _ => Token::Any,
        };
        tokens.push(token);
        rest = &rest[stars.max(1)..];
    }
    tokens
}

/// Row by row: which suffixes of the subject the last tokens match.
fn matches(tokens: &[Token], subject: &[u8]) -> bool {
    let mut below = vec![false; subject.len() + 1];
    below[subject.len()] = true;
    for token in tokens.iter().rev() {
        let mut row = vec![false; subject.len() + 1];
        for at in (0..=subject.len()).rev() {
            let byte = subject.get(at).copied();
            row[at] = match token {
                Token::Byte(want) => byte == Some(*want) && below[at + 1],
                Token::One => byte.is_some_and(|byte| byte != b'/') && below[at + 1],
                Token::Run => below[at] || (byte.is_some_and(|byte| byte != b'/') && row[at + 1]),
                Token::Any => below[at] || (byte.is_some() && row[at + 1]),
            };
        }
        below = row;
    }
    below[0]
}
