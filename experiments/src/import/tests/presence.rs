//! Files of presence and of quantiles.

use super::*;
use kadsim_engine::distribution::Distribution;

fn intervals(path: &Path) -> Result<Vec<Interval>, ImportError> {
    let wanted = |id| (id > 9).then_some("a node of the network");
    read_presence(path, wanted, Watch::SILENT)
}

fn interval(node: i64, from_us: u64, until_us: u64) -> Interval {
    Interval {
        node,
        from_us,
        until_us,
    }
}

#[test]
fn presence_from_both_formats() {
    let folder = Folder::new();
    let expected = [
        interval(1, 0, 1500),
        interval(1, 2000, u64::MAX),
        interval(2, 500, 4000),
    ];
    // What touches is one interval.
    let csv = "node,online_ms,offline_ms\n2,1,4\n1,2,\n1,0,1.5\n2,0.5,1\n";
    assert_eq!(intervals(&folder.text("p.csv", csv)).unwrap(), expected);
    let ends: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(4.0),
        None,
        Some(1.5),
        Some(1.0),
    ]));
    let columns = vec![
        ("node", i64s(&[2, 1, 1, 2])),
        ("online_ms", f64s(&[1.0, 2.0, 0.0, 0.5])),
        ("offline_ms", ends),
    ];
    assert_eq!(intervals(&folder.parquet(columns)).unwrap(), expected);
}

#[test]
fn wrong_presence_is_refused_with_its_line() {
    let folder = Folder::new();
    for (rows, message) in [
        (
            "1,5,4",
            "line 2: `offline_ms` is `4`, not a time after `online_ms`",
        ),
        ("1,5,5", "line 2: `offline_ms` is `5`, not a time after"),
        (
            "1,0,2\n10,0,1",
            "line 3: `node` is `10`, not a node of the network",
        ),
        (
            "1,3,5\n2,0,9\n1,0,4",
            "lines 4 and 2 overlap: node 1 is online in both",
        ),
        ("1,0,\n1,7,8", "lines 2 and 3 overlap"),
        ("1,0,1\n1,1,3\n1,2,4", "lines 3 and 4 overlap"),
        ("1,,4", "line 2: no value in column `online_ms`"),
        ("1,-1,4", "line 2: `online_ms` is `-1`"),
    ] {
        let text = format!("node,online_ms,offline_ms\n{rows}\n");
        let path = folder.text("p.csv", text);
        fails(intervals(&path), &path, message);
    }
    let path = folder.text("p.csv", "node,online_ms\n1,0\n");
    fails(intervals(&path), &path, "no column `offline_ms`");
}

#[test]
fn quantiles_from_a_file() {
    let folder = Folder::new();
    let path = folder.text("q.csv", "p,ms\n0,1\n0.5,2\n1,4\n");
    let quantiles = read_quantiles(&path, Watch::SILENT).unwrap();
    assert_eq!(quantiles.bounds_us(), (1000.0, 4000.0));
    assert_eq!(quantiles.mean_us(), 0.5 * 1500.0 + 0.5 * 3000.0);
}

#[test]
fn wrong_quantiles_are_refused_with_their_line() {
    let folder = Folder::new();
    for (rows, message) in [
        ("0,1", "at least 2 quantiles are needed"),
        ("0,0\n1,0", "every length is 0"),
        (
            "0,1\n1.5,2",
            "line 3: `p` is `1.5`, not a number from 0 to 1",
        ),
        (
            "0,1\nnan,2",
            "line 3: `p` is `nan`, not a number from 0 to 1",
        ),
        (
            "0.5,1\n0.5,2",
            "line 3: `p` is `0.5`, not above 0.5, the one before",
        ),
        (
            "0.5,2\n0.6,1",
            "line 3: `ms` is `1`, not at least 2, the one before",
        ),
        ("0.5,-2\n0.6,1", "line 2: `ms` is `-2`"),
    ] {
        let path = folder.text("q.csv", format!("p,ms\n{rows}\n"));
        fails(read_quantiles(&path, Watch::SILENT), &path, message);
    }
}
