#!/usr/bin/env python3
"""Writes a made-up crawl of an IPFS-like network: experiments/crawl/make.py > experiments/crawl/peers.csv

One row for each of 1000 peers: its peer id (base58btc, as libp2p writes that of an Ed25519 key), whether the crawler
could dial it (three in four), and the agent that it named. Every value is a function of the row's number, so the file
is the same wherever it is made. A list that a real crawler writes takes the same form: see ../README.md, "Node lists".
"""

from hashlib import sha256

PEERS = 1000
UNDIALABLE = 0.25
AGENTS = ["kubo/0.34.1", "kubo/0.32.0", "go-ipfs/0.8.0", "storm", "helia/5.2.0"]
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Multihash "identity" of 36 bytes: a protobuf with an Ed25519 key of 32.
HEADER = bytes.fromhex("002408011220")


def drawn(what, row):
    return sha256(f"{what} {row}".encode()).digest()


def share(what, row):
    return int.from_bytes(drawn(what, row)[:8], "big") / 2**64


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    zeros = len(data) - len(data.lstrip(b"\0"))
    return ALPHABET[0] * zeros + text


print("peer_id,online,agent")
for row in range(PEERS):
    peer_id = base58(HEADER + drawn("key", row))
    online = "true" if share("dial", row) >= UNDIALABLE else "false"
    print(f"{peer_id},{online},{AGENTS[int(share('agent', row) * len(AGENTS))]}")
