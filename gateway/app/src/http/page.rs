//! Paging: a limit, and an opaque cursor that is bound to the listing it came from.
//!
//! A cursor carries the key of the last item and a hash of the filter. With another filter it is refused
//! instead of answering with a mixture of two listings. It grants nothing, so it is not signed.

use super::problem::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

/// Items of a page when the client does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// Most items of a page.
pub const MAX_LIMIT: u32 = 500;
/// Longest key inside a cursor, in bytes.
const MAX_KEY: usize = 256;
const HASH: usize = 8;

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order of the listing.
    pub items: Vec<T>,
    /// Give it back as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The paging part of every listing's query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// What a client asked for: how many, and after which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Most items.
    pub limit: usize,
    /// Key of the last item of the page before.
    pub after: Option<String>,
    filter: [u8; HASH],
}

impl Ask {
    /// Checks the limit and that the cursor belongs to the listing `filter` describes.
    pub fn new(limit: Option<u32>, cursor: Option<&str>, filter: &str) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::new(
                Code::BadQuery,
                format!("limit is {limit}; give 1 to {MAX_LIMIT}"),
            ));
        }
        let filter = hash_of(filter);
        let after = cursor.map(|text| read_cursor(text, filter)).transpose()?;
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or(1),
            after,
            filter,
        })
    }

    /// The key as a number, for listings whose keys are numbers.
    pub fn after_number(&self) -> Result<Option<u64>, Problem> {
        self.after
            .as_deref()
            .map(|key| key.parse().map_err(|_| mismatch()))
            .transpose()
    }

    /// A page out of up to `limit + 1` items: the one too many only says that there is a next page.
    pub fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next_cursor = items.last().filter(|_| more).map(|last| self.cursor(&key(last)));
        Page { items, next_cursor }
    }

    /// The cursor behind the item with this key.
    pub fn cursor(&self, key: &str) -> String {
        let mut bytes = self.filter.to_vec();
        bytes.extend_from_slice(key.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn hash_of(filter: &str) -> [u8; HASH] {
    let digest = Sha256::digest(filter.as_bytes());
    std::array::from_fn(|n| digest[n])
}

fn mismatch() -> Problem {
    Problem::new(
        Code::CursorMismatch,
        "the cursor was not given by this listing with this filter; start without a cursor",
    )
}

fn read_cursor(text: &str, filter: [u8; HASH]) -> Result<String, Problem> {
    if text.len() > 2 * MAX_KEY {
        return Err(mismatch());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| mismatch())?;
    let key = bytes.strip_prefix(filter.as_slice()).ok_or_else(mismatch)?;
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(mismatch());
    }
    String::from_utf8(key.to_vec()).map_err(|_| mismatch())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_and_the_last_page_has_none() {
        let ask = Ask::new(Some(2), None, "orders open").unwrap();
        let page = ask.page(vec![9, 8, 7], |n| n.to_string());
        assert_eq!(page.items, [9, 8]);
        let next = Ask::new(Some(2), page.next_cursor.as_deref(), "orders open").unwrap();
        assert_eq!(next.after_number().unwrap(), Some(8));
        assert_eq!(next.page(vec![7], |n| n.to_string()).next_cursor, None);
    }

    #[test]
    fn a_cursor_of_another_filter_is_refused() {
        let cursor = Ask::new(None, None, "open").unwrap().cursor("8");
        let refused = Ask::new(None, Some(&cursor), "closed").unwrap_err();
        assert_eq!(refused.code, Code::CursorMismatch);
        for bad in ["", "!!!", "AAAA", &"A".repeat(600)] {
            assert_eq!(
                Ask::new(None, Some(bad), "open").unwrap_err().code,
                Code::CursorMismatch,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_limit_has_limits() {
        for bad in [0, 501] {
            assert_eq!(Ask::new(Some(bad), None, "").unwrap_err().code, Code::BadQuery);
        }
        assert_eq!(Ask::new(None, None, "").unwrap().limit, 50);
    }
}
