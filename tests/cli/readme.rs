//! The README against the program.

use crate::support::Dir;

/// README's table of columns is that of the tables.
#[test]
fn readme_lists_the_columns_of_every_table() {
    let dir = Dir::new();
    let all = "output.tables=[\"ticks\", \"operations\", \"nodes\", \"connections\", \"routing\"]";
    dir.kadsim(&["run", "small.toml", "--set", all]).ends(0);
    let readme = include_str!("../../README.md");
    for name in [
        "ticks",
        "operations",
        "nodes",
        "connections",
        "routing",
        "summary",
        "timings",
    ] {
        let row = format!("| `{name}` | network, ");
        let line = readme.lines().find(|line| line.starts_with(&row)).unwrap();
        let columns = line.split(" | ").nth(2).unwrap();
        let listed: Vec<_> = columns.split('`').skip(1).step_by(2).collect();
        let table = dir.table(&format!("out/small/{name}.parquet"));
        let schema = table.batch.schema();
        let found = schema.fields().iter().map(|field| {
            let null = if field.is_nullable() { "?" } else { "" };
            format!("{}{null}", field.name())
        });
        assert_eq!(listed, found.collect::<Vec<_>>(), "{name}");
    }
}
