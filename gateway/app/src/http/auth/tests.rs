//! Stories of tokens.

use super::*;
use crate::http::problem::Problem;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::fs::PermissionsExt;

fn shown(tokens: &Tokens, text: &str) -> Result<Option<Principal>, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, text.parse().unwrap());
    tokens.principal(&headers)
}

fn tokens(rows: &[&TokenRow]) -> Tokens {
    let tokens = Tokens::default();
    tokens.replace(rows.iter().map(|row| (*row).clone()).collect());
    tokens
}

#[test]
fn a_token_is_recognised_until_it_is_rotated_or_revoked() {
    let now = Timestamp::from_millis(1);
    let (row, text) = mint("zhang", Role::Staff, now).unwrap();
    let tokens = tokens(&[&row]);
    let bearer = format!("Bearer {}", text.expose_secret());
    let who = shown(&tokens, &bearer).unwrap().unwrap();
    assert_eq!((who.name.as_ref(), who.role), ("zhang", Role::Staff));

    let (rotated, second) = rotate(&row, now).unwrap();
    tokens.put(&rotated);
    assert!(shown(&tokens, &bearer).is_err());
    let second = format!("Bearer {}", second.expose_secret());
    assert!(shown(&tokens, &second).unwrap().is_some());

    tokens.put(&TokenRow {
        revoked: Some(now),
        ..rotated
    });
    assert!(shown(&tokens, &second).is_err());
    assert!(!tokens.still_good(&who));
}

#[test]
fn tools_that_know_only_a_user_and_a_password_show_the_token_as_the_password() {
    let (row, text) = mint("promtool", Role::Staff, Timestamp::from_millis(1)).unwrap();
    let tokens = tokens(&[&row]);
    let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
    let good = text.expose_secret();
    let who = shown(&tokens, &basic(&format!("anyone:{good}")))
        .unwrap()
        .unwrap();
    assert_eq!(who.name.as_ref(), "promtool");
    for wrong in [
        basic(&format!("{good}:")),
        basic(good),
        basic("anyone:x"),
        "Basic ~".to_owned(),
    ] {
        assert!(shown(&tokens, &wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_not_a_token_is_refused_in_one_sentence() {
    let (row, text) = mint("zhang", Role::Staff, Timestamp::from_millis(1)).unwrap();
    let tokens = tokens(&[&row]);
    let good = text.expose_secret();
    let texts = [
        "Bearer",
        "Basic abc",
        "Bearer x",
        "Bearer linli_x_y",
        &format!("Bearer {good}x"),
    ];
    let details: std::collections::BTreeSet<String> = texts
        .iter()
        .map(|text| shown(&tokens, text).unwrap_err().detail)
        .collect();
    assert_eq!(details.len(), 1);
    assert_eq!(tokens.principal(&HeaderMap::new()), Ok(None));
}

#[test]
fn the_first_token_is_written_once_and_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let clock: SharedClock = Arc::new(crate::clock::SystemClock::new());
    let mut ledger = linli_ledger::Ledger::open(folder.path(), &linli_ledger::Options::default()).unwrap();
    let reader = ledger.reader().unwrap();
    let row = first_token(&reader, folder.path(), &clock).unwrap().unwrap();
    let path = folder.path().join(FIRST_TOKEN_FILE);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let who = shown(&tokens(&[&row]), &format!("Bearer {}", text.trim()))
        .unwrap()
        .unwrap();
    assert_eq!(who.role, Role::Manager);

    let mut batch = linli_ledger::Batch::at(clock.now());
    let rows = [row];
    batch.tokens = &rows;
    ledger.commit(&batch).unwrap();
    assert_eq!(first_token(&reader, folder.path(), &clock).unwrap(), None);
}
