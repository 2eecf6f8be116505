//! Node lists with peer ids, keys as text, and the state of each node.

use super::*;

const PEERS: [&str; 3] = [
    "12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
    "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
    "k51qzi5uqu5dkwkqm42v9j9kqcam2jiuvloi16g72i4i4amoo2m8u3ol3mqu6s",
];

fn read_peers(path: &Path, hash: Option<Hash>) -> Result<NodeList, ImportError> {
    super::super::read_ids(path, hash, Watch::SILENT)
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn keys_are_made_from_peer_ids() {
    let folder = Folder::new();
    let [a, b, c] = PEERS;
    let csv = folder.text(
        "t.csv",
        format!("online;peer_id;agent\n1;{a};x\nFalse;{b};y\ntrue; {c} ;z\n"),
    );
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]));
    let parquet = folder.parquet(vec![("peer_id", texts(&PEERS)), ("online", flags)]);
    for path in [csv, parquet] {
        let list = read_peers(&path, Some(Hash::Sha256)).unwrap();
        let ids: Vec<i64> = list.nodes.iter().map(|node| node.0).collect();
        assert_eq!(ids, [0, 1, 2]);
        assert_eq!(list.nodes[0].1, 0x1dc8_c060_fa49_9346);
        assert_eq!(list.nodes[1].1, 0xe41c_99e2_31bc_8c56);
        assert_eq!(list.offline, [1]);
        // Labels are in the order of keys.
        let mut by_key = list.nodes.clone();
        by_key.sort_by_key(|node| node.1);
        let labels = list.labels.unwrap();
        let labels: Vec<&str> = labels.iter().flatten().collect();
        let expected: Vec<&str> = by_key.iter().map(|node| PEERS[node.0 as usize]).collect();
        assert_eq!(labels, expected);
    }
}

#[test]
fn peer_ids_beside_keys_are_labels() {
    let folder = Folder::new();
    let path = folder.text("t.csv", "node,peer_id,key\n5,b,0xffffffffffffffff\n6,a,7\n");
    let list = read_peers(&path, None).unwrap();
    assert_eq!(list.nodes, [(5, u64::MAX), (6, 7)]);
    assert!(list.offline.is_empty());
    let labels = list.labels.unwrap();
    assert_eq!(labels.iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn keys_may_be_text_in_both_formats() {
    let folder = Folder::new();
    let long = ["00".repeat(20), "ab".repeat(20)];
    let long = [long[0].as_str(), long[1].as_str()];
    let expected = [(1, 0), (2, 0xabab_abab_abab_abab)];
    let path = folder.parquet(vec![("node", i64s(&[1, 2])), ("key", texts(&long))]);
    assert_eq!(read_ids(&path).unwrap(), expected);
    let path = folder.text(
        "t.csv",
        format!("node,key\n1,{}\n2,0x{}\n", long[0], long[1]),
    );
    assert_eq!(read_ids(&path).unwrap(), expected);
    let cut = &long[1][1..];
    let path = folder.text("t.csv", format!("node,key\n1,{}\n2,{cut}\n", long[0]));
    let said = format!("line 3: `key` is `{cut}`, not a key of 40 hexadecimal digits");
    fails(read_ids(&path), &path, &said);
}

#[test]
fn columns_that_do_not_go_together_are_refused() {
    let folder = Folder::new();
    for (header, hash, said) in [
        ("peer_id", None, "no column `key`, and no `network.hash`"),
        (
            "node,key",
            Some(Hash::Sha256),
            "no column `peer_id`, which `network.hash` makes keys from",
        ),
        (
            "peer_id,key",
            Some(Hash::Sha256),
            "column `key` is there, and `network.hash` makes keys too",
        ),
        ("key,online", None, "no column `node`"),
        (
            "peer_id,peer_id",
            Some(Hash::Sha256),
            "two columns are named `peer_id`",
        ),
    ] {
        let path = folder.text("t.csv", format!("{header}\n"));
        fails(read_peers(&path, hash), &path, said);
    }
}

#[test]
fn values_that_cannot_be_name_their_place() {
    let folder = Folder::new();
    let id = PEERS[0];
    for (text, said) in [
        (
            format!("peer_id,online\n{id},2\n"),
            "line 2: `online` is `2`, not true, false, 1 or 0",
        ),
        (
            format!("peer_id,online\n{id},\n"),
            "line 2: no value in column `online`",
        ),
        (
            format!("peer_id\n{id}\n\n{}\n", &id[..40]),
            "line 4: `peer_id` is `12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4`, not a whole",
        ),
        (
            format!("peer_id\n{id}\nsomebody\n"),
            "line 3: `peer_id` is `somebody`, not a libp2p peer id",
        ),
        (
            format!("peer_id\n{id}\n\n{id}\n"),
            &format!("lines 2 and 4 have the same peer_id, {id}"),
        ),
    ]
    .map(|(text, said)| (text, said.to_owned()))
    {
        let path = folder.text("t.csv", text);
        fails(read_peers(&path, Some(Hash::Sha256)), &path, &said);
    }
    // Two spellings of a peer id make the same key.
    let twice = "peer_id\nQmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N\n\
                 bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe\n";
    let path = folder.text("t.csv", twice);
    fails(
        read_peers(&path, Some(Hash::Sha256)),
        &path,
        "lines 2 and 3 have the same key, ",
    );
}
