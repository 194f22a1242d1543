//! Prints `vectors/ecash-messages.json`: what the official crates make of values that `vectors/ecash.json` has already, in every
//! message around a ticketbook. Nothing is drawn at random: `ecash-messages <vectors/ecash.json>` says the same every time.

use bincode::Options;
use nym_api_requests::ecash::models::*;
use nym_api_requests::signable::{SignableMessageBody, SignedMessage};
use nym_compact_ecash::scheme::coin_indices_signatures::AnnotatedCoinIndexSignature;
use nym_compact_ecash::scheme::expiration_date_signatures::AnnotatedExpirationDateSignature;
use nym_credentials::ecash::bandwidth::serialiser::{VersionSerialised, VersionedSerialise};
use nym_credentials::{
    AggregatedCoinIndicesSignatures, AggregatedExpirationDateSignatures, EpochVerificationKey,
    ImportableTicketBook, IssuanceTicketBook, IssuedTicketBook,
};
use nym_credentials_interface::{
    BlindedSignature, Bytable, CredentialSpendingData, KeyPairUser, PublicKeyUser, RequestInfo,
    SecretKeyUser, TicketType, VerificationKeyAuth, WalletSignatures, WithdrawalRequest,
};
use nym_crypto::asymmetric::ed25519;
use nym_ecash_time::{Date, OffsetDateTime};
use nym_ticketbooks_merkle::{IssuedTicketbook, IssuedTicketbooksMerkleTree};
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Map, Value};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Done<T = ()> = Result<T, Failure>;

const PROVENANCE: &str = "Made by test/rust/sdk-client/src/bin/ecash-messages.rs with the Rust crates nym-api-requests, \
nym-credentials, nym-credentials-interface, nym-compact-ecash and nym-ticketbooks-merkle, all 1.21.6: \
cargo run --locked --bin ecash-messages -- ../../../vectors/ecash.json > ../../../vectors/ecash-messages.json";
const CONVENTIONS: &str = "An entry is one message. inputs: what it was made of, bytes in lower-case hex, dates YYYY-MM-DD. json: the \
text, byte for byte, as serde_json writes it. bytes: its own binary form, where it has one. bincode: what ?output=bincode answers. \
parses: other texts, and whether the official type takes them. Signatures of signed messages are over the exact text of the body. \
Seeds are those of ed25519.";
/// The deposit's key, an issuer's, and a rewarder's.
const DEPOSIT_SEED: [u8; 32] = [0x11; 32];
const ISSUER_SEED: [u8; 32] = [0x22; 32];
const REWARDER_SEED: [u8; 32] = [0x33; 32];
const DEPOSIT_ID: u32 = 1_234_567;
/// Of the tests of nym-api-requests.
const GATEWAY: &str = "n1jw6mp7d5xqc7w6xm79lha27glmd0vdt3l9artf";

struct Vectors(Vec<Value>);

