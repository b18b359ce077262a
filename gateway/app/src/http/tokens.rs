//! Tokens: list, add, rotate, revoke. A secret leaves the program once, in the answer that made it.

use super::Http;
use super::auth::{self, MAX_TOKENS, Principal, Role};
use super::command::failed;
use super::extract::{Body, Id, Unkeyed};
use super::page::Page;
use super::problem::{Code, Problem};
use super::wire::order::Plain;
use super::wire::token::{IssuedToken, NewToken, Token};
use crate::pipeline::Request;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linli_ledger::TokenRow;
use secrecy::ExposeSecret;
use std::sync::Arc;

/// Most characters of a token's name.
const MAX_NAME: usize = 64;

/// Every token, revoked ones too, oldest first
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = Page<Token>)))]
pub async fn list(State(http): State<Arc<Http>>) -> Json<Page<Token>> {
    Json(Page {
        items: http.tokens.list().iter().map(Token::from).collect(),
        next_cursor: None,
    })
}

/// Make a token
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = IssuedToken)))]
pub async fn add(
    State(http): State<Arc<Http>>,
    principal: Principal,
    _: Unkeyed,
    body: Body<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    let NewToken { name, role } = body.value;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::new(
            Code::InvalidBody,
            format!("a name has 1 to {MAX_NAME} characters on one line"),
        ));
    }
    let _one_at_a_time = http.editing.lock().await;
    let good: Vec<TokenRow> = http
        .tokens
        .list()
        .into_iter()
        .filter(|row| row.revoked.is_none())
        .collect();
    if good.len() >= MAX_TOKENS {
        return Err(Problem::new(
            Code::Refused,
            format!("there are {MAX_TOKENS} tokens; revoke one first"),
        ));
    }
    // The name is what orders remember, so two people must not share one.
    if good.iter().any(|row| row.name == name) {
        return Err(Problem::new(
            Code::Refused,
            format!("there is a token named {name:?}; rotate or revoke it"),
        ));
    }
    let (row, secret) = auth::mint(name, role, http.clock.now().wall).map_err(|e| not_minted(&e))?;
    store(&http, &principal, &row).await?;
    Ok((StatusCode::CREATED, Json(issued(&row, &secret))))
}

/// Give a token a new secret; the old one ends at once
#[utoipa::path(post, path = "/tokens/{id}/rotate", tag = "tokens", request_body = Plain,
    params(("id" = String, Path, description = "The token's id")), responses((status = 200, body = IssuedToken)))]
pub async fn rotate(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<String>,
    _: Unkeyed,
    _: Body<Plain>,
) -> Result<Json<IssuedToken>, Problem> {
    let _one_at_a_time = http.editing.lock().await;
    let row = good(&http, &id)?;
    let (row, secret) = auth::rotate(&row, http.clock.now().wall).map_err(|e| not_minted(&e))?;
    store(&http, &principal, &row).await?;
    Ok(Json(issued(&row, &secret)))
}

/// Refuse a token from now on
///
/// The last manager's token is kept: without it nobody could make another.
#[utoipa::path(post, path = "/tokens/{id}/revoke", tag = "tokens", request_body = Plain,
    params(("id" = String, Path, description = "The token's id")), responses((status = 200, body = Token)))]
pub async fn revoke(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<String>,
    _: Body<Plain>,
) -> Result<Json<Token>, Problem> {
    let _one_at_a_time = http.editing.lock().await;
    let mut row = good(&http, &id)?;
    let manages = |row: &TokenRow| row.role == Role::Manager.as_str() && row.revoked.is_none();
    let others = http
        .tokens
        .list()
        .iter()
        .any(|other| other.id != row.id && manages(other));
    if manages(&row) && !others {
        return Err(Problem::new(
            Code::Refused,
            "this is the last manager's token; add another one first",
        ));
    }
    row.revoked = Some(http.clock.now().wall);
    store(&http, &principal, &row).await?;
    Ok(Json(Token::from(&row)))
}

/// The token with this id, unless it is revoked.
fn good(http: &Http, id: &str) -> Result<TokenRow, Problem> {
    let row = http
        .tokens
        .get(id)
        .ok_or_else(|| Problem::not_found("token", id))?;
    if row.revoked.is_some() {
        return Err(Problem::new(
            Code::InvalidTransition,
            "the token is revoked; add a new one",
        ));
    }
    Ok(row)
}

/// Commits the row, and only then goes by it.
async fn store(http: &Http, principal: &Principal, row: &TokenRow) -> Result<(), Problem> {
    let (token, author) = (row.clone(), principal.name.to_string());
    let asked = http
        .door
        .ask(|reply| Request::Token { token, author, reply })
        .await;
    asked.and_then(|done| done).map_err(|e| failed(&e))?;
    http.tokens.put(row);
    Ok(())
}

fn issued(row: &TokenRow, secret: &secrecy::SecretString) -> IssuedToken {
    IssuedToken {
        kept: Token::from(row),
        token: secret.expose_secret().to_owned(),
    }
}

fn not_minted(error: &auth::MintError) -> Problem {
    tracing::error!(%error, "make a token");
    Problem::new(Code::Internal, "the token was not made")
}
