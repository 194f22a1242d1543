//! The SDK's IP tunnel, and smolmix's sockets over it. Neither can be told of a network: they ask the directory whose address is
//! compiled in, in whose place the test answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nym_ip_packet_requests::codec::MultiIpPacketCodec;
use nym_ip_packet_requests::icmp_utils::{
    build_icmp_ping, build_icmpv6_ping, is_echo_reply_v4, is_echo_reply_v6,
};
use nym_sdk::ipr_wrapper::IpMixStream;
use nym_smolmix::Tunnel;
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::{bytes, text, Failure};

/// Shorter than what the test waits for, so that it hears why.
const PATIENCE: Duration = Duration::from_secs(280);
const LONGEST_DATAGRAM: usize = 65_536;

#[derive(Default)]
pub(crate) enum Way {
    #[default]
    None,
    Packets(Box<IpMixStream>),
    Sockets(Tunnel),
}

impl Way {
    /// `router`: the address of one; without, the SDK finds it.
    pub(crate) async fn open(request: &Value) -> Result<(Self, Value), Failure> {
        let stream = match request["router"].as_str() {
            Some(address) => IpMixStream::new_with_ipr(address.parse()?).await?,
            None => IpMixStream::new().await?,
        };
        let ips = stream.allocated_ips();
        let answer = json!({
            "address": stream.nym_address().to_string(),
            "ipv4": ips.ipv4.to_string(),
            "ipv6": ips.ipv6.to_string(),
            "mtu": stream.negotiated_mtu(),
        });
        Ok((Self::Packets(Box::new(stream)), answer))
    }

    pub(crate) async fn answer(&mut self, request: &Value) -> Result<Value, Failure> {
        let asked = async {
            match text(request, "do")? {
                "ping" => self.ping(request).await,
                "datagram" => self.datagram(request).await,
                _ => self.exchange(request).await,
            }
        };
        timeout(PATIENCE, asked).await?
    }

    pub(crate) async fn close(self) {
        match self {
            Self::None => {}
            Self::Packets(stream) => stream.disconnect().await,
            Self::Sockets(tunnel) => tunnel.shutdown().await,
        }
    }

    /// The answer, as a packet.
    async fn ping(&mut self, request: &Value) -> Result<Value, Failure> {
        let Self::Packets(stream) = self else {
            return Err("no packets here".into());
        };
        let ips = *stream.allocated_ips();
        let to: IpAddr = text(request, "to")?.parse()?;
        let packet = match to {
            IpAddr::V4(to) => build_icmp_ping(ips.ipv4, to, 0),
            IpAddr::V6(to) => build_icmpv6_ping(ips.ipv6, to, 0),
        };
        let packet = packet.ok_or("no packet")?;
        stream
            .send_ip_packet(&MultiIpPacketCodec::bundle_one_packet(packet.into()))
            .await?;
        loop {
            for packet in stream.handle_incoming().await? {
                let fits = match to {
                    IpAddr::V4(_) => is_echo_reply_v4(&packet, ips.ipv4),
                    IpAddr::V6(_) => is_echo_reply_v6(&packet, ips.ipv6),
                };
                if fits {
                    return Ok(json!({ "packet": hex::encode(&packet) }));
                }
            }
        }
    }

    /// The first datagram that comes back.
    async fn datagram(&mut self, request: &Value) -> Result<Value, Failure> {
        let to: SocketAddr = text(request, "to")?.parse()?;
        let socket = self.sockets().await?.udp_socket().await?;
        socket.send_to(&bytes(request)?, to).await?;
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        let (length, from) = socket.recv_from(&mut buffer).await?;
        Ok(json!({ "data": hex::encode(&buffer[..length]), "from": from.to_string() }))
    }

    /// Over TCP: writes, and reads until the other side has nothing more to say.
    async fn exchange(&mut self, request: &Value) -> Result<Value, Failure> {
        let to: SocketAddr = text(request, "to")?.parse()?;
        let mut stream = self.sockets().await?.tcp_connect(to).await?;
        stream.write_all(&bytes(request)?).await?;
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await?;
        Ok(json!({ "data": hex::encode(data) }))
    }

    /// From the first of them on it has no packets of its own any more.
    async fn sockets(&mut self) -> Result<&Tunnel, Failure> {
        *self = match std::mem::take(self) {
            Self::Packets(stream) => Self::Sockets(Tunnel::from_stream(*stream).await?),
            other => other,
        };
        match self {
            Self::Sockets(tunnel) => Ok(tunnel),
            _ => Err("no tunnel is open".into()),
        }
    }
}