impl Vectors {
    fn add(&mut self, name: &str, r#type: &str, inputs: Value, forms: Value) {
        let mut entry = Map::new();
        entry.insert("name".into(), json!(name));
        entry.insert("type".into(), json!(r#type));
        entry.insert("inputs".into(), inputs);
        if let Value::Object(forms) = forms {
            entry.extend(forms);
        }
        self.0.push(Value::Object(entry));
    }

    /// A message that travels as JSON, or as the bincode of the HTTP interface.
    fn message<T: Serialize>(&mut self, name: &str, inputs: Value, message: &T) -> Done {
        let forms =
            json!({ "json": serde_json::to_string(message)?, "bincode": bincode_of(message)? });
        self.add(name, short::<T>(), inputs, forms);
        Ok(())
    }

    fn parsed<T: DeserializeOwned>(&mut self, name: &str, texts: &[(&str, String)]) {
        let parses: Vec<Value> = texts
            .iter()
            .map(|(what, text)| match serde_json::from_str::<T>(text) {
                Ok(_) => json!({ "what": what, "json": text, "accepted": true }),
                Err(error) => json!({ "what": what, "json": text, "accepted": false, "error": error.to_string() }),
            })
            .collect();
        self.add(name, short::<T>(), json!({}), json!({ "parses": parses }));
    }

    fn signed<T>(
        &mut self,
        name: &str,
        inputs: Value,
        seed: [u8; 32],
        body: T,
    ) -> Done<SignedMessage<T>>
    where
        T: SignableMessageBody + Clone,
    {
        let key = ed25519::PrivateKey::from_bytes(&seed)?;
        let signed = body.sign(&key);
        assert!(signed.verify_signature(&key.public_key()));
        let mut inputs = inputs;
        inputs["seed"] = json!(hex::encode(seed));
        inputs["signedText"] = json!(String::from_utf8(signed.body.plaintext())?);
        self.message(name, inputs, &signed)?;
        Ok(signed)
    }
}

fn main() -> Done {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: ecash-messages <vectors/ecash.json>")?;
    let known: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut vectors = Vectors(Vec::new());
    issuing(&known, &mut vectors)?;
    public_signatures(&known, &mut vectors)?;
    verification(&known, &mut vectors)?;
    audit(&known, &mut vectors)?;
    stored(&known, &mut vectors)?;
    println!("{{");
    println!("\"provenance\": {},", json!(PROVENANCE));
    println!("\"conventions\": {},", json!(CONVENTIONS));
    println!("\"messages\": [");
    let lines: Vec<String> = vectors.0.iter().map(|entry| format!(" {entry}")).collect();
    println!("{}\n]\n}}", lines.join(",\n"));
    Ok(())
}

/// 2.3: the request for a book, and its answer.
fn issuing(known: &Value, vectors: &mut Vectors) -> Done {
    let request = WithdrawalRequest::from_bytes(&bytes(&known["withdrawal"]["request"])?)?;
    let deposit_key = ed25519::PrivateKey::from_bytes(&DEPOSIT_SEED)?;
    let plaintext = IssuanceTicketBook::request_plaintext(&request, DEPOSIT_ID);
    let body = BlindSignRequestBody::new(
        request,
        DEPOSIT_ID,
        deposit_key.sign(&plaintext),
        PublicKeyUser::try_from_byte_slice(&bytes(&known["user"]["public_key"])?)?,
        expiration(known)?,
        TicketType::V1MixnetEntry,
    );
    vectors.message(
        "blind-sign request",
        json!({
            "request": known["withdrawal"]["request"],
            "publicKey": known["user"]["public_key"],
            "depositId": DEPOSIT_ID,
            "depositSeed": hex::encode(DEPOSIT_SEED),
            "depositKey": deposit_key.public_key().to_base58_string(),
            "signed": hex::encode(&plaintext),
            "expirationDate": expiration(known)?.to_string(),
            "ticketType": 0,
        }),
        &body,
    )?;
    let mut padded: Value = serde_json::to_value(&body)?;
    padded["later_field"] = json!(1);
    let mut long = padded.clone();
    long["signature"] = json!(deposit_key.sign(&plaintext).to_base58_string());
    let mut rfc3339 = padded.clone();
    rfc3339["expiration_date"] = json!("2026-06-04T00:00:00Z");
    let mut unknown = padded.clone();
    unknown["ticketbook_type"] = json!("v2-mixnet-entry");
    let mut upper = padded.clone();
    upper["ecash_pubkey"]["pk"] = json!(known["user"]["public_key"]
        .as_str()
        .unwrap_or_default()
        .to_uppercase());
    vectors.parsed::<BlindSignRequestBody>(
        "blind-sign request, other texts",
        &[
            ("a field more", padded.to_string()),
            ("signature in base58", long.to_string()),
            ("a date with its time", rfc3339.to_string()),
            ("unknown ticket type", unknown.to_string()),
            ("upper-case hexadecimal", upper.to_string()),
        ],
    );
    for issuance in known["issuance"].as_array().into_iter().flatten().take(1) {
        let signature = bytes(&issuance["blinded_signature"])?;
        vectors.message(
            "blind-sign answer",
            json!({ "blindedSignature": issuance["blinded_signature"] }),
            &BlindedSignatureResponse::new(BlindedSignature::from_bytes(&signature)?),
        )?;
    }
    for typ in TicketType::exposed_iter() {
        vectors.message(
            &format!("ticket type {}", typ.encode()),
            json!({ "code": typ.encode() }),
            &typ,
        )?;
    }
    Ok(())
}

/// 2.3: what issuers publish, each its part and all of it.
fn public_signatures(known: &Value, vectors: &mut Vectors) -> Done {
    let epoch_id = epoch(known);
    let expiration_date = expiration(known)?;
    for (name, share) in [("partial, of authority 1", Some(0)), ("aggregated", None)] {
        let dates = dates(known, share)?;
        let coins = coins(known, share)?;
        let about_dates = json!({
            "epochId": epoch_id, "expirationDate": expiration_date.to_string(), "signatures": pairs(&dates)?,
        });
        let about_coins = json!({ "epochId": epoch_id, "signatures": pairs(&coins)? });
        if share.is_some() {
            let answer = PartialExpirationDateSignatureResponse {
                epoch_id,
                expiration_date,
                signatures: dates,
            };
            vectors.message(&format!("date signatures, {name}"), about_dates, &answer)?;
            let answer = PartialCoinIndicesSignatureResponse {
                epoch_id,
                signatures: coins,
            };
            vectors.message(&format!("coin signatures, {name}"), about_coins, &answer)?;
        } else {
            let answer = AggregatedExpirationDateSignatureResponse {
                epoch_id,
                expiration_date,
                signatures: dates,
            };
            vectors.message(&format!("date signatures, {name}"), about_dates, &answer)?;
            let answer = AggregatedCoinIndicesSignatureResponse {
                epoch_id,
                signatures: coins,
            };
            vectors.message(&format!("coin signatures, {name}"), about_coins, &answer)?;
        }
    }
    vectors.message(
        "master verification key",
        json!({ "key": known["master_verification_key"]["bytes"] }),
        &MasterVerificationKeyResponse::new(master(known)?),
    )?;
    for (name, nanos) in [("whole seconds", 0), ("nanoseconds", 123_456_789)] {
        let seconds = 1_780_272_000i64;
        let body = EcashSignerStatusResponseBody {
            current_time: OffsetDateTime::from_unix_timestamp_nanos(
                i128::from(seconds) * 1_000_000_000 + nanos,
            )?,
            dkg_ecash_epoch_id: epoch_id,
            signer_disabled: false,
            is_ecash_signer: true,
            has_signing_keys: true,
        };
        let inputs = json!({ "unixSeconds": seconds, "nanos": nanos as i64, "epochId": epoch_id });
        vectors.signed(&format!("signer status, {name}"), inputs, ISSUER_SEED, body)?;
    }
    Ok(())
}

/// 2.8 and 2.9: what gateways ask issuers.
fn verification(known: &Value, vectors: &mut Vectors) -> Done {
    let payments = known["payments"].as_array().ok_or("payments")?;
    let single = |strict: bool| {
        payments
            .iter()
            .find(|one| one["spend_value"] == json!(1) && one["strict_verify"] == json!(strict))
            .ok_or("a payment of one ticket")
    };
    let mut serials = Vec::new();
    for (name, payment) in [
        ("without the index binding", single(false)?),
        ("with the index binding", single(true)?),
    ] {
        let data = bytes(&payment["credential_spending_data"])?;
        let credential = CredentialSpendingData::try_from_bytes(&data)?;
        serials.push(credential.encoded_serial_number());
        vectors.add(
            &format!("ticket, {name}"),
            "CredentialSpendingData",
            json!({
                "payment": payment["payment"], "payInfo": payment["pay_info"],
                "spendDate": credential.spend_date.to_string(), "epochId": credential.epoch_id,
            }),
            json!({
                "json": serde_json::to_string(&credential)?,
                "bytes": hex::encode(credential.to_bytes()),
                "bincode": bincode_of(&credential)?,
            }),
        );
        let body = VerifyEcashTicketBody {
            credential,
            gateway_cosmos_addr: GATEWAY.parse()?,
        };
        vectors.message(
            &format!("verify-ecash-ticket request, {name}"),
            json!({ "ticket": payment["credential_spending_data"], "gateway": GATEWAY }),
            &body,
        )?;
        let mut array = serde_json::to_value(&body)?;
        let mut string = array.clone();
        array["credential"]["spend_date"] = json!([2026, 152]);
        string["credential"]["spend_date"] = json!("2026-06-01");
        vectors.parsed::<VerifyEcashTicketBody>(
            &format!("verify-ecash-ticket request, {name}, other texts"),
            &[
                ("year and day of the year", array.to_string()),
                ("YYYY-MM-DD", string.to_string()),
            ],
        );
    }
    let day = |julian| Date::from_julian_day(julian);
    let rejections = [
        ("replayed", EcashTicketVerificationRejection::ReplayedTicket),
        (
            "double spend",
            EcashTicketVerificationRejection::DoubleSpend,
        ),
        ("invalid", EcashTicketVerificationRejection::InvalidTicket),
        (
            "several tickets",
            EcashTicketVerificationRejection::MultipleTickets,
        ),
        (
            "date",
            EcashTicketVerificationRejection::InvalidSpentDate {
                today: day(2_461_193)?,
                yesterday: day(2_461_192)?,
                received: day(2_461_190)?,
            },
        ),
    ];
    let accepted = EcashTicketVerificationResponse { verified: Ok(()) };
    vectors.message("verify-ecash-ticket answer, accepted", json!({}), &accepted)?;
    for (name, rejection) in rejections {
        let name = format!("verify-ecash-ticket answer, {name}");
        vectors.message(
            &name,
            json!({}),
            &EcashTicketVerificationResponse::reject(rejection),
        )?;
    }
    let digest = BatchRedeemTicketsBody::make_digest(serials.iter());
    let inputs = json!({
        "serialNumbers": serials.iter().map(hex::encode).collect::<Vec<_>>(),
        "digest": hex::encode(&digest), "proposalId": 69, "gateway": GATEWAY,
    });
    let body = BatchRedeemTicketsBody::new(digest, 69, serials, GATEWAY.parse()?);
    vectors.message("batch-redeem request", inputs, &body)?;
    for proposal_accepted in [true, false] {
        let answer = EcashBatchTicketRedemptionResponse { proposal_accepted };
        let name = format!("batch-redeem answer, {proposal_accepted}");
        vectors.message(&name, json!({}), &answer)?;
    }
    Ok(())
}

/// 2.11: commitments to what was issued.
fn audit(known: &Value, vectors: &mut Vectors) -> Done {
    let expiration_date = expiration(known)?;
    let request = WithdrawalRequest::from_bytes(&bytes(&known["withdrawal"]["request"])?)?;
    let commitments: Vec<u8> = request
        .get_private_attributes_commitments()
        .iter()
        .flat_map(|one| one.to_byte_vec())
        .collect();
    let mut tree = IssuedTicketbooksMerkleTree::new();
    let mut issued = Vec::new();
    for (i, one) in known["issuance"]
        .as_array()
        .ok_or("issuance")?
        .iter()
        .enumerate()
    {
        let book = IssuedTicketbook {
            deposit_id: DEPOSIT_ID + i as u32,
            epoch_id: epoch(known),
            blinded_partial_credential: bytes(&one["blinded_signature"])?,
            joined_encoded_private_attributes_commitments: commitments.clone(),
            expiration_date,
            ticketbook_type: TicketType::try_from_encoded(i as u8 % 4)
                .map_err(|error| error.to_string())?,
        };
        let inserted = tree.insert(&book);
        vectors.add(
            &format!("issued ticketbook {i}"),
            "IssuedTicketbook",
            json!({
                "depositId": book.deposit_id, "epochId": book.epoch_id,
                "blindedSignature": one["blinded_signature"], "commitments": hex::encode(&commitments),
                "expirationDate": expiration_date.to_string(), "ticketType": i % 4,
            }),
            json!({
                "json": serde_json::to_string(&book)?,
                "bytes": hex::encode(book.signable_plaintext()),
                "leaf": hex::encode(book.hash_to_merkle_leaf()),
                "rootSoFar": hex::encode(&inserted.new_root),
                "index": inserted.leaf.index,
            }),
        );
        issued.push(book);
    }
    let root = tree.root().ok_or("an empty tree")?;
    for indices in [vec![0], vec![4], vec![1, 3], vec![0, 1, 2, 3, 4]] {
        let proof = tree.generate_proof(&indices).ok_or("no proof")?;
        assert!(proof.verify(root));
        let inputs = json!({ "leaves": leaves(&issued), "included": indices });
        vectors.message(&format!("merkle proof of {indices:?} of 5"), inputs, &proof)?;
    }
    for (name, deposits, merkle_root) in [("none", 0, None), ("five", issued.len(), Some(root))] {
        let body = IssuedTicketbooksForResponseBody {
            expiration_date,
            deposits: issued[..deposits]
                .iter()
                .enumerate()
                .map(|(merkle_index, book)| CommitedDeposit {
                    deposit_id: book.deposit_id,
                    merkle_index,
                })
                .collect(),
            merkle_root,
        };
        let inputs = json!({ "expirationDate": expiration_date.to_string(), "root": merkle_root.map(hex::encode) });
        vectors.signed(
            &format!("issued-ticketbooks-for, {name}"),
            inputs,
            ISSUER_SEED,
            body,
        )?;
    }
    let deposits = vec![DEPOSIT_ID + 1, DEPOSIT_ID + 3];
    let about = json!({ "expirationDate": expiration_date.to_string(), "deposits": deposits });
    let challenge = vectors.signed(
        "challenge-commitment request",
        about.clone(),
        REWARDER_SEED,
        IssuedTicketbooksChallengeCommitmentRequestBody::new(expiration_date, deposits.clone()),
    )?;
    vectors.signed(
        "challenge-commitment answer",
        about.clone(),
        ISSUER_SEED,
        IssuedTicketbooksChallengeCommitmentResponseBody {
            expiration_date,
            original_request: challenge,
            max_data_response_size: 100,
            merkle_proof: tree.generate_proof(&[1, 3]).ok_or("no proof")?,
        },
    )?;
    let asked = vectors.signed(
        "issued-ticketbooks-data request",
        about.clone(),
        REWARDER_SEED,
        IssuedTicketbooksDataRequestBody::new(expiration_date, deposits.clone()),
    )?;
    vectors.signed(
        "issued-ticketbooks-data answer",
        about,
        ISSUER_SEED,
        IssuedTicketbooksDataResponseBody {
            expiration_date,
            partial_ticketbooks: issued
                .iter()
                .filter(|book| deposits.contains(&book.deposit_id))
                .map(|book| (book.deposit_id, book.clone()))
                .collect(),
            original_request: asked,
        },
    )?;
    let issuance_date = Date::from_julian_day(expiration_date.to_julian_day() - 6)?;
    let dates = json!({ "issuanceDate": issuance_date.to_string(), "expirationDate": expiration_date.to_string() });
    vectors.message(
        "issued-ticketbooks-count",
        dates.clone(),
        &IssuedTicketbooksCountResponse {
            issued: vec![IssuedTicketbooksCount {
                issuance_date,
                expiration_date,
                count: 5,
            }],
        },
    )?;
    vectors.message(
        "issued-ticketbooks-on-count",
        dates.clone(),
        &IssuedTicketbooksOnCountResponse {
            issuance_date,
            total: 5,
            issued: vec![IssuedTicketbooksOnCount {
                expiration_date,
                count: 5,
            }],
        },
    )?;
    vectors.message(
        "issued-ticketbooks-for-count",
        dates,
        &IssuedTicketbooksForCountResponse {
            expiration_date,
            total: 5,
            issued: vec![IssuedTicketbooksForCount {
                issuance_date,
                count: 5,
            }],
        },
    )?;
    Ok(())
}

/// 1.16: what clients keep and hand on.
fn stored(known: &Value, vectors: &mut Vectors) -> Done {
    let info = RequestInfo::from_bytes(&bytes(&known["withdrawal"]["request_info"])?)?;
    vectors.add(
        "request info",
        "RequestInfo",
        json!({}),
        json!({ "json": serde_json::to_string(&info)?, "bytes": hex::encode(info.to_bytes()) }),
    );
    let user = KeyPairUser::from_bytes(&bytes(&known["user"]["key_pair"])?)?;
    for (typ, deposit_id) in [
        (TicketType::V1MixnetEntry, 42),
        (TicketType::V1WireguardExit, DEPOSIT_ID),
    ] {
        let pending = IssuanceTicketBook::new_with_keypair(
            deposit_id,
            KeyPairUser::from(user.secret_key().clone()),
            ed25519::PrivateKey::from_bytes(&DEPOSIT_SEED)?,
            typ,
            expiration(known)?,
        );
        let inputs = json!({
            "depositId": deposit_id, "depositSeed": hex::encode(DEPOSIT_SEED), "userKey": known["user"]["key_pair"],
            "ticketType": typ.encode(), "expirationDate": expiration(known)?.to_string(),
        });
        packed(
            vectors,
            &format!("pending issuance of type {}", typ.encode()),
            "IssuanceTicketBook",
            inputs,
            &pending,
        )?;
    }
    let epoch_id = epoch(known);
    let dates = AggregatedExpirationDateSignatures {
        epoch_id,
        expiration_date: expiration(known)?,
        signatures: dates(known, None)?,
    };
    let coins = AggregatedCoinIndicesSignatures {
        epoch_id,
        signatures: coins(known, None)?,
    };
    let key = EpochVerificationKey {
        epoch_id,
        key: master(known)?,
    };
    let about_dates = json!({
        "epochId": epoch_id, "expirationDate": expiration(known)?.to_string(), "signatures": pairs(&dates.signatures)?,
    });
    let about_coins = json!({ "epochId": epoch_id, "signatures": pairs(&coins.signatures)? });
    let about_key =
        json!({ "epochId": epoch_id, "key": known["master_verification_key"]["bytes"] });
    packed(
        vectors,
        "stored date signatures",
        "AggregatedExpirationDateSignatures",
        about_dates,
        &dates,
    )?;
    packed(
        vectors,
        "stored coin signatures",
        "AggregatedCoinIndicesSignatures",
        about_coins,
        &coins,
    )?;
    packed(
        vectors,
        "stored master key",
        "EpochVerificationKey",
        about_key,
        &key,
    )?;
    for spent in [0, 7, 50] {
        let inputs = book_inputs(known, spent, epoch_id)?;
        let book = book(known, spent, epoch_id)?;
        packed(
            vectors,
            &format!("ticketbook, {spent} spent"),
            "IssuedTicketBook",
            inputs,
            &book,
        )?;
    }
    // Numbers beyond a byte, 1.4.
    let late = 70_000;
    packed(
        vectors,
        "ticketbook of a late epoch",
        "IssuedTicketBook",
        book_inputs(known, 3, late)?,
        &book(known, 3, late)?,
    )?;
    for (name, bundle) in [
        (
            "whole",
            ImportableTicketBook::from(book(known, 7, epoch_id)?)
                .with_expiration_date_signatures(&dates)
                .with_coin_index_signatures(&coins)
                .with_master_verification_key(&key),
        ),
        (
            "ticketbook alone",
            ImportableTicketBook::from(book(known, 7, epoch_id)?),
        ),
        (
            "with its key",
            ImportableTicketBook::from(book(known, 7, epoch_id)?)
                .with_master_verification_key(&key),
        ),
    ] {
        let exported: VersionSerialised<ImportableTicketBook> = bundle.finalize_export();
        let again = exported.try_unpack()?;
        again.try_unpack_full()?;
        let mut inputs = book_inputs(known, 7, epoch_id)?;
        inputs["parts"] = json!(name);
        vectors.add(
            &format!("import bundle, {name}"),
            "ImportableTicketBook",
            inputs,
            json!({
                "bytes": hex::encode(&exported.data),
                "revision": exported.revision,
                "wrapped": hex::encode(storable().serialize(&exported)?),
            }),
        );
    }
    Ok(())
}

/// `bytes`: what is stored; `wrapped`: the same in its `VersionSerialised`.
fn packed<T>(vectors: &mut Vectors, name: &str, r#type: &str, inputs: Value, what: &T) -> Done
where
    T: VersionedSerialise + Serialize + DeserializeOwned,
{
    let packed: VersionSerialised<T> = what.pack();
    packed.try_unpack()?;
    let forms = json!({
        "json": serde_json::to_string(what)?,
        "bytes": hex::encode(&packed.data),
        "revision": packed.revision,
        "wrapped": hex::encode(storable().serialize(&packed)?),
    });
    vectors.add(name, r#type, inputs, forms);
    Ok(())
}

fn book(known: &Value, spent: u64, epoch_id: u64) -> Done<IssuedTicketBook> {
    Ok(IssuedTicketBook::from_parts(
        WalletSignatures::from_bytes(&bytes(&known["wallet"]["wallet_signatures"])?)?,
        epoch_id,
        SecretKeyUser::from_bytes(&bytes(&known["user"]["secret_key"])?)?,
        TicketType::V1MixnetEntry,
        expiration(known)?,
        spent,
    ))
}

fn book_inputs(known: &Value, spent: u64, epoch_id: u64) -> Done<Value> {
    Ok(json!({
        "walletSignatures": known["wallet"]["wallet_signatures"], "secretKey": known["user"]["secret_key"],
        "spent": spent, "epochId": epoch_id, "ticketType": 0, "expirationDate": expiration(known)?.to_string(),
    }))
}

fn dates(known: &Value, share: Option<usize>) -> Done<Vec<AnnotatedExpirationDateSignature>> {
    entries(&known["expiration_date_signatures"], |one| {
        json!({
            "signature": signature(one, share),
            "expiration_timestamp": one["expiration_timestamp"],
            "spending_timestamp": one["spending_timestamp"],
        })
    })
}

fn coins(known: &Value, share: Option<usize>) -> Done<Vec<AnnotatedCoinIndexSignature>> {
    entries(
        &known["coin_index_signatures"],
        |one| json!({ "signature": signature(one, share), "index": one["index"] }),
    )
}

fn entries<T: DeserializeOwned>(list: &Value, of: impl Fn(&Value) -> Value) -> Done<Vec<T>> {
    let entries = list["entries"].as_array().ok_or("entries")?;
    entries
        .iter()
        .map(|one| Ok(serde_json::from_value(of(one))?))
        .collect()
}

fn signature(entry: &Value, share: Option<usize>) -> Value {
    let s = share.map_or(&entry["aggregated_s"], |i| &entry["partial_s"][i]);
    json!({ "h": entry["h"], "s": s })
}

/// h ‖ s of each, one behind the other.
fn pairs<T: Serialize>(signatures: &[T]) -> Done<String> {
    let list = serde_json::to_value(signatures)?;
    let part = |one: &Value, key: &str| {
        one["signature"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Ok(list
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| part(one, "h") + &part(one, "s"))
        .collect())
}

fn leaves(issued: &[IssuedTicketbook]) -> Vec<String> {
    issued
        .iter()
        .map(|book| hex::encode(book.hash_to_merkle_leaf()))
        .collect()
}

fn master(known: &Value) -> Done<VerificationKeyAuth> {
    Ok(VerificationKeyAuth::from_bytes(&bytes(
        &known["master_verification_key"]["bytes"],
    )?)?)
}

fn expiration(known: &Value) -> Done<Date> {
    let seconds = known["parameters"]["expiration"]
        .as_i64()
        .ok_or("expiration")?;
    Ok(OffsetDateTime::from_unix_timestamp(seconds)?.date())
}

fn epoch(known: &Value) -> u64 {
    known["parameters"]["epoch_id"].as_u64().unwrap_or_default()
}

fn bytes(text: &Value) -> Done<Vec<u8>> {
    Ok(hex::decode(text.as_str().ok_or("no text")?)?)
}

/// As the HTTP interface writes it.
fn bincode_of<T: Serialize>(message: &T) -> Done<String> {
    let options = bincode::DefaultOptions::new()
        .with_little_endian()
        .with_varint_encoding();
    Ok(hex::encode(options.serialize(message)?))
}

/// As stores and bundles write it.
fn storable() -> impl Options {
    bincode::DefaultOptions::new()
        .with_big_endian()
        .with_varint_encoding()
}

fn short<T>() -> &'static str {
    let whole = std::any::type_name::<T>();
    let (outer, inner) = whole.split_once('<').unwrap_or((whole, whole));
    let name = if outer.ends_with("SignedMessage") {
        inner
    } else {
        outer
    };
    name.trim_end_matches('>')
        .rsplit("::")
        .next()
        .unwrap_or(name)
}
