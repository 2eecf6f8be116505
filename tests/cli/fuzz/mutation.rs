//! Mutations of a text: of bytes, lines and tokens.

use std::fs;
use std::path::Path;

use kadsim::engine::random::Stream;

use super::grammar::ODD;

/// Longest text that a mutation makes, in bytes.
const BYTES_MAX: usize = 1 << 16;

/// Returns the experiment files of the repository.
pub fn experiments() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let folders = [folder.join("published"), folder];
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Draws a number below `end`; 0 if `end` is 0.
fn below(stream: &mut Stream, end: usize) -> usize {
    match end {
        0 => 0,
        _ => stream.below(end as u64) as usize,
    }
}

/// Changes a text in one place. Inserted lines and tokens come from `other`.
pub fn mutate(text: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    match stream.below(6) {
        0 => bytes(text, stream),
        1 | 2 => lines(text, other, stream),
        _ => tokens(text, other, stream),
    }
    text.truncate(BYTES_MAX);
}

fn bytes(text: &mut Vec<u8>, stream: &mut Stream) {
    const LIKELY: &[u8] = b"\0\n\r\t\"'#=[]{},.-+_0123456789eExX\xff\xc3\xa9";
    let place = below(stream, text.len());
    let byte = match stream.below(2) {
        0 => LIKELY[below(stream, LIKELY.len())],
        _ => stream.below(256) as u8,
    };
    match stream.below(4) {
        0 if place < text.len() => text[place] = byte,
        1 if place < text.len() => drop(text.remove(place)),
        2 => {
            let end = (place + 1 + below(stream, 40)).min(text.len());
            let part = text[place..end].to_vec();
            let at = below(stream, text.len());
            text.splice(at..at, part);
        }
        _ => text.insert(place, byte),
    }
}

fn lines(text: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    let mut lines: Vec<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let place = below(stream, lines.len());
    match stream.below(4) {
        0 => drop(lines.remove(place)),
        1 => lines.insert(place, lines[place].clone()),
        2 => {
            let second = below(stream, lines.len());
            lines.swap(place, second);
        }
        _ => {
            let others: Vec<&[u8]> = other.split(|byte| *byte == b'\n').collect();
            lines.insert(place, others[below(stream, others.len())].to_vec());
        }
    }
    *text = lines.join(&b'\n');
}

/// Returns the ranges of the words of a text.
fn words(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-\"+".contains(byte);
    let mut words = Vec::new();
    let mut begin = None;
    for (place, byte) in text.iter().enumerate() {
        match (is_word(byte), begin) {
            (true, None) => begin = Some(place),
            (false, Some(first)) => {
                words.push(first..place);
                begin = None;
            }
            _ => {}
        }
    }
    words.extend(begin.map(|first| first..text.len()));
    words
}

fn tokens(text: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    let (own, others) = (words(text), words(other));
    if own.is_empty() || others.is_empty() {
        return;
    }
    let place = own[below(stream, own.len())].clone();
    let new = match stream.below(3) {
        0 => ODD[below(stream, ODD.len())].as_bytes().to_vec(),
        1 => other[others[below(stream, others.len())].clone()].to_vec(),
        _ => text[own[below(stream, own.len())].clone()].to_vec(),
    };
    text.splice(place, new);
}
