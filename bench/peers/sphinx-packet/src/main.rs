//! Times the official Sphinx crate. Reads lines `build|unwrap VERSION COUNT`, answers each with
//! microseconds of CPU per packet.

use cpu_time::ProcessTime;
use sphinx_packet::header::delays::Delay;
use sphinx_packet::route::{Destination, DestinationAddressBytes, Node, NodeAddressBytes};
use sphinx_packet::version::Version;
use sphinx_packet::{ProcessedPacketData, SphinxPacket, SphinxPacketBuilder};
use std::hint::black_box;
use std::io::{stdin, stdout, BufRead, Write};
use x25519_dalek::{PublicKey, StaticSecret};

const HOPS: u8 = 4;
const PAYLOAD_BYTES: usize = 2065;

struct Route {
    secrets: Vec<StaticSecret>,
    nodes: Vec<Node>,
    delays: Vec<Delay>,
    destination: Destination,
}

fn route() -> Route {
    let secrets: Vec<StaticSecret> = (1..=HOPS).map(|i| StaticSecret::from([i; 32])).collect();
    let nodes = secrets
        .iter()
        .enumerate()
        .map(|(i, secret)| Node::new(NodeAddressBytes::from_bytes([i as u8; 32]), PublicKey::from(secret)))
        .collect();
    let delays = (0..HOPS).map(|_| Delay::new_from_nanos(15_000_000)).collect();
    let destination = Destination::new(DestinationAddressBytes::from_bytes([0xd5; 32]), [0; 16]);
    Route { secrets, nodes, delays, destination }
}

/// The packet as bytes: what a sender hands to its socket.
fn build(route: &Route, version: u16, message: &[u8]) -> Vec<u8> {
    SphinxPacketBuilder::new()
        .with_version(Version::new(version))
        .with_payload_size(PAYLOAD_BYTES)
        .build_packet(message, &route.nodes, &route.destination, &route.delays)
        .expect("a packet")
        .to_bytes()
}

/// From bytes to bytes: what a node does between two sockets.
fn unwrap(secret: &StaticSecret, bytes: &[u8]) -> Vec<u8> {
    let processed = SphinxPacket::from_bytes(bytes).expect("a packet").process(secret).expect("ours");
    match processed.data {
        ProcessedPacketData::ForwardHop { next_hop_packet, .. } => next_hop_packet.to_bytes(),
        ProcessedPacketData::FinalHop { .. } => panic!("not the last hop"),
    }
}

fn time(count: u32, mut task: impl FnMut()) -> f64 {
    let start = ProcessTime::now();
    for _ in 0..count {
        task();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

fn main() {
    let route = route();
    let message = vec![0x5a; PAYLOAD_BYTES - 17];
    for line in stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let version: u16 = words[1].parse().expect("a version");
        let count: u32 = words[2].parse().expect("a count");
        let micros = if words[0] == "build" {
            time(count, || {
                black_box(build(&route, version, black_box(&message)));
            })
        } else {
            let packet = build(&route, version, &message);
            time(count, || {
                black_box(unwrap(&route.secrets[0], black_box(&packet)));
            })
        };
        println!("{micros:.3}");
        stdout().flush().expect("a reader");
    }
}
