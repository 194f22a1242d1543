//! Tickets: a book bought of issuers, imported, and spent by whichever prover. What the SDK would ask of a chain comes in the request.

use async_trait::async_trait;
use newer_ecash::constants::NB_TICKETS;
use nym_bandwidth_controller::error::BandwidthControllerError;
use nym_bandwidth_controller::{
    BandwidthTicketProvider, PreparedCredential, PreparedCredentialMetadata,
};
use nym_credentials::ecash::bandwidth::serialiser::{VersionSerialised, VersionedSerialise};
use nym_credentials::{
    obtain_aggregate_wallet, AggregatedCoinIndicesSignatures, AggregatedExpirationDateSignatures,
    EpochVerificationKey, ImportableTicketBook, IssuanceTicketBook, IssuedTicketBook,
};
use nym_credentials_interface::{CredentialSpendingData, PayInfo, TicketType, VerificationKeyAuth};
use nym_crypto::asymmetric::ed25519;
use nym_ecash_time::{ecash_today, EcashTime, OffsetDateTime};
use nym_sdk::mixnet::{
    CredentialStorage, DisconnectedMixnetClient, MixnetClientStorage, StoragePaths,
};
use nym_validator_client::client::NymApiClientExt;
use nym_validator_client::EcashApiClient;
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};

use crate::{text, Failure};

/// Any: it is only shown.
const SOMEBODY: &str = "n1jw6mp7d5xqc7w6xm79lha27glmd0vdt3l9artf";

/// The crates' own way to a book: t blind signatures and the public lists, over HTTP. The deposit, the epoch and the list of
/// issuers are given. Answers with the book as it is stored and as it is exported.
pub async fn buy(request: &Value) -> Result<Value, Failure> {
    let number = |key: &str| request[key].as_u64().ok_or(format!("{key} is missing"));
    let epoch_id = number("epochId")?;
    let ticket_type = TicketType::try_from_encoded(number("ticketType")? as u8)
        .map_err(|error| error.to_string())?;
    let pending = IssuanceTicketBook::new(
        number("depositId")? as u32,
        hex::decode(text(request, "userSeed")?)?,
        ed25519::PrivateKey::from_bytes(&hex::decode(text(request, "depositSeed")?)?)?,
        ticket_type,
    );
    let issuers = request["issuers"].as_array().ok_or("issuers is missing")?;
    let issuers = issuers
        .iter()
        .map(issuer)
        .collect::<Result<Vec<_>, Failure>>()?;
    let wallet = obtain_aggregate_wallet(&pending, &issuers, number("threshold")?).await?;
    let api = &issuers.first().ok_or("no issuers")?.api_client;
    let key = api.master_verification_key(Some(epoch_id)).await?.key;
    let expiration_date = pending.expiration_date();
    let dates = api
        .global_expiration_date_signatures(Some(expiration_date), Some(epoch_id))
        .await?;
    let coins = api.global_coin_indices_signatures(Some(epoch_id)).await?;
    let book = pending.into_issued_ticketbook(wallet, epoch_id);
    let stored = hex::encode(book.pack().data);
    let bundle = book
        .begin_export()
        .with_master_verification_key(&EpochVerificationKey { epoch_id, key })
        .with_expiration_date_signatures(&AggregatedExpirationDateSignatures {
            epoch_id,
            expiration_date,
            signatures: dates.signatures,
        })
        .with_coin_index_signatures(&AggregatedCoinIndicesSignatures {
            epoch_id,
            signatures: coins.signatures,
        })
        .finalize_export();
    Ok(json!({ "bundle": hex::encode(bundle.data), "book": stored }))
}

fn issuer(given: &Value) -> Result<EcashApiClient, Failure> {
    Ok(EcashApiClient {
        api_client: nym_http_api_client::Client::new_url(text(given, "url")?, None)?,
        verification_key: VerificationKeyAuth::from_bytes(&hex::decode(text(given, "key")?)?)?,
        node_id: given["index"].as_u64().ok_or("index is missing")?,
        cosmos_address: SOMEBODY.parse()?,
    })
}

