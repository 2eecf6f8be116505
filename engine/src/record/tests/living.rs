//! Columns that tables of living runs alone have.

use super::*;

#[test]
fn columns_of_living_runs() {
    let folder = Folder::new();
    let info = RunInfo {
        living: true,
        ..info()
    };
    let path = folder.path("ticks.parquet");
    let mut table = TickTable::create(&path, &info, &phases()).unwrap();
    let row = TickRow {
        maintenance_connections: 1,
        maintenance_failed: 2,
        refresh: 3,
        join: 4,
        check: 5,
        republish: 6,
        learned: 7,
        evicted: 8,
        expired: 9,
        records: Some(10),
        ..TickRow::default()
    };
    table.push(&row).unwrap();
    table.push(&TickRow::default()).unwrap();
    table.finish(true).unwrap();
    let batch = whole(&path);
    let columns = columns_of(&batch);
    let ends = "maintenance_connections UInt64 [1]\nmaintenance_failed UInt64 [1]\nrefresh UInt64 [1]\n\
                join UInt64 [1]\ncheck UInt64 [1]\nrepublish UInt64 [1]\nlearned UInt64 [1]\n\
                evicted UInt64 [1]\nexpired UInt64 [1]\nrecords UInt64? [1]\n";
    assert!(columns.ends_with(ends), "{columns}");
    let values = values(&batch);
    let all: Vec<String> = (1..=10).map(|number: u8| number.to_string()).collect();
    assert_eq!(values[values.len() - 10..], all);
    let records = batch.column_by_name("records").unwrap();
    assert!(records.is_null(1));

    let path = folder.path("nodes.parquet");
    let mut table = NodeTable::create(&path, &info, &phases(), None, None).unwrap();
    let row = NodeRow {
        maintenance_sent: 11,
        maintenance_received: 12,
        ..NodeRow::default()
    };
    table.push(&row).unwrap();
    table.finish(true).unwrap();
    let batch = whole(&path);
    let ends = "maintenance_sent UInt64 [1]\nmaintenance_received UInt64 [1]\n";
    assert!(columns_of(&batch).ends_with(ends));
    let values = self::values(&batch);
    assert_eq!(values[values.len() - 2..], ["11", "12"]);

    let path = folder.path("connections.parquet");
    let mut table = ConnectionTable::create(&path, &info, &phases()).unwrap();
    for purpose in Purpose::ALL {
        let row = ConnectionRow {
            purpose,
            ..ConnectionRow::default()
        };
        table.push(&row).unwrap();
    }
    table.finish(true).unwrap();
    let all = ["user", "refresh", "join", "check", "ping", "republish"];
    assert_eq!(strings(&whole(&path), "purpose"), all);
}
