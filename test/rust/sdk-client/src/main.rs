//! The official Rust SDK, unmodified, as a program that tests can talk to: one client per process, requests and answers as lines
//! of JSON. `sdk-client <directory URL>`; ../sdkClient.ts is the other end. Bytes are hexadecimal.

mod credentials;
mod tunnel;

use std::collections::HashMap;
use std::future::pending;

use nym_sdk::mixnet::{
    AnonymousSenderTag, DisconnectedMixnetClient, IncludedSurbs, MixnetClient, MixnetClientBuilder,
    MixnetClientStorage, MixnetListener, MixnetMessageSender, MixnetStream, Recipient, Socks5,
    Socks5MixnetClient, StoragePaths,
};
use nym_sdk::{NymNetworkDetails, ValidatorDetails};
use serde_json::{json, Value};
use tokio::io::{split, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, WriteHalf};
use tokio::task::JoinHandle;

use tunnel::Way;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Nobody listens there: a Starling network has no chain, and the SDK takes no endpoint without the URL of one.
const NO_CHAIN: &str = "http://127.0.0.1:1";

struct OpenStream {
    writer: WriteHalf<MixnetStream>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Session {
    api: String,
    client: Option<MixnetClient>,
    proxy: Option<Socks5MixnetClient>,
    listener: Option<MixnetListener>,
    way: Way,
    /// Once it has a stream, the SDK's client takes no messages any more.
    streaming: bool,
    streams: HashMap<u64, OpenStream>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let api = std::env::args()
        .nth(1)
        .ok_or("usage: sdk-client <directory URL>")?;
    let mut session = Session {
        api,
        ..Default::default()
    };
    let mut requests = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = requests.next_line() => {
                let Some(line) = line? else { break };
                let request: Value = serde_json::from_str(&line)?;
                let answer = match session.answer(&request).await {
                    Ok(answer) => answer,
                    Err(error) => json!({ "error": error.to_string() }),
                };
                say(&json!({ "id": request["id"], "answer": answer }));
            }
            received = messages(&mut session.client, session.streaming) => match received {
                Some(received) => for message in received {
                    let tag = message.sender_tag.map(|tag| tag.to_base58_string());
                    say(&json!({ "event": "message", "data": hex::encode(&message.message), "tag": tag }));
                },
                None => {
                    session.client = None;
                    say(&json!({ "event": "ended" }));
                }
            },
            stream = accepted(&mut session.listener) => match stream {
                Some(stream) => {
                    let number = session.hold(stream);
                    say(&json!({ "event": "stream", "stream": number }));
                }
                None => session.listener = None,
            },
        }
    }
    session.close().await;
    Ok(())
}

async fn messages(
    client: &mut Option<MixnetClient>,
    streaming: bool,
) -> Option<Vec<nym_sdk::mixnet::ReconstructedMessage>> {
    match client {
        Some(client) if !streaming => client.wait_for_messages().await,
        _ => pending().await,
    }
}

async fn accepted(listener: &mut Option<MixnetListener>) -> Option<MixnetStream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

impl Session {
    async fn answer(&mut self, request: &Value) -> Result<Value, Failure> {
        match text(request, "do")? {
            "connect" => self.connect(request).await,
            "buy" => credentials::buy(request).await,
            "repack" => credentials::repack(request),
            "verify" => credentials::verify(request),
            "tickets" => {
                credentials::tickets(&StoragePaths::new_from_dir(text(request, "folder")?)?).await
            }
            "tunnel" => {
                let (way, answer) = Way::open(request).await?;
                self.way = way;
                Ok(answer)
            }
            "ping" | "datagram" | "exchange" => self.way.answer(request).await,
            "send" => {
                let surbs = match request["surbs"].as_u64() {
                    Some(amount) => IncludedSurbs::new(amount as u32),
                    None if request["exposed"] == json!(true) => {
                        IncludedSurbs::expose_self_address()
                    }
                    None => IncludedSurbs::default(),
                };
                self.client()?
                    .send_message(recipient(request)?, bytes(request)?, surbs)
                    .await?;
                Ok(json!({}))
            }
            "reply" => {
                let tag = AnonymousSenderTag::try_from_base58_string(text(request, "tag")?)?;
                self.client()?.send_reply(tag, bytes(request)?).await?;
                Ok(json!({}))
            }
            "listen" => {
                self.streaming = true;
                self.listener = Some(self.client()?.listener()?);
                Ok(json!({}))
            }
            "open" => {
                self.streaming = true;
                let to = recipient(request)?;
                let stream = self.client()?.open_stream(to, None).await?;
                Ok(json!({ "stream": self.hold(stream) }))
            }
            "write" => {
                let data = bytes(request)?;
                let stream = self.stream(request)?;
                stream.writer.write_all(&data).await?;
                stream.writer.flush().await?;
                Ok(json!({}))
            }
            other => Err(format!("no such request: {other}").into()),
        }
    }

