use super::{Measured, median};

#[test]
fn median_is_the_middle_and_the_lower_of_two() {
    assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
    assert_eq!(median([2.0, 1.0].into_iter()), 1.0);
    assert!(median(std::iter::empty()).is_nan());
}

#[test]
fn each_number_has_its_own_median() {
    let run = |p50_us, ratio| Measured { p50_us, ..Measured::default() }.with("ratio", "x", ratio);
    let middle = Measured::median(&[run(1.0, 9.0), run(2.0, 7.0), run(3.0, 8.0)]);
    assert_eq!((middle.p50_us, middle.figure("ratio")), (2.0, Some(8.0)));
}
