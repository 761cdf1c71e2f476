//! What a browser may do with an object of the store: whoever can put one there must not run a script in this origin.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// What stores say about an object whose type nobody told them: then the name's ending says more.
const UNTYPED: [&str; 3] = ["application/octet-stream", "binary/octet-stream", "text/plain"];

/// Pictures that are pixels and nothing else.
const PIXELS: [&str; 14] = [
    "image/apng",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/jpeg",
    "image/jxl",
    "image/png",
    "image/tiff",
    "image/vnd.microsoft.icon",
    "image/webp",
    "image/x-icon",
    "image/x-ms-bmp",
];

/// A picture that may hold scripts. A page that embeds it as an image runs none of them.
const SVG: &str = "image/svg+xml";

/// No scripts, no requests, an origin of its own; an SVG's own styles are harmless.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// How an object is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presentation {
    /// Shown, as this type.
    Shown(&'static str),
    /// To be saved; as an image in somebody's page it has this type.
    Saved(&'static str),
}

impl Presentation {
    /// By the type that the store has for the object, or by its name where the store has none.
    pub(crate) fn of(stored: Option<&str>, name: &str) -> Self {
        let told = stored.map(essence).filter(|told| !told.is_empty() && !UNTYPED.contains(&told.as_str()));
        let told = told.or_else(|| mime_guess::from_path(name).first_raw().map(essence)).unwrap_or_default();
        match PIXELS.iter().find(|pixels| **pixels == told) {
            Some(pixels) => Self::Shown(pixels),
            None if told == SVG => Self::Saved(SVG),
            None => Self::Saved("application/octet-stream"),
        }
    }

    /// Adds what makes a browser keep to it.
    pub(crate) fn describe(self, response: &mut HttpResponseBuilder) {
        response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        match self {
            Self::Shown(r#type) => drop(response.insert_header((CONTENT_TYPE, r#type))),
            Self::Saved(r#type) => {
                response
                    .insert_header((CONTENT_TYPE, r#type))
                    .insert_header((CONTENT_DISPOSITION, "attachment"))
                    .insert_header((CONTENT_SECURITY_POLICY, POLICY));
            }
        }
    }
}

/// Type and subtype, in lower case and without parameters.
fn essence(told: &str) -> String {
    told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::Presentation::{self, Saved, Shown};

    #[test]
    fn only_pixels_are_shown() {
        for (stored, name, expected) in [
            (Some("image/png"), "a.png", Shown("image/png")),
            (Some("IMAGE/JPEG; q=1"), "a", Shown("image/jpeg")),
            (Some("image/webp"), "a.html", Shown("image/webp")),
            (Some("image/svg+xml; charset=utf-8"), "a.svg", Saved("image/svg+xml")),
            (Some("image/svg+xml"), "a.png", Saved("image/svg+xml")),
            (Some("text/html"), "a.png", Saved("application/octet-stream")),
            (Some("image/png, text/html"), "a.png", Saved("application/octet-stream")),
            (Some("application/pdf"), "a.pdf", Saved("application/octet-stream")),
            (Some("text/javascript"), "a.js", Saved("application/octet-stream")),
            (Some("image/x+xml"), "a", Saved("application/octet-stream")),
        ] {
            assert_eq!(Presentation::of(stored, name), expected, "{stored:?} {name}");
        }
    }

    #[test]
    fn the_name_says_what_the_store_does_not_know() {
        for untyped in [None, Some("application/octet-stream"), Some("text/plain; charset=utf-8"), Some("")] {
            let of = |name| Presentation::of(untyped, name);
            assert_eq!(of("sofia.ico"), Shown("image/x-icon"), "{untyped:?}");
            assert_eq!(of("rila.JPG"), Shown("image/jpeg"), "{untyped:?}");
            assert_eq!(of("logo.svg"), Saved("image/svg+xml"), "{untyped:?}");
            for name in ["page.html", "notes.txt", "script.js", "no-ending"] {
                assert_eq!(of(name), Saved("application/octet-stream"), "{untyped:?} {name}");
            }
        }
    }
}
