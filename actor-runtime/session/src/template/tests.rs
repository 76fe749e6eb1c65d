use super::*;

#[test]
fn the_last_entry_of_a_name_wins_and_names_are_whole() {
    let mut environment = Environment::new(&strings(["PATH=/bin", "PATHS=x"]));
    environment.set("PATH", "/usr/bin");
    assert!(environment.has("PATH") && environment.has("PATHS") && !environment.has("PAT"));
    assert_eq!(environment.strings(), strings(["PATHS=x", "PATH=/usr/bin"]));
}

#[test]
fn users_are_names_or_numbers() {
    let of = |text: &str| user(&SessionSpec { user: Some(text.to_owned()), ..SessionSpec::default() });
    assert_eq!(of("root").unwrap().0.uid, Uid(0));
    assert_eq!((of("5:6").unwrap().0.uid, of("5:6").unwrap().0.gid), (Uid(5), Gid(6)));
    assert_eq!(of("7").unwrap().0.gid, Gid(7));
    for wrong in ["", "somebody", "1:", "-1", "1:2:3"] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}
