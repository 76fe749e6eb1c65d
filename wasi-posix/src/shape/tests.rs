use super::*;

fn nested(depth: usize) -> Vec<u8> {
    let text = format!("(module (func {} {}))", "(block ".repeat(depth), ")".repeat(depth));
    wat::parse_str(text).unwrap()
}

#[test]
fn ordinary_modules_pass_and_what_is_no_module_is_left_to_the_engine() {
    assert!(check(&nested(NESTING_MAX)).is_ok());
    assert!(check(b"\0asm\x01\0\0\0").is_ok());
    assert!(check(b"no module").is_ok());
    assert!(check(b"").is_ok());
}

#[test]
fn a_module_out_of_proportion_is_refused_by_name() {
    let reason = check(&nested(NESTING_MAX + 1)).unwrap_err();
    assert_eq!(reason.errno, Errno::ENOMEM);
    assert!(reason.reason.contains("blocks inside each other"), "{reason}");
    let many = format!("(module {})", "(func)".repeat(FUNCTIONS_MAX as usize + 1));
    assert!(check(&wat::parse_str(many).unwrap()).unwrap_err().reason.contains("functions"));
    let long = format!("(module (func {}))", "nop ".repeat(BODY_MAX + 1));
    assert!(check(&wat::parse_str(long).unwrap()).unwrap_err().reason.contains("bytes in a function"));
}