    async fn connect(&mut self, request: &Value) -> Result<Value, Failure> {
        match request["folder"].as_str() {
            Some(folder) => {
                let paths = StoragePaths::new_from_dir(folder)?;
                self.start(
                    MixnetClientBuilder::new_with_default_storage(paths).await?,
                    request,
                )
                .await
            }
            None => {
                self.start(MixnetClientBuilder::new_ephemeral(), request)
                    .await
            }
        }
    }

    async fn start<S>(
        &mut self,
        builder: MixnetClientBuilder<S>,
        request: &Value,
    ) -> Result<Value, Failure>
    where
        S: MixnetClientStorage + Clone + 'static,
    {
        let endpoint = ValidatorDetails::new(NO_CHAIN, Some(self.api.as_str()), None);
        let pays = request["credentials"] == json!(true);
        let mut builder = builder
            .network_details(NymNetworkDetails::new_empty().with_validator_endpoint(endpoint))
            .credentials_mode(pays);
        if let Some(version) = request["prover"].as_str() {
            let paths = StoragePaths::new_from_dir(text(request, "folder")?)?;
            builder = builder
                .with_custom_bandwidth_provider(credentials::provider(version, &paths).await?);
        }
        if let Some(gateway) = request["gateway"].as_str() {
            builder = builder.request_gateway(gateway.to_owned());
        }
        let Some(provider) = request["provider"].as_str() else {
            let disconnected = builder.build()?;
            if let Some(bundle) = request["bundle"].as_str() {
                credentials::import(&disconnected, &hex::decode(bundle)?).await?;
            }
            let client = disconnected.connect_to_mixnet().await?;
            let address = client.nym_address().to_string();
            self.client = Some(client);
            return Ok(json!({ "address": address }));
        };
        let mut socks5 = Socks5::new(provider);
        socks5.bind_address = text(request, "listen")?.parse()?;
        socks5.send_anonymously = request["anonymous"] == json!(true);
        let disconnected: DisconnectedMixnetClient<S> = builder.socks5_config(socks5).build()?;
        let proxy = disconnected.connect_to_mixnet_via_socks5().await?;
        let answer =
            json!({ "address": proxy.nym_address().to_string(), "url": proxy.socks5_url() });
        self.proxy = Some(proxy);
        Ok(answer)
    }

    fn client(&mut self) -> Result<&mut MixnetClient, Failure> {
        self.client.as_mut().ok_or_else(|| "not connected".into())
    }

    fn stream(&mut self, request: &Value) -> Result<&mut OpenStream, Failure> {
        let number = request["stream"]
            .as_str()
            .and_then(|number| number.parse().ok());
        number
            .and_then(|number| self.streams.get_mut(&number))
            .ok_or_else(|| "no such stream".into())
    }

    /// Reads it to its end, and returns its number: as text, which JavaScript's numbers are too short for.
    fn hold(&mut self, stream: MixnetStream) -> String {
        let number = stream.id().as_u64();
        let (mut reading, writer) = split(stream);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = reading.read(&mut buffer).await {
                let data = hex::encode(&buffer[..length]);
                say(&json!({ "event": "bytes", "stream": number.to_string(), "data": data }));
            }
        });
        self.streams.insert(number, OpenStream { writer, reader });
        number.to_string()
    }

    async fn close(&mut self) {
        self.listener = None;
        std::mem::take(&mut self.way).close().await;
        for (_, stream) in self.streams.drain() {
            stream.reader.abort();
        }
        if let Some(client) = self.client.take() {
            client.disconnect().await;
        }
        if let Some(proxy) = self.proxy.take() {
            proxy.disconnect().await;
        }
    }
}

fn say(what: &Value) {
    println!("{what}");
}

pub(crate) fn text<'a>(request: &'a Value, key: &str) -> Result<&'a str, Failure> {
    request[key]
        .as_str()
        .ok_or_else(|| format!("{key} is missing").into())
}

pub(crate) fn bytes(request: &Value) -> Result<Vec<u8>, Failure> {
    Ok(hex::decode(text(request, "data")?)?)
}

fn recipient(request: &Value) -> Result<Recipient, Failure> {
    Ok(Recipient::try_from_base58_string(text(request, "to")?)?)
}
