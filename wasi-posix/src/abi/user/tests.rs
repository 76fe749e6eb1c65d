use super::*;

const TEXT: &[u8] = b"# accounts\n\
root:x:0:0:root:/root:/bin/sh\n\
broken:x:1\n\
:x:2:2::/:\n\
minus:x:-3:3::/:\n\
plus:x:+3:3::/:\n\
group:x:4:four::/:\n\
large:x:4294967296:4::/:\n\
agent:x:1000:1000:An Agent,,,:/home/agent:/bin/bash\n\
again:x:1000:1000::/:\n\
many:x:5:5::/::more\n\
\n\
last:x:7:7::/:/bin/sh";

fn text(key: Key<'_>) -> Option<&'static str> {
    find(TEXT, PASSWD.fields, key).map(|record| std::str::from_utf8(record).unwrap())
}

#[test]
fn accounts_are_found_by_id_and_name() {
    assert_eq!(text(Key::Id(0)), Some("root:x:0:0:root:/root:/bin/sh"));
    assert_eq!(text(Key::Id(1000)), Some("agent:x:1000:1000:An Agent,,,:/home/agent:/bin/bash"));
    assert_eq!(text(Key::Name(b"again")), Some("again:x:1000:1000::/:"));
    assert_eq!(text(Key::Name(b"last")), Some("last:x:7:7::/:/bin/sh"));
    assert_eq!(text(Key::Name(b"")), None);
    assert_eq!(text(Key::Id(u32::MAX)), None);
}

#[test]
fn malformed_lines_are_as_if_they_were_not_there() {
    for name in ["# accounts", "broken", "minus", "plus", "group", "large", "many"] {
        assert_eq!(text(Key::Name(name.as_bytes())), None, "{name}");
    }
    let names: Vec<&str> = (0..).map_while(|index| text(Key::Index(index))).collect();
    assert_eq!(names.len(), 4);
    assert!(names[3].starts_with("last:"));
}

#[test]
fn groups_have_four_fields() {
    let text = b"root:x:0:\nstaff:x:50:agent,other\nwrong:x:51\n";
    assert_eq!(find(text, GROUP.fields, Key::Id(50)), Some(&b"staff:x:50:agent,other"[..]));
    assert_eq!(find(text, GROUP.fields, Key::Id(51)), None);
    assert_eq!(find(text, GROUP.fields, Key::Index(2)), None);
}
