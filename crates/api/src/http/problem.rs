//! Errors as clients see them: RFC 9457 problem documents of stable words. Causes stand in the log alone.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_RANGE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::postgres::database_error::DatabaseError;

/// Seconds after which a client may ask again: the system is whole within 5 s of the return of what was away, and most
/// of what makes a 503 is over sooner.
const RETRY_AFTER_S: u32 = 1;

/// Everything that can be wrong with a request, or with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    MalformedRequest,
    HeaderTooLarge,
    UriTooLong,
    RequestTimeout,
    InvalidCode,
    UnknownCode,
    InvalidImageName,
    UnknownImage,
    PreconditionFailed,
    /// With the image's size in bytes.
    RangeNotSatisfiable(u64),
    UnknownPath,
    MethodNotAllowed,
    DatabaseBusy,
    DatabaseUnavailable,
    UnreadableData,
    StoreUnavailable,
}

/// The document. `type` names the problem for programs, the rest is for people.
#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
}

impl Problem {
    /// Status, name, title, detail.
    fn parts(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (
                StatusCode::BAD_REQUEST,
                "malformed-request",
                "Not a request",
                "What arrived can't be read as a request of HTTP/1.1 or HTTP/1.0.",
            ),
            Self::HeaderTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "header-too-large",
                "Header too large",
                "A request's header may have 96 fields and 128 KiB in all.",
            ),
            Self::UriTooLong => {
                (StatusCode::URI_TOO_LONG, "uri-too-long", "URI too long", "A request's URI may have 65534 bytes.")
            }
            Self::RequestTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request-timeout",
                "Request timeout",
                "The request's header took too long to arrive.",
            ),
            Self::InvalidCode => (
                StatusCode::BAD_REQUEST,
                "invalid-code",
                "Not a country code",
                "A country code has three letters from A to Z, as in ISO 3166-1 alpha-3.",
            ),
            Self::UnknownCode => (
                StatusCode::NOT_FOUND,
                "unknown-code",
                "Unknown country",
                "There is neither a country nor a city with this code.",
            ),
            Self::InvalidImageName => (
                StatusCode::BAD_REQUEST,
                "invalid-image-name",
                "Not an image name",
                "An image name has at most 1024 bytes and no slashes, backslashes or control characters.",
            ),
            Self::UnknownImage => {
                (StatusCode::NOT_FOUND, "unknown-image", "Unknown image", "There is no image with this name.")
            }
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "Precondition failed",
                "The image isn't the version that If-Match or If-Unmodified-Since asks for.",
            ),
            Self::RangeNotSatisfiable(_) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "Range not satisfiable",
                "The image ends before the range that was asked for; Content-Range has its size.",
            ),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "Unknown path", "There is nothing here."),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "Everything here can only be read; Allow has the methods.",
            ),
            Self::DatabaseBusy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "database-busy",
                "Too busy",
                "The answer isn't in the cache, and too many others are being read from the database.",
            ),
            Self::DatabaseUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "database-unavailable",
                "Database unavailable",
                "The answer isn't in the cache, and the database can't be read at the moment.",
            ),
            Self::UnreadableData => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unreadable-data",
                "Unreadable data",
                "The database holds something for this code that can't be read, such as a name whose bytes are no text.",
            ),
            Self::StoreUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "Image store unavailable",
                "The image store can't be read at the moment.",
            ),
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(cause: DatabaseError) -> Self {
        match cause {
            DatabaseError::Busy => Self::DatabaseBusy,
            DatabaseError::Unreadable(_) => Self::UnreadableData,
            _ => Self::DatabaseUnavailable,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parts().2)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, name, title, detail) = self.parts();
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-cache"));
        match self {
            Self::MethodNotAllowed => drop(response.insert_header((ALLOW, "GET, HEAD"))),
            Self::RangeNotSatisfiable(size) => drop(response.insert_header((CONTENT_RANGE, format!("bytes */{size}")))),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_S));
            }
            _ => {}
        }
        let r#type = format!("tag:cities-cache,2026:{name}");
        response
            .content_type("application/problem+json")
            .body(serde_json::to_vec(&Document { r#type, title, status: status.as_u16(), detail }).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::body::to_bytes;
    use serde_json::Value;

    use super::Problem;

    #[actix_web::test]
    async fn a_problem_is_a_document_that_repeats_its_status() {
        let response = Problem::InvalidCode.error_response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        assert_eq!(body["status"], 400);
        assert_eq!(body["type"], "tag:cities-cache,2026:invalid-code");
        assert!(body["title"].is_string() && body["detail"].is_string());
    }

    #[test]
    fn whoever_is_turned_away_is_told_when_to_come_again() {
        for problem in
            [Problem::DatabaseBusy, Problem::DatabaseUnavailable, Problem::UnreadableData, Problem::StoreUnavailable]
        {
            assert_eq!(problem.error_response().headers().get("retry-after").unwrap(), "1");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(Problem::MethodNotAllowed.error_response().headers().get("allow").unwrap(), "GET, HEAD");
    }
}
