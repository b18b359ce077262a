//! How SQLite would answer a question of an empty ledger, for tests of the indexes.

use crate::schema::{MIGRATIONS, migrate};
use rusqlite::Connection;
use std::path::Path;

/// The steps of the answer, one a line.
pub(super) fn of(sql: &str) -> String {
    let mut conn = Connection::open_in_memory().unwrap();
    migrate(&mut conn, Path::new("memory"), MIGRATIONS).unwrap();
    let mut query = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![0; query.parameter_count()];
    let steps = query.query_map(rusqlite::params_from_iter(parameters), |row| {
        row.get::<_, String>(3)
    });
    let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
    steps.join("\n")
}
