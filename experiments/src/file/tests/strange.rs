//! Input that is unlikely to be written on purpose.

use proptest::prelude::*;

use super::*;

#[test]
fn deep_and_strange_input_is_refused_calmly() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep, &[]).is_err());
    assert!(read(&format!("{} = 1", vec!["a"; 10_000].join(".")), &[]).is_err());
    assert!(read(SMALL, &[&deep]).is_err());
    assert!(read("\u{feff}é = \"\u{1b}[31m", &["é.ü=ö", "\n=\n", ""]).is_err());
    let many: String = (0..200).map(|index| format!("key{index} = 1\n")).collect();
    assert!(
        read(&many, &[])
            .expect_err("it is invalid")
            .contains("errors more")
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), setting in any::<String>()) {
        let _ = read(&text, &[&setting]);
        let _ = read(SMALL, &[&setting, &text]);
    }

    #[test]
    fn edits_of_a_file_never_panic(
        start in 0..EXAMPLE.len(),
        length in 0..40_usize,
        new in "[a-z0-9=.,{}\\[\\]\"'\n_é-]{0,12}",
    ) {
        let mut text = EXAMPLE.to_owned();
        text.replace_range(start..(start + length).min(EXAMPLE.len()), &new);
        if let Ok(experiment) = read(&text, &[]) {
            prop_assert_eq!(fine(&experiment.to_toml(), &[]), experiment);
        }
    }

    #[test]
    fn values_of_any_kind_never_panic(
        key in prop::sample::select(vec![
            "seed", "network.nodes", "network.ids", "lookup.alpha", "link.delay_ms", "link.fast_error",
            "link.fast_error.delay_ms", "clock", "phase", "phase.seeding.count", "phase.sampling.count_each",
            "phase.sampling.origin", "phase.seeding.kind", "phase.seeding.trace", "expect", "output.tables", "sweep",
        ]),
        value in prop::sample::select(vec![
            "", "0", "-1", "18446744073709551615", "0xffffffffffffffffffffffffffffffffffffff", "1e400", "nan", "true",
            "[]", "{}", "[[]]", "[{}]", "{ uniform = [1, 2] }", "{ sample = 0 }", "{ node = -1 }", "1979-05-27", "lookup",
        ]),
    ) {
        let _ = read(EXAMPLE, &[&format!("{key}={value}")]);
    }
}
