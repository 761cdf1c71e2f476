//! What a valid code is.

/// A country code, normalised: three letters from A to Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountryCode([u8; 3]);

impl CountryCode {
    /// Reads a code as a client spells it, in either case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut letters: [u8; 3] = text.as_bytes().try_into().ok()?;
        letters.make_ascii_uppercase();
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("letters from A to Z are UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::CountryCode;

    #[test]
    fn lower_case_is_the_same_code() {
        assert_eq!(CountryCode::parse("bGr").unwrap().as_str(), "BGR");
        assert_eq!(CountryCode::parse("bgr"), CountryCode::parse("BGR"));
    }

    #[test]
    fn anything_but_three_ascii_letters_is_no_code() {
        for text in ["", "B", "BG", "BGRR", "B1R", "123", "\0\0\0", "..", "...", "B R", "бгр", "ß", "ＢＧＲ", "€", "ıı"]
        {
            assert_eq!(CountryCode::parse(text), None, "{text}");
        }
    }
}
