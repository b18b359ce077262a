//! The status page: places with their live values, alarms, orders and the gateway's own health, as plain HTML.
//!
//! It works without JavaScript and without a console, refreshes itself every five seconds, and reads nothing that
//! the API does not show. What is on it is put together in [`tree`], [`lists`] and [`devices`]; its words are in
//! [`status_text`](super::status_text). Every text is escaped by the template.

mod devices;
mod lists;
mod tree;

use super::Http;
use super::extract::Query;
use super::problem::{Code, Problem};
use super::status_text::{Words, words};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use linli_domain::text::Language;
use linli_domain::time::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

const STYLE: &str = include_str!("../../../templates/status.css");

/// How to show it.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatusQuery {
    /// `zh` or `en`; the browser's wish when not given.
    pub lang: Option<String>,
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page {
    w: &'static Words,
    estate: String,
    updated: String,
    tree: tree::Tree,
    alarms: lists::Listed<lists::AlarmLine>,
    out: Out,
    orders: lists::Listed<lists::OrderLine>,
    devices: lists::Listed<devices::DeviceLine>,
    health: lists::Health,
}

/// How much is out of service, and how much of that lives depend on.
#[derive(Debug, Clone, Copy, Default)]
struct Out {
    all: usize,
    lives: usize,
}

impl Out {
    /// Nothing while the engine cannot be asked: the page shows what is wrong elsewhere.
    async fn read(http: &Http) -> Self {
        let look = http.door.look(|engine, _| Self {
            all: engine.out_of_service().count(),
            lives: engine
                .out_of_service()
                .filter(|(what, _)| engine.guards_lives(what))
                .count(),
        });
        look.await.unwrap_or_default()
    }
}

/// What language and clock a page is written for.
#[derive(Debug, Clone)]
struct Writing {
    language: Language,
    words: &'static Words,
    zone: jiff::tz::TimeZone,
    now: Timestamp,
}

impl Writing {
    fn text(&self, text: &linli_domain::text::Text) -> String {
        text.get(self.language).to_owned()
    }

    fn wire(&self, text: super::wire::Text) -> String {
        match self.language {
            Language::Zh => text.zh,
            Language::En => text.en,
        }
    }

    /// A time on the estate's own clock.
    fn time(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(at) => at
                .to_zoned(self.zone.clone())
                .strftime("%m-%d %H:%M:%S")
                .to_string(),
            Err(_) => at.to_string(),
        }
    }

    fn ago(&self, since: Duration) -> String {
        let seconds = since.as_secs();
        let (count, unit) = match seconds {
            0..120 => (seconds, self.words.ago_s),
            120..7_200 => (seconds / 60, self.words.ago_m),
            7_200..172_800 => (seconds / 3_600, self.words.ago_h),
            _ => (seconds / 86_400, self.words.ago_d),
        };
        let gap = if self.language == Language::Zh { " " } else { "" };
        format!("{count}{gap}{unit}")
    }
}

/// `?lang` first, then the browser's first wish among the two, then the configured language.
fn language(query: Option<&str>, headers: &HeaderMap, fallback: Language) -> Language {
    let known = |tag: &str| match tag.trim().to_ascii_lowercase() {
        tag if tag.starts_with("zh") => Some(Language::Zh),
        tag if tag.starts_with("en") => Some(Language::En),
        _ => None,
    };
    let wished = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    query
        .and_then(known)
        .or_else(|| wished?.split(',').find_map(known))
        .unwrap_or(fallback)
}

/// The status page
#[utoipa::path(get, path = "/status", tag = "gateway", params(StatusQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn status(
    State(http): State<Arc<Http>>,
    headers: HeaderMap,
    Query(query): Query<StatusQuery>,
) -> Result<Response, Problem> {
    let language = language(query.lang.as_deref(), &headers, http.language);
    let names = http.names();
    let zone = jiff::tz::TimeZone::get(&names.estate.doc().timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    let writing = Writing {
        language,
        words: words(language),
        zone,
        now: http.clock.now().wall,
    };
    let (alarms, orders, health) = lists::read(&http, &writing).await?;
    let page = Page {
        w: writing.words,
        estate: writing.text(names.estate.name()),
        updated: writing.time(writing.now),
        tree: tree::Tree::read(&http, &names, &alarms, &writing).await,
        devices: devices::read(&http, &names, &writing).await,
        out: Out::read(&http).await,
        alarms,
        orders,
        health,
    };
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "write the status page");
        Problem::new(Code::Internal, "the page could not be written")
    })?;
    let fixed = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (
            header::CONTENT_LANGUAGE,
            HeaderValue::from_static(writing.words.lang),
        ),
        (header::VARY, HeaderValue::from_static("accept-language")),
    ];
    Ok((fixed, html).into_response())
}

/// The bare address leads to the page.
pub(super) async fn root() -> Response {
    axum::response::Redirect::to("/status").into_response()
}

/// The page's style sheet.
pub(super) async fn style() -> Response {
    let fixed = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/css; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=300")),
    ];
    (fixed, STYLE).into_response()
}
