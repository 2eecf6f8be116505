//! Makes keys from the identifiers of other networks.
//!
//! A key of kadsim has 64 bits: the first 64 bits of a longer key, or the first 8 bytes of a hash, big-endian.
//!
//! | network | where its key comes from | in a node list |
//! |---|---|---|
//! | libp2p (IPFS) | SHA-256 of the bytes of the peer id, a multihash (`ConvertPeerID` of go-libp2p-kbucket) | `peer_id`: base58btc (`12D3Koo…`, `16Uiu2…`, `Qm…`) or CIDv1 (`bafz…`, `k51…`); `network.hash = "sha256"` |
//! | discv5, Ethereum | Keccak-256 of the 64 bytes of the uncompressed public key (EIP-778, scheme "v4") | `peer_id`: 128 hexadecimal digits or `enode://…`; `network.hash = "keccak256"`. The node id is that hash: it belongs into `key` |
//! | mainline (BitTorrent) | the node id of 20 bytes (BEP 5) | `key`: 40 hexadecimal digits |

use sha2::{Digest, Sha256};
use sha3::Keccak256;

use crate::file::Hash;

/// Most hexadecimal digits of an integer of 64 bits.
const WORD_DIGITS: usize = 16;
/// Most decimal digits of an integer of 64 bits.
const DECIMAL_DIGITS: usize = 20;
/// Hexadecimal digits of a key of 128 bits, and of one of 256.
const LONG_DIGITS: std::ops::RangeInclusive<usize> = 32..=64;
/// Hexadecimal digits of an uncompressed public key without and with the byte 04 before it.
const PUBLIC_KEY_DIGITS: [usize; 2] = [128, 130];
/// Bytes of the shortest multihash of a peer id: SHA-256 with its two bytes of header.
const MULTIHASH_BYTES_MIN: usize = 34;

/// Reads keys as text. All long keys of a file must have the same length, because a lost digit, such as a leading zero,
/// would change the first 64 bits.
#[derive(Default)]
pub(super) struct KeyTexts {
    /// Hexadecimal digits of the first long key.
    digits: Option<usize>,
}

impl KeyTexts {
    /// Reads a key.
    ///
    /// The length decides: up to 20 decimal digits are a decimal number; `0x` and up to 16 digits a hexadecimal number;
    /// 32 to 64 hexadecimal digits, with or without `0x`, a key whose first 64 bits count. Any other text is ambiguous
    /// and an error.
    ///
    /// # Errors
    /// A description of what is allowed.
    pub(super) fn read(&mut self, text: &str) -> Result<u64, String> {
        const EXPECTED: &str = "an integer from 0 to 18446744073709551615, \
            0x and up to 16 hexadecimal digits, or 32 to 64 hexadecimal digits";
        let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let digits = prefixed.unwrap_or(text);
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && LONG_DIGITS.contains(&digits.len()) {
            return self.long(digits);
        }
        let key = match prefixed {
            Some(digits) if is_hex && digits.len() <= WORD_DIGITS => {
                u64::from_str_radix(digits, 16).ok()
            }
            Some(_) => None,
            None if digits.len() <= DECIMAL_DIGITS && !text.starts_with('+') => text.parse().ok(),
            None => None,
        };
        key.ok_or_else(|| match is_hex && digits.len() >= WORD_DIGITS {
            true if prefixed.is_none() && digits.len() <= WORD_DIGITS => {
                format!("{EXPECTED}; hexadecimal of 64 bits begins with 0x")
            }
            true => format!("{EXPECTED}; this has {} digits", digits.len()),
            false => EXPECTED.to_owned(),
        })
    }

    fn long(&mut self, digits: &str) -> Result<u64, String> {
        let length = digits.len();
        let first = *self.digits.get_or_insert(length);
        if first != length {
            return Err(format!(
                "a key of {first} hexadecimal digits, as the first one of the file; this has {length}"
            ));
        }
        if length % 2 == 1 {
            return Err(format!(
                "whole bytes: {length} hexadecimal digits are odd; is a zero lost at the beginning?"
            ));
        }
        u64::from_str_radix(&digits[..WORD_DIGITS], 16).map_err(|error| error.to_string())
    }
}