/// Into the client's store, by the SDK's importer.
pub async fn import<S>(client: &DisconnectedMixnetClient<S>, bundle: &[u8]) -> Result<(), Failure>
where
    S: MixnetClientStorage + Clone + 'static,
{
    let parts = <ImportableTicketBook as VersionedSerialise>::try_unpack(bundle, None)?
        .try_unpack_full()?;
    let importer = client.begin_bandwidth_import();
    if let Some(key) = &parts.master_verification_key {
        importer.import_master_verification_key(key).await?;
    }
    if let Some(coins) = &parts.coin_index_signatures {
        importer.import_coin_index_signatures(coins).await?;
    }
    if let Some(dates) = &parts.expiration_date_signatures {
        importer.import_expiration_date_signatures(dates).await?;
    }
    importer.import_ticketbook(&parts.ticketbook).await?;
    Ok(())
}

/// A bundle read and written again, by its parts, each unpacked; or the book of it alone.
pub fn repack(request: &Value) -> Result<Value, Failure> {
    let given = hex::decode(text(request, "bundle")?)?;
    let parts = <ImportableTicketBook as VersionedSerialise>::try_unpack(&given, None)?
        .try_unpack_full()?;
    let bare = parts.ticketbook.begin_export();
    if request["bare"] == json!(true) {
        return Ok(json!({ "bundle": hex::encode(bare.finalize_export().data) }));
    }
    let again: VersionSerialised<ImportableTicketBook> = bare
        .with_maybe_expiration_date_signatures(&parts.expiration_date_signatures)
        .with_maybe_coin_index_signatures(&parts.coin_index_signatures)
        .with_maybe_master_verification_key(&parts.master_verification_key)
        .finalize_export();
    Ok(json!({ "bundle": hex::encode(again.data) }))
}

/// What the verifiers of both versions say of a ticket.
pub fn verify(request: &Value) -> Result<Value, Failure> {
    let ticket = CredentialSpendingData::try_from_bytes(&hex::decode(text(request, "ticket")?)?)?;
    let key = hex::decode(text(request, "key")?)?;
    let payment: newer_ecash::scheme::Payment = same(&ticket.payment)?;
    let newer = payment.spend_verify(
        &newer_ecash::VerificationKeyAuth::from_bytes(&key)?,
        &same(&ticket.pay_info)?,
        ticket.spend_date.ecash_unix_timestamp(),
    );
    let own = ticket.verify(&VerificationKeyAuth::from_bytes(&key)?);
    Ok(json!({ "verdicts": [own.is_ok(), newer.is_ok()] }))
}

/// What the store says of each book.
pub async fn tickets(paths: &StoragePaths) -> Result<Value, Failure> {
    let storage = paths.persistent_credential_storage().await?;
    let books = storage.get_ticketbooks_info().await?;
    storage.close().await;
    let books: Vec<Value> = books
        .iter()
        .map(|book| json!({ "type": book.ticketbook_type, "used": book.used_tickets, "total": book.total_tickets }))
        .collect();
    Ok(json!({ "books": books }))
}

/// Through the SDK's own entrance for others' tickets.
pub async fn provider(
    version: &str,
    paths: &StoragePaths,
) -> Result<Box<dyn BandwidthTicketProvider>, Failure> {
    if version != "2.0.0" {
        return Err(format!("no prover of {version} here").into());
    }
    Ok(Box::new(NewerProver(
        paths.persistent_credential_storage().await?,
    )))
}

/// Books of the SDK's store, spent with the prover of nym-compact-ecash 2.0.0.
struct NewerProver<St>(St);

