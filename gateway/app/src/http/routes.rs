//! Every route, once: the router and the OpenAPI document are made from the same list and cannot drift apart.

use super::{
    Http, alarm_verbs, alarms, clock, deliveries, devices, engine, estate, events, forwarders, health,
    layers, onboarding, orders, points, problem, profiles, prom, quality, record, rejects, rule_check,
    rule_edits, rules, scans, series, service, status, tokens, updates, watch, writes,
};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
    SecurityRequirement, ServerBuilder,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the API begins.
pub const BASE: &str = "/api/v1";
/// Where the Prometheus-compatible API begins.
pub const PROMETHEUS: &str = "/prom/api/v1";
const BEARER: &str = "bearer";

fn api() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::new()
        .routes(routes!(health::version))
        .routes(routes!(clock::believe))
        .routes(routes!(estate::show))
        .routes(routes!(estate::import))
        .routes(routes!(estate::document))
        .routes(routes!(estate::diff))
        .routes(routes!(devices::list))
        .routes(routes!(devices::show))
        .routes(routes!(points::list))
        .routes(routes!(points::show))
        .routes(routes!(points::readings))
        .routes(routes!(series::buckets))
        .routes(routes!(series::changes))
        .routes(routes!(series::export))
        .routes(routes!(forwarders::list))
        .routes(routes!(forwarders::parked))
        .routes(routes!(alarms::list))
        .routes(routes!(quality::quality))
        .routes(routes!(alarms::show))
        .routes(routes!(alarms::transitions))
        .routes(routes!(alarm_verbs::acknowledge))
        .routes(routes!(alarm_verbs::reset))
        .routes(routes!(alarm_verbs::shelve))
        .routes(routes!(alarm_verbs::unshelve))
        .routes(routes!(alarm_verbs::suppress))
        .routes(routes!(alarm_verbs::unsuppress))
        .routes(routes!(alarm_verbs::bulk))
        .routes(routes!(service::list, service::take_out))
        .routes(routes!(service::bring_back))
        .routes(routes!(rules::list, rule_edits::add))
        .routes(routes!(rule_check::check))
        .routes(routes!(rules::show, rule_edits::change, rule_edits::remove))
        .routes(routes!(rules::history))
        .routes(routes!(orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(orders::transitions))
        .routes(routes!(orders::accept))
        .routes(routes!(orders::start))
        .routes(routes!(orders::complete))
        .routes(routes!(orders::override_verification))
        .routes(routes!(orders::cancel))
        .routes(routes!(events::events))
        .routes(routes!(onboarding::list))
        .routes(routes!(onboarding::show, onboarding::forget))
        .routes(routes!(onboarding::accept))
        .routes(routes!(onboarding::ignore))
        .routes(routes!(profiles::list))
        .routes(routes!(profiles::reload))
        .routes(routes!(watch::watch))
        .routes(routes!(record::record))
        .routes(routes!(rejects::list))
        .routes(routes!(rejects::counts))
        .routes(routes!(rejects::show))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::test))
        .routes(routes!(tokens::list))
        .routes(routes!(tokens::add))
        .routes(routes!(tokens::rotate))
        .routes(routes!(tokens::revoke))
        .routes(routes!(scans::start))
        .routes(routes!(scans::show))
        .routes(routes!(scans::cancel))
        .routes(routes!(writes::write))
        .routes(routes!(updates::start))
        .routes(routes!(updates::show))
        .routes(routes!(updates::cancel))
        .routes(routes!(engine::dump))
}

/// Readings as Prometheus serves them.
fn prometheus() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::new()
        .routes(routes!(prom::query))
        .routes(routes!(prom::query_range))
        .routes(routes!(prom::series))
        .routes(routes!(prom::labels))
        .routes(routes!(prom::label_values))
        .routes(routes!(prom::metadata))
        .routes(routes!(prom::buildinfo))
        .routes(routes!(prom::rules))
        .routes(routes!(prom::exemplars))
}

fn all() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::new()
        .nest(BASE, api())
        .nest(PROMETHEUS, prometheus())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(status::status))
}

/// The whole router, ready to be served or asked by a test.
pub fn router(http: Arc<Http>) -> Router {
    let (router, _) = all().split_for_parts();
    let router = router
        .route("/", get(status::root))
        .route("/assets/status.css", get(status::style))
        .route("/api/v1/openapi.json", get(health::document))
        .fallback(|| async {
            problem::Problem::new(
                problem::Code::UnknownRoute,
                "GET /api/v1/openapi.json lists every address",
            )
            .into_response()
        });
    shell(router, http)
}

/// Everything a request passes before its handler.
pub(super) fn shell(router: Router<Arc<Http>>, http: Arc<Http>) -> Router {
    router
        .layer(from_fn_with_state(Arc::clone(&http), layers::authorize))
        .layer(from_fn(layers::deadline))
        .layer(from_fn_with_state(Arc::clone(&http), layers::inflight))
        .layer(from_fn_with_state(Arc::clone(&http), layers::host))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn_with_state(Arc::clone(&http), layers::finish))
        .with_state(http)
}

/// The API description.
pub fn openapi() -> OpenApi {
    let (_, described) = all().split_for_parts();
    let info = InfoBuilder::new()
        .title("Linli 邻里")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let mut document = OpenApiBuilder::from(described).info(info).build();
    document.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    let components = document.components.get_or_insert_with(Default::default);
    let (name, schema) = (
        <problem::ProblemBody as utoipa::ToSchema>::name().to_string(),
        <problem::ProblemBody as utoipa::PartialSchema>::schema(),
    );
    let mut nested = Vec::new();
    <problem::ProblemBody as utoipa::ToSchema>::schemas(&mut nested);
    components.schemas.insert(name, schema);
    components.schemas.extend(nested);
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in operations.into_iter().flatten() {
            let refusal = ResponseBuilder::new()
                .description("Why it was not done (RFC 9457)")
                .content(
                    problem::PROBLEM_JSON,
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("Problem")))
                        .build(),
                )
                .build();
            operation
                .responses
                .responses
                .insert("default".into(), RefOr::T(refusal));
            if (path.starts_with(BASE) || path.starts_with(PROMETHEUS)) && !path.ends_with("/version") {
                let none: [&str; 0] = [];
                operation.security = Some(vec![SecurityRequirement::new(BEARER, none)]);
            }
        }
    }
    document
}

/// The API description as the file `docs/openapi.json` holds it.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    openapi().to_pretty_json().map(|text| text + "\n")
}