/// Form of a peer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A libp2p peer id: a multihash.
    PeerId,
    /// An uncompressed public key of Ethereum: 64 bytes.
    PublicKey,
    /// `0x` and hexadecimal digits.
    Bytes,
    /// Any other text. Its UTF-8 bytes are hashed.
    Text,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::PeerId => "a libp2p peer id",
            Form::PublicKey => "a public key of 64 bytes",
            Form::Bytes => "bytes in hexadecimal",
            Form::Text => "other text",
        }
    }
}

/// Hashes peer ids to keys. All peer ids of a file must have the same form, because a truncated or mistyped one would
/// else be hashed as text.
pub(super) struct PeerIds {
    hash: Hash,
    /// Form of the first peer id.
    form: Option<Form>,
}

impl PeerIds {
    pub(super) fn new(hash: Hash) -> Self {
        Self { hash, form: None }
    }

    /// Hashes a peer id to its key.
    ///
    /// # Errors
    /// A description of what is allowed.
    pub(super) fn key(&mut self, text: &str) -> Result<u64, String> {
        let (form, bytes) = decoded(text)?;
        if self.hash == Hash::Keccak256 && form == Form::Bytes {
            return Err(
                "the 128 hexadecimal digits of an uncompressed public key, which keccak256 hashes; \
                 a node id is hashed already and belongs into the column `key`"
                    .to_owned(),
            );
        }
        let first = *self.form.get_or_insert(form);
        if first != form {
            let (first, form) = (first.name(), form.name());
            return Err(format!(
                "{first}, as the first one of the file; this is {form}"
            ));
        }
        let mut head = [0; 8];
        match self.hash {
            Hash::Sha256 => head.copy_from_slice(&Sha256::digest(&bytes)[..8]),
            Hash::Keccak256 => head.copy_from_slice(&Keccak256::digest(&bytes)[..8]),
        }
        Ok(u64::from_be_bytes(head))
    }
}

