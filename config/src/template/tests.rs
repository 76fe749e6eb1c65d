#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use warren_kernel::policy::{Domain, Effect};

fn template(text: &str) -> Template {
    toml::from_str(text).unwrap()
}

#[test]
fn choices_are_laid_over_each_other() {
    let mut spec = SessionSpec::default();
    template("environment = { A = \"1\", B = \"1\" }\nidle_timeout = \"5m\"\ndurability = \"journal\"")
        .apply(&mut spec)
        .unwrap();
    template("environment = { B = \"2\" }\nidle_timeout = \"never\"\nlimits = { processes = 3 }")
        .apply(&mut spec)
        .unwrap();
    assert_eq!((spec.environment["A"].as_str(), spec.environment["B"].as_str()), ("1", "2"));
    assert_eq!((spec.idle_timeout, spec.durability, spec.limits.processes), (None, Tier::Journal, 3));
}

#[test]
fn what_is_reached_outside_is_chosen_as_a_whole() {
    let mut spec = SessionSpec::default();
    template("egress = [\"a.example\", \"b.example:443\"]").apply(&mut spec).unwrap();
    template("cwd = \"/tmp\"").apply(&mut spec).unwrap();
    assert_eq!(spec.egress, ["a.example", "b.example:443"], "who says nothing changes nothing");
    template("egress = [\"c.example\"]").apply(&mut spec).unwrap();
    assert_eq!(spec.egress, ["c.example"]);
    let wrong = template("egress = [\"c.example:0\"]").apply(&mut spec).unwrap_err();
    assert!(wrong.to_string().starts_with("egress: `c.example:0`: a port is 1 to 65535"), "{wrong}");
    template("egress = []").apply(&mut spec).unwrap();
    assert!(spec.egress.is_empty());
    let policy = "[policy.write]\ndefault = \"deny\"";
    template(policy).apply(&mut spec).unwrap();
    let policy = spec.policy.unwrap();
    assert_eq!(policy.decide(Domain::Connect, b"c.example:443"), Effect::Allow, "its rules say what is reached");
}

#[test]
fn a_template_that_says_nothing_changes_nothing() {
    let mut spec = SessionSpec::default();
    template("").apply(&mut spec).unwrap();
    assert_eq!(spec, SessionSpec::default());
}

#[test]
fn a_policy_names_only_what_differs() {
    let mut spec = SessionSpec::default();
    template("[policy.write]\ndefault = \"deny\"").apply(&mut spec).unwrap();
    let policy = spec.policy.unwrap();
    assert_eq!(policy.decide(Domain::Write, b"/x"), Effect::Deny);
    assert_eq!(policy.decide(Domain::Read, b"/x"), Effect::Allow, "as sessions may anyway");
}

#[test]
fn unknown_fields_limits_and_long_patterns_are_refused() {
    assert!(toml::from_str::<Template>("enviroment = {}").is_err());
    assert!(toml::from_str::<Template>("[policy]\nnetwork = {}").is_err());
    let error = template("limits = { proceses = 1 }").apply(&mut SessionSpec::default()).unwrap_err();
    assert!(error.to_string().contains("proceses"), "{error}");
    let long = format!("[[policy.read.rules]]\neffect = \"allow\"\npattern = \"{}\"", "x".repeat(2000));
    assert!(matches!(template(&long).apply(&mut SessionSpec::default()), Err(TemplateError::Policy(_))));
}
