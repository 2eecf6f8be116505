"""Simulates Kademlia networks of millions of nodes."""