/// Decodes a peer id to the bytes that are hashed.
fn decoded(text: &str) -> Result<(Form, Vec<u8>), String> {
    if text.starts_with("enr:") {
        return Err(
            "an ENR, which is not decoded: put its node id into the column `key`, \
                    or its public key into `peer_id`"
                .to_owned(),
        );
    }
    if let Some(rest) = text.strip_prefix("enode://") {
        let digits = rest.split(['@', '?']).next().unwrap_or_default();
        return match public_key(&hex(digits).unwrap_or_default()) {
            Some(key) => Ok((Form::PublicKey, key)),
            None => Err("an enode URL with a public key of 128 hexadecimal digits".to_owned()),
        };
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let Some(bytes) = hex(digits).filter(|bytes| !bytes.is_empty()) else {
            return Err("0x and pairs of hexadecimal digits".to_owned());
        };
        return Ok(match public_key(&bytes) {
            Some(key) => (Form::PublicKey, key),
            None => (Form::Bytes, bytes),
        });
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && text.len() >= *LONG_DIGITS.start() {
        let key = hex(text).and_then(|bytes| public_key(&bytes));
        return match key {
            Some(key) => Ok((Form::PublicKey, key)),
            None => Err(format!(
                "a public key of {} hexadecimal digits; a node id in hexadecimal belongs into the column `key`, \
                 and to hash other bytes, write 0x before them",
                PUBLIC_KEY_DIGITS[0]
            )),
        };
    }
    if let Some(multihash) = base58(text).or_else(|| cid(text)) {
        return Ok((Form::PeerId, multihash));
    }
    let prefixes = ["12D3Koo", "16Uiu2", "bafz", "k51q", "k2k4"];
    let looks_like_one = prefixes.iter().any(|prefix| text.starts_with(prefix));
    if looks_like_one || (text.starts_with("Qm") && text.len() >= 40) {
        return Err("a whole libp2p peer id, which it begins as; is it cut off?".to_owned());
    }
    Ok((Form::Text, text.as_bytes().to_vec()))
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    multibase::Base::Base16Lower
        .decode(digits.to_ascii_lowercase())
        .ok()
}

/// Returns the 64 bytes of an uncompressed public key, without the byte 04 that may precede them.
fn public_key(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes {
        [4, key @ ..] if key.len() == 64 => Some(key.to_vec()),
        key if key.len() == 64 => Some(key.to_vec()),
        _ => None,
    }
}

/// Decodes a peer id in base58btc, such as `12D3Koo…` or `Qm…`.
fn base58(text: &str) -> Option<Vec<u8>> {
    let bytes = multibase::Base::Base58Btc.decode(text).ok()?;
    is_multihash(&bytes).then_some(bytes)
}

/// Decodes a peer id as a CIDv1 of a libp2p key, such as `bafz…` or `k51…`.
fn cid(text: &str) -> Option<Vec<u8>> {
    const VERSION_AND_CODEC: [u8; 2] = [0x01, 0x72];
    let (_, bytes) = multibase::decode(text).ok()?;
    let multihash = bytes.strip_prefix(&VERSION_AND_CODEC)?;
    is_multihash(multihash).then(|| multihash.to_vec())
}

/// Returns whether the bytes are a multihash: code, length, and a SHA-256 or the key itself.
fn is_multihash(bytes: &[u8]) -> bool {
    const IDENTITY: u8 = 0x00;
    const SHA_256: u8 = 0x12;
    bytes.len() >= MULTIHASH_BYTES_MIN
        && matches!(bytes, [IDENTITY | SHA_256, length, value @ ..] if usize::from(*length) == value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<u64, String> {
        KeyTexts::default().read(text)
    }

    fn hashed(hash: Hash, text: &str) -> Result<u64, String> {
        PeerIds::new(hash).key(text)
    }

    #[test]
    fn the_length_of_a_text_tells_what_key_it_is() {
        for (text, expected) in [
            ("0", 0),
            ("007", 7),
            ("18446744073709551615", u64::MAX),
            ("1234567890123456", 1_234_567_890_123_456),
            ("0x1f", 31),
            ("0XFFFFFFFFFFFFFFFF", u64::MAX),
            ("00112233445566778899aabbccddeeff", 0x0011_2233_4455_6677),
            (
                "0x00112233445566778899AABBCCDDEEFF01234567",
                0x0011_2233_4455_6677,
            ),
            // One key in ten thousand has decimal digits only. Its length makes it hexadecimal.
            ("12345678901234567890123456789012", 0x1234_5678_9012_3456),
            (
                // Node id of EIP-778's example.
                "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7",
                0xa448_f24c_6d18_e575,
            ),
        ] {
            assert_eq!(key(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_could_be_decimal_or_hexadecimal_is_neither() {
        for (text, said) in [
            ("18446744073709551616", "this has 20 digits"),
            ("123456789012345678901", "this has 21 digits"),
            ("1234567890123456789012345678901", "this has 31 digits"),
            ("0x11223344556677889", "this has 17 digits"),
            ("00112233445566aa", "begins with 0x"),
            ("ff", "0x and up to 16"),
            ("-1", "an integer from 0"),
            ("1.5", "an integer from 0"),
            ("0x", "an integer from 0"),
            ("0xfg", "an integer from 0"),
            ("", "an integer from 0"),
        ] {
            let error = key(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        let too_long = "a".repeat(65);
        assert!(key(&too_long).unwrap_err().contains("this has 65 digits"));
    }

    #[test]
    fn long_keys_of_a_file_have_one_length() {
        let mut texts = KeyTexts::default();
        assert_eq!(texts.read(&"ab".repeat(20)), Ok(0xabab_abab_abab_abab));
        assert_eq!(texts.read("5"), Ok(5));
        let lost = texts.read(&"a".repeat(39)).unwrap_err();
        assert!(
            lost.contains("40 hexadecimal digits") && lost.contains("this has 39"),
            "{lost}"
        );
        assert!(key(&"a".repeat(39)).unwrap_err().contains("a zero lost"));
    }

    /// The peer id of the CID documentation of libp2p, as base58btc and as base32; SHA-256 by another program.
    #[test]
    fn a_libp2p_peer_id_is_hashed_over_its_multihash() {
        let base58 = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        let base32 = "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe";
        let expected = Ok(0xe41c_99e2_31bc_8c56);
        assert_eq!(hashed(Hash::Sha256, base58), expected);
        assert_eq!(hashed(Hash::Sha256, base32), expected);
        let multihash = "0x12209dff3b17d74cf4d38a50d8b6383e92d181a10395a5e73a726dcccbd21bf6f0b9";
        assert_eq!(hashed(Hash::Sha256, multihash), expected);
        let ed25519 = "12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8";
        assert_eq!(hashed(Hash::Sha256, ed25519), Ok(0x1dc8_c060_fa49_9346));
        let base36 = "k51qzi5uqu5dkwkqm42v9j9kqcam2jiuvloi16g72i4i4amoo2m8u3ol3mqu6s";
        let (form, bytes) = decoded(base36).unwrap();
        assert_eq!(form, Form::PeerId);
        let ed25519 = "00240801122" /* identity, 36 bytes, an Ed25519 key of 32 */;
        assert!(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .starts_with(ed25519)
        );
    }

    /// The example of EIP-778: the public key, uncompressed, and the node id that is its Keccak-256.
    #[test]
    fn an_ethereum_node_id_is_the_keccak_of_the_public_key() {
        let public = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138\
                      7574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";
        let node_id = Ok(0xa448_f24c_6d18_e575);
        for text in [
            public.to_owned(),
            format!("0x{}", public.to_uppercase()),
            format!("04{public}"),
            format!("0x04{public}"),
            format!("enode://{public}@127.0.0.1:30303?discport=0"),
        ] {
            assert_eq!(hashed(Hash::Keccak256, &text), node_id, "{text}");
        }
    }

    /// FIPS 180-2 and the Keccak team's vector of the empty message's kin, over plain text.
    #[test]
    fn other_text_is_hashed_as_it_stands() {
        assert_eq!(hashed(Hash::Sha256, "abc"), Ok(0xba78_16bf_8f01_cfea));
        assert_eq!(hashed(Hash::Keccak256, "abc"), Ok(0x4e03_657a_ea45_a94f));
        assert_eq!(hashed(Hash::Sha256, "0x616263"), Ok(0xba78_16bf_8f01_cfea));
    }

    #[test]
    fn ids_that_are_damaged_or_hashed_already_are_refused() {
        let node_id = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";
        let compressed = "03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138";
        for (hash, text, said) in [
            (Hash::Keccak256, node_id.to_owned(), "column `key`"),
            (Hash::Keccak256, format!("0x{node_id}"), "column `key`"),
            (Hash::Keccak256, format!("0x{compressed}"), "uncompressed"),
            (
                Hash::Keccak256,
                compressed.to_owned(),
                "128 hexadecimal digits",
            ),
            (Hash::Keccak256, "enode://12@1".to_owned(), "an enode URL"),
            (Hash::Keccak256, "enr:-IS4QHCYrYZbAK".to_owned(), "an ENR"),
            (
                Hash::Sha256,
                "12D3KooWKnDdG3iXw9eTFijk3EWSun".to_owned(),
                "cut off",
            ),
            (
                Hash::Sha256,
                "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5".to_owned(),
                "cut off",
            ),
            (Hash::Sha256, "0x123".to_owned(), "pairs"),
        ] {
            let error = hashed(hash, &text).expect_err(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
        let mut ids = PeerIds::new(Hash::Sha256);
        ids.key("12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8")
            .unwrap();
        let mixed = ids
            .key("2D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8")
            .unwrap_err();
        assert!(mixed.contains("a libp2p peer id, as the first") && mixed.contains("other text"));
    }
}
