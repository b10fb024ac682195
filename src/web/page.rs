//! The pages' HTML.
//!
//! **Invariant:** pages hold no script, no style and nothing that people wrote; what people wrote is
//! put in by the script, as text.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::networks::sandbox::Sandbox;

/// The page of the sandbox.
pub(super) async fn sandbox(State(sandbox): State<Arc<Sandbox>>) -> Response {
    page(StatusCode::OK, &html! { p { (sandbox.desk().as_str()) } })
}

/// What stands in its place while the sandbox is off.
pub(super) async fn switched_off() -> Response {
    page(
        StatusCode::OK,
        &html! {
            main { h1 { "Stumper" } p { "The desk is running. Its sandbox is switched off." } }
        },
    )
}

fn page(status: StatusCode, body: &Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" { head { title { "Stumper sandbox" } } body { (body) } }
    };
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], whole.into_string()).into_response()
}
