use super::*;

#[test]
fn numbers_are_unique_ordered_and_come_back() {
    assert!(Errno::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
    for errno in Errno::ALL {
        assert_eq!(Errno::from_number(i32::from(errno.number())), *errno);
    }
    for unknown in [0, -1, 15, 41, 9999, i32::MIN] {
        assert_eq!(Errno::from_number(unknown), Errno::EIO, "an unusual number must not become a meaningful one");
    }
}

/// The number and text of each, as the C library of the machine the tests run on has them.
#[test]
fn numbers_and_texts_are_linuxs() {
    for errno in Errno::ALL {
        let text = std::io::Error::from_raw_os_error(i32::from(errno.number())).to_string();
        assert_eq!(text, format!("{} (os error {})", errno.text(), errno.number()), "{errno:?}");
    }
    assert_eq!(Errno::ENOENT.to_string(), "No such file or directory (ENOENT)");
}
