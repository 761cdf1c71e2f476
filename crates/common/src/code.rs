//! The one spelling of a code: what the capture triggers, the consumer and the api agree on.

/// The longest code that travels, in bytes.
///
/// A country code has three; a key of the cache or an entry of the `changes` stream must not grow with whatever
/// somebody wrote into a text column or a message made by hand.
pub const CODE_BYTES_MAX: usize = 256;

/// The code as it stands in keys and messages: without blanks around it, in upper case by ASCII alone.
///
/// The capture function does the same in SQL (`upper(btrim(code) collate "C")`): a Turkish collation would make `İND`
/// of `ind`, and the two sides would delete and fill different keys.
pub fn normalise(code: &str) -> String {
    code.trim_matches(' ').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::normalise;

    proptest! {
        #[test]
        fn what_is_normalised_stays_as_it_is(code in any::<String>()) {
            let once = normalise(&code);
            prop_assert_eq!(normalise(&once), once);
        }
    }

    #[test]
    fn blanks_around_a_code_and_its_case_do_not_matter() {
        assert_eq!(normalise(" bgr "), "BGR");
        assert_eq!(normalise("BGR"), "BGR");
    }

    #[test]
    fn only_ascii_letters_change_case() {
        assert_eq!(normalise("ind"), "IND");
        assert_eq!(normalise("ınd"), "ıND");
    }
}
