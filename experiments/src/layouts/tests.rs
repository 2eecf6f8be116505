use super::*;
use crate::file;

fn measured(layout: LayoutKind, digest: &str) -> Measured {
    Measured {
        layout,
        bootstrap: Duration::ZERO,
        lookups: Duration::ZERO,
        contacts: 0,
        bytes: BytesUsed::default(),
        entries: 0,
        reads: Reads::default(),
        misses: None,
        digest: digest.to_owned(),
    }
}

#[test]
fn layouts_that_agree_are_named_together() {
    let comparison = Comparison {
        measured: vec![
            measured(LayoutKind::Dense, "a"),
            measured(LayoutKind::Packed, "b"),
            measured(LayoutKind::Implicit, "a"),
        ],
        skipped: Vec::new(),
        nodes: 1,
        operations: 0,
        instrumented_operations: 0,
        threads: 1,
        misses_unknown: None,
    };
    let groups = vec![
        ("a", vec![LayoutKind::Dense, LayoutKind::Implicit]),
        ("b", vec![LayoutKind::Packed]),
    ];
    assert_eq!(comparison.agreeing(), groups);
}

#[test]
fn a_layout_that_does_not_fit_is_left_out() {
    let text = "schema = 1\nname = \"large\"\nseed = 7\nnetwork.nodes = 1_000_000\n\
                [[phase]]\nname = \"looking\"\nkind = \"lookup\"\ncount = 10\n";
    let loaded = file::parse("large.toml", text, &[]).unwrap();
    let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
    let split = |has| {
        let (fitting, skipped) = fitting(&loaded.experiment, &inputs, has);
        let fitting: Vec<_> = fitting.iter().map(|fits| fits.layout).collect();
        let skipped: Vec<_> = skipped.iter().map(|skipped| skipped.layout).collect();
        (fitting, skipped)
    };
    assert_eq!(split(u64::MAX), (LayoutKind::ALL.to_vec(), vec![]));
    let (fitting, skipped) = split(1 << 30);
    for (layout, fits) in [
        (LayoutKind::Dense, false),
        (LayoutKind::Packed, false),
        (LayoutKind::Spans, true),
        (LayoutKind::Implicit, true),
    ] {
        assert_eq!(fitting.contains(&layout), fits, "{layout}");
    }
    let (one, other): (Vec<_>, Vec<_>) = LayoutKind::ALL
        .into_iter()
        .partition(|layout| fitting.contains(layout));
    assert_eq!((fitting, skipped), (one, other));
    assert_eq!(split(0), (vec![], LayoutKind::ALL.to_vec()));
}

#[test]
fn phases_share_the_instrumented_run() {
    assert_eq!(share(&[2000, 10_000], 1), 10_000);
    let many = [1_000_000, 3_000_000];
    assert_eq!([share(&many, 0), share(&many, 1)], [5000, 15_000]);
    assert_eq!(share(&[u64::MAX >> 2], 0), INSTRUMENTED_OPERATIONS_MAX);
}