impl<St: CredentialStorage> NewerProver<St> {
    async fn spend(
        &self,
        mut book: IssuedTicketBook,
        pay_info: PayInfo,
    ) -> Result<CredentialSpendingData, Failure> {
        let epoch_id = book.epoch_id();
        let key = self.0.get_master_verification_key(epoch_id).await?;
        let coins = self.0.get_coin_index_signatures(epoch_id).await?;
        let dates = self
            .0
            .get_expiration_date_signatures(book.expiration_date(), epoch_id)
            .await?;
        let spend_date = ecash_today();
        let stored = serde_json::to_value(&book)?;
        let wallet = newer_ecash::scheme::WalletSignatures::from_bytes(&book.wallet().to_bytes())?;
        let secret: newer_ecash::SecretKeyUser = same(&stored["ecash_secret_key"])?;
        let coins: Vec<newer_ecash::scheme::coin_indices_signatures::AnnotatedCoinIndexSignature> =
            same(&coins.ok_or("no coin signatures")?)?;
        let dates: Vec<
            newer_ecash::scheme::expiration_date_signatures::AnnotatedExpirationDateSignature,
        > = same(&dates.ok_or("no date signatures")?)?;
        let payment = wallet.spend(
            &newer_ecash::setup::Parameters::new(NB_TICKETS),
            &newer_ecash::VerificationKeyAuth::from_bytes(&key.ok_or("no key")?.to_bytes())?,
            &secret,
            &same(&pay_info)?,
            book.spent_tickets(),
            1,
            &dates,
            &coins,
            spend_date.ecash_unix_timestamp(),
        )?;
        book.update_spent_tickets(book.spent_tickets() + 1);
        Ok(CredentialSpendingData {
            payment: payment.to_bytes().as_slice().try_into()?,
            pay_info,
            spend_date: spend_date.ecash_date(),
            epoch_id,
        })
    }
}

#[async_trait]
impl<St: CredentialStorage> BandwidthTicketProvider for NewerProver<St> {
    async fn get_ecash_ticket(
        &self,
        ticket_type: TicketType,
        gateway_id: ed25519::PublicKey,
        tickets_to_spend: u32,
        spend_time: OffsetDateTime,
    ) -> Result<Option<PreparedCredential>, BandwidthControllerError> {
        let failed = BandwidthControllerError::credential_storage_error;
        let next = self
            .0
            .get_next_unspent_usable_ticketbook(ticket_type.to_string(), tickets_to_spend)
            .await
            .map_err(failed)?;
        let Some(next) = next else { return Ok(None) };
        let metadata = PreparedCredentialMetadata {
            ticketbook_id: next.ticketbook_id,
            tickets_withdrawn: tickets_to_spend,
            used_tickets: next.ticketbook.spent_tickets() as u32 + tickets_to_spend,
        };
        let epoch_id = next.ticketbook.epoch_id();
        let pay_info = next
            .ticketbook
            .generate_pay_info(gateway_id.to_bytes(), spend_time);
        let data = self
            .spend(next.ticketbook, pay_info.into())
            .await
            .map_err(BandwidthControllerError::CredentialStorageError)?;
        Ok(Some(PreparedCredential {
            data,
            epoch_id,
            metadata,
        }))
    }

    async fn get_upgrade_mode_token(&self) -> Result<Option<String>, BandwidthControllerError> {
        Ok(None)
    }

    async fn attempt_revert_spending(
        &self,
        metadata: PreparedCredentialMetadata,
    ) -> Result<bool, BandwidthControllerError> {
        let PreparedCredentialMetadata {
            ticketbook_id,
            tickets_withdrawn,
            used_tickets,
        } = metadata;
        self.0
            .attempt_revert_ticketbook_withdrawal(ticketbook_id, tickets_withdrawn, used_tickets)
            .await
            .map_err(BandwidthControllerError::credential_storage_error)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// A value of one version of a crate, of another.
fn same<T: DeserializeOwned>(value: &impl Serialize) -> Result<T, Failure> {
    Ok(serde_json::from_value(serde_json::to_value(value)?)?)
}
