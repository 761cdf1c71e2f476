//! Random names: of generations, epochs and leases.

use std::fmt;

/// 64 random bits as 16 hexadecimal digits.
///
/// Two names that are alive at once collide with a chance of 1 in 2^64; a collision would only make something that
/// died look alive, it can't be aimed at by a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name(u64);

/// How many characters a [`Name`] has when written.
pub const NAME_LENGTH: usize = 16;

impl Name {
    /// A new name that nobody else has.
    ///
    /// # Panics
    /// Where the operating system has no source of randomness; no program of ours can do its work there.
    pub fn random() -> Self {
        Self(getrandom::u64().expect("the operating system provides randomness"))
    }

    /// Reads what [`fmt::Display`] writes: 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == NAME_LENGTH && text.bytes().all(digits))
            .then(|| u64::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        let name = Name::random();
        assert_eq!(Name::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn anything_but_sixteen_lower_case_hexadecimal_digits_is_no_name() {
        for text in ["", "abc", "+123456789abcdef", "0123456789ABCDEF", "0123456789abcdefa"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
