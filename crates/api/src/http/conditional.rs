//! Which answer a request's conditions ask for, by the version that there is: RFC 9110, 13.2.2, step by step.

use actix_web::http::Method;
use actix_web::http::header::{
    ByteRangeSpec, EntityTag, Header, HttpDate, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
    IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince, RANGE, Range,
};
use actix_web::{HttpMessage, HttpRequest};

/// What tells one version of an image from another.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// `None` where the store has no entity tag, or none that HTTP could carry.
    pub(crate) entity_tag: Option<EntityTag>,
    /// To the second.
    pub(crate) modified: HttpDate,
}

/// What a request is to be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it: 200.
    Whole,
    /// This part of it, if it can be satisfied: 206 or 416.
    Part(ByteRangeSpec),
    /// Nothing, since the client has it: 304.
    NotModified,
    /// Nothing, since it isn't the version that the client means: 412.
    PreconditionFailed,
}

/// Whether the answer depends on the version that there is. If not, it is [`Verdict::Whole`].
pub(crate) fn depends_on_version(request: &HttpRequest) -> bool {
    // If-Range has no meaning without Range (13.1.5).
    [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE]
        .iter()
        .any(|condition| request.headers().contains_key(condition))
}

/// Weighs the conditions of a GET or a HEAD in the order of RFC 9110, 13.2.2. A condition that can't be read is one
/// that is false, except for the dates, which are ignored then (13.1.3, 13.1.4).
pub(crate) fn judge(request: &HttpRequest, version: &Version) -> Verdict {
    if !is_meant(request, version) {
        return Verdict::PreconditionFailed;
    }
    if is_known(request, version) {
        return Verdict::NotModified;
    }
    // HEAD has no parts (14.2).
    let part = (request.method() == Method::GET).then(|| part(request, version)).flatten();
    part.map_or(Verdict::Whole, Verdict::Part)
}

/// Steps 1 and 2: If-Match compares strongly; If-Unmodified-Since counts only where there is no If-Match.
fn is_meant(request: &HttpRequest, version: &Version) -> bool {
    if request.headers().contains_key(IF_MATCH) {
        return match request.get_header() {
            Some(IfMatch::Any) => true,
            Some(IfMatch::Items(tags)) => version.has_any(&tags, EntityTag::strong_eq),
            None => false,
        };
    }
    only(request).is_none_or(|IfUnmodifiedSince(since)| version.modified <= since)
}

/// Steps 3 and 4: If-None-Match compares weakly; If-Modified-Since counts only where there is no If-None-Match.
fn is_known(request: &HttpRequest, version: &Version) -> bool {
    if request.headers().contains_key(IF_NONE_MATCH) {
        return match request.get_header() {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(tags)) => version.has_any(&tags, EntityTag::weak_eq),
            None => false,
        };
    }
    only(request).is_some_and(|IfModifiedSince(since)| version.modified <= since)
}

/// Step 5: the one range that is asked for, where If-Range names this version or is missing. Several ranges, or other
/// units, may be answered with the whole (14.2).
fn part(request: &HttpRequest, version: &Version) -> Option<ByteRangeSpec> {
    let Range::Bytes(ranges) = only(request)? else { return None };
    let [range] = ranges.as_slice() else { return None };
    let is_of_this = match only(request) {
        Some(IfRange::EntityTag(tag)) => version.has_any(&[tag], EntityTag::strong_eq),
        // Only a client that got no entity tag may send a date (13.1.5).
        Some(IfRange::Date(date)) => version.modified == date,
        None => !request.headers().contains_key(IfRange::name()),
    };
    is_of_this.then(|| range.clone())
}

/// A header that has one line and can be read.
fn only<H: Header>(request: &HttpRequest) -> Option<H> {
    let is_alone = request.headers().get_all(H::name()).count() == 1;
    is_alone.then(|| request.get_header()).flatten()
}

