//! Times the official e-cash crate. Reads lines `TASK COUNT`, answers each with microseconds of CPU per call.
//! Three of five authorities; payments of one ticket, whose index the proof binds, as this version makes them.

use cpu_time::ProcessTime;
use nym_compact_ecash::scheme::coin_indices_signatures as coins;
use nym_compact_ecash::scheme::expiration_date_signatures as dates;
use nym_compact_ecash::scheme::Payment;
use nym_compact_ecash::*;
use std::hint::black_box;
use std::io::{stdin, stdout, BufRead, Write};

const EXPIRATION: EncodedDate = 1_780_531_200;
const DAY: EncodedDate = EXPIRATION - 2 * 86_400;
const TYPE: EncodedTicketType = 0;
const TICKET: u64 = 3;

fn time(count: u32, mut task: impl FnMut()) -> f64 {
    let start = ProcessTime::now();
    for _ in 0..count {
        task();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

fn main() {
    let authorities = ttp_keygen(3, 5).expect("keys");
    let keys: Vec<_> = authorities.iter().map(|one| one.verification_key()).collect();
    let master = aggregate_verification_keys(&keys, Some(&[1, 2, 3, 4, 5])).expect("a master key");
    let params = setup::Parameters::new(50);
    let user = generate_keypair_user();
    let (sk, pk) = (user.secret_key(), user.public_key());

    let (request, info) = withdrawal_request(sk, EXPIRATION, TYPE).expect("a request");
    let blinded: Vec<_> = authorities
        .iter()
        .map(|one| issue(one.secret_key(), pk.clone(), &request, EXPIRATION, TYPE).expect("a signature"))
        .collect();
    let shares: Vec<_> = (1..)
        .zip(keys.iter().zip(&blinded))
        .map(|(i, (key, signature))| issue_verify(key, sk, signature, &info, i).expect("a share"))
        .collect();
    let wallet = aggregate_wallets(&master, sk, &shares, &info).expect("a wallet").into_wallet_signatures();
    let date_shares: Vec<_> = (1..)
        .zip(&authorities)
        .map(|(index, one)| dates::ExpirationDateSignatureShare {
            index,
            key: one.verification_key(),
            signatures: dates::sign_expiration_date(one.secret_key(), EXPIRATION).expect("signatures"),
        })
        .collect();
    let date_signatures =
        dates::aggregate_annotated_expiration_signatures(&master, EXPIRATION, &date_shares).expect("signatures");
    let coin_shares: Vec<_> = (1..)
        .zip(&authorities)
        .map(|(index, one)| coins::CoinIndexSignatureShare {
            index,
            key: one.verification_key(),
            signatures: coins::sign_coin_indices(&params, &master, one.secret_key()).expect("signatures"),
        })
        .collect();
    let coin_signatures =
        coins::aggregate_annotated_indices_signatures(&params, &master, &coin_shares).expect("signatures");

    let pay = |info: &PayInfo| {
        wallet.spend(&params, &master, sk, info, TICKET, 1, &date_signatures, &coin_signatures, DAY).expect("a payment")
    };
    let first = PayInfo { pay_info_bytes: [6; 72] };
    let second = PayInfo { pay_info_bytes: [7; 72] };
    let (payment, again) = (pay(&first), pay(&second));
    let bytes = payment.to_bytes();
    assert_eq!(bytes.len(), 1190, "the index is bound");

    for line in stdin().lock().lines() {
        let line = line.expect("text");
        let (task, count) = line.split_once(' ').expect("a task and a count");
        let count: u32 = count.parse().expect("a count");
        let micros = match task {
            "withdrawal" => time(count, || {
                black_box(withdrawal_request(sk, EXPIRATION, TYPE).expect("a request"));
            }),
            "issue" => time(count, || {
                let secret = authorities[0].secret_key();
                black_box(issue(secret, pk.clone(), &request, EXPIRATION, TYPE).expect("a signature"));
            }),
            "unblind" => time(count, || {
                black_box(issue_verify(&keys[0], sk, &blinded[0], &info, 1).expect("a share"));
            }),
            "spend" => time(count, || {
                black_box(pay(&first).to_bytes());
            }),
            "verify" => time(count, || {
                let payment = Payment::try_from(black_box(bytes.as_slice())).expect("a payment");
                payment.spend_verify(&master, &first, DAY).expect("a good one");
            }),
            "identify" => time(count, || {
                let who = identify::identify(&payment, &again, first.clone(), second.clone());
                assert!(matches!(who, identify::IdentifyResult::DoubleSpendingPublicKeys(_)));
            }),
            _ => panic!("no such task"),
        };
        println!("{micros:.3}");
        stdout().flush().expect("a reader");
    }
}
