//! The columns of the tables as `columns` gives them.

use super::readme::readme_holds;
use crate::support::Dir;

#[test]
fn the_reference_is_what_the_program_prints() {
    readme_holds("columns");
}

/// What the program says of a table is what a run writes.
#[test]
fn columns_are_those_of_the_tables() {
    let dir = Dir::new();
    dir.write(
        "all.toml",
        "schema = 1\nname = \"all\"\nseed = 1\nnetwork.nodes = 50\n\
         [[phase]]\nname = \"p\"\nkind = \"lookup\"\ncount = 3\n\
         [output]\ntables = [\"ticks\", \"operations\", \"nodes\", \"connections\", \"routing\"]\n",
    );
    dir.kadsim(&["run", "all.toml", "--quiet"]).ends(0);
    let text = dir.kadsim(&["columns", "--markdown"]).ends(0).stdout;
    let mut tables = 0;
    for section in text.split("### ").skip(1) {
        let (name, columns) = section.split_once('\n').unwrap();
        let name = name.trim_matches('`');
        let listed: Vec<&str> = columns
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| line.split('`').next().unwrap())
            .collect();
        let schema = dir.table(&format!("out/all/{name}.parquet")).batch.schema();
        let written: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(listed, written, "{name}");
        tables += 1;
    }
    assert_eq!(tables, 7);
}