impl Version {
    fn has_any(&self, tags: &[EntityTag], equal: fn(&EntityTag, &EntityTag) -> bool) -> bool {
        self.entity_tag.as_ref().is_some_and(|own| tags.iter().any(|tag| equal(own, tag)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use actix_web::http::Method;
    use actix_web::http::header::{ByteRangeSpec, EntityTag, HttpDate};
    use actix_web::test::TestRequest;

    use super::Verdict::{NotModified, Part, PreconditionFailed, Whole};
    use super::{Verdict, Version, depends_on_version, judge};

    /// Of the version that there is: 784111777 s after the epoch.
    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    const IM: &str = "if-match";
    const IUS: &str = "if-unmodified-since";
    const INM: &str = "if-none-match";
    const IMS: &str = "if-modified-since";
    const RANGE: (&str, &str) = ("range", "bytes=5-9");
    const FIVE: Verdict = Part(ByteRangeSpec::FromTo(5, 9));

    fn version(tag: Option<EntityTag>) -> Version {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        Version { entity_tag: tag, modified: HttpDate::from(modified) }
    }

    fn strong() -> Version {
        version(Some(EntityTag::new_strong("now".to_owned())))
    }

    fn verdict(method: Method, headers: &[(&str, &str)], version: &Version) -> Verdict {
        let mut request = TestRequest::with_uri("/image/sofia.png").method(method);
        for header in headers {
            request = request.append_header(*header);
        }
        let request = request.to_http_request();
        let verdict = judge(&request, version);
        assert!(verdict == Whole || depends_on_version(&request), "{headers:?}");
        verdict
    }

    fn check(version: &Version, cases: &[(&[(&str, &str)], Verdict)]) {
        for (headers, expected) in cases {
            assert_eq!(verdict(Method::GET, headers, version), *expected, "GET {headers:?}");
            let of_head = if matches!(expected, Part(_)) { &Whole } else { expected };
            assert_eq!(verdict(Method::HEAD, headers, version), *of_head, "HEAD {headers:?}");
        }
    }

    #[test]
    fn if_match_needs_a_strong_tag_of_this_version() {
        check(
            &strong(),
            &[
                (&[(IM, "\"now\"")], Whole),
                (&[(IM, "*")], Whole),
                (&[(IM, "\"old\", \"now\" ,\"other\"")], Whole),
                (&[(IM, "\"old\""), (IM, "\"now\"")], Whole),
                (&[(IM, "\"old\"")], PreconditionFailed),
                (&[(IM, "W/\"now\"")], PreconditionFailed),
                (&[(IM, "\"old\", W/\"now\"")], PreconditionFailed),
                (&[(IM, "now")], PreconditionFailed),
                (&[(IM, "")], PreconditionFailed),
                (&[(IM, "\"NOW\"")], PreconditionFailed),
            ],
        );
    }

    #[test]
    fn if_unmodified_since_counts_where_there_is_no_if_match_and_it_is_one_date() {
        check(
            &strong(),
            &[
                (&[(IUS, NOW)], Whole),
                (&[(IUS, LATER)], Whole),
                (&[(IUS, EARLIER)], PreconditionFailed),
                (&[(IUS, "yesterday")], Whole),
                (&[(IUS, EARLIER), (IUS, EARLIER)], Whole),
                (&[(IM, "\"now\""), (IUS, EARLIER)], Whole),
                (&[(IM, "\"old\""), (IUS, LATER)], PreconditionFailed),
            ],
        );
    }

    #[test]
    fn if_none_match_takes_a_weak_tag_too() {
        check(
            &strong(),
            &[
                (&[(INM, "\"now\"")], NotModified),
                (&[(INM, "W/\"now\"")], NotModified),
                (&[(INM, "*")], NotModified),
                (&[(INM, "\"old\", W/\"now\"")], NotModified),
                (&[(INM, "\"old\""), (INM, "\"now\"")], NotModified),
                (&[(INM, "\"old\"")], Whole),
                (&[(INM, "nonsense")], Whole),
            ],
        );
    }

    #[test]
    fn if_modified_since_counts_where_there_is_no_if_none_match_and_it_is_one_date() {
        check(
            &strong(),
            &[
                (&[(IMS, NOW)], NotModified),
                (&[(IMS, LATER)], NotModified),
                (&[(IMS, EARLIER)], Whole),
                (&[(IMS, "yesterday")], Whole),
                (&[(IMS, NOW), (IMS, NOW)], Whole),
                (&[(INM, "\"old\""), (IMS, NOW)], Whole),
                (&[(INM, "\"now\""), (IMS, EARLIER)], NotModified),
            ],
        );
    }

    #[test]
    fn a_failed_precondition_comes_before_what_the_client_knows() {
        check(
            &strong(),
            &[
                (&[(IM, "\"old\""), (INM, "\"now\"")], PreconditionFailed),
                (&[(IM, "\"now\""), (INM, "\"now\"")], NotModified),
                (&[(IUS, EARLIER), (IMS, NOW)], PreconditionFailed),
                (&[(IUS, NOW), (IMS, NOW)], NotModified),
                (&[(IM, "\"now\""), (INM, "\"old\""), RANGE], FIVE),
                (&[(IM, "\"old\""), RANGE], PreconditionFailed),
                (&[(IUS, EARLIER), RANGE], PreconditionFailed),
                (&[(INM, "\"now\""), RANGE], NotModified),
                (&[(IM, "\"old\""), RANGE, ("if-range", "\"now\"")], PreconditionFailed),
            ],
        );
    }

    #[test]
    fn a_range_is_of_the_version_that_if_range_names() {
        check(
            &strong(),
            &[
                (&[RANGE], FIVE),
                (&[RANGE, ("if-range", "\"now\"")], FIVE),
                (&[RANGE, ("if-range", NOW)], FIVE),
                (&[RANGE, ("if-range", "\"old\"")], Whole),
                (&[RANGE, ("if-range", "W/\"now\"")], Whole),
                (&[RANGE, ("if-range", EARLIER)], Whole),
                (&[RANGE, ("if-range", LATER)], Whole),
                (&[RANGE, ("if-range", "*")], Whole),
                (&[RANGE, ("if-range", "\"now\""), ("if-range", "\"now\"")], Whole),
                (&[("if-range", "\"old\"")], Whole),
                (&[("range", "bytes=-5")], Part(ByteRangeSpec::Last(5))),
                (&[("range", "bytes=5-")], Part(ByteRangeSpec::From(5))),
                (&[("range", "bytes=0-1,4-5")], Whole),
                (&[("range", "lines=1-2")], Whole),
                (&[("range", "nonsense")], Whole),
                (&[RANGE, RANGE], Whole),
            ],
        );
    }

    #[test]
    fn a_weak_tag_or_none_proves_nothing_that_must_be_the_same_to_the_byte() {
        let weak = version(Some(EntityTag::new_weak("now".to_owned())));
        check(
            &weak,
            &[
                (&[(IM, "\"now\"")], PreconditionFailed),
                (&[(IM, "W/\"now\"")], PreconditionFailed),
                (&[(IM, "*")], Whole),
                (&[(INM, "\"now\"")], NotModified),
                (&[RANGE, ("if-range", "W/\"now\"")], Whole),
            ],
        );
        check(
            &version(None),
            &[
                (&[(IM, "\"now\"")], PreconditionFailed),
                (&[(IM, "*")], Whole),
                (&[(INM, "\"now\"")], Whole),
                (&[(INM, "*")], NotModified),
                (&[(IMS, NOW)], NotModified),
                (&[RANGE, ("if-range", "\"now\"")], Whole),
            ],
        );
    }
}
