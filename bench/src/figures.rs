//! Figures and what is made of them: ratios of two things that were measured in turn, A B A B …, so that what else the
//! machine does meets both; medians and percentiles.

/// Figures of A and B, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Pairs {
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Pairs {
    /// Those that were measured already.
    pub(crate) fn of(a: &[f64], b: &[f64]) -> Self {
        Self { a: a.to_vec(), b: b.to_vec() }
    }

    /// Adds one pair.
    pub(crate) fn add(&mut self, a: f64, b: f64) {
        self.a.push(a);
        self.b.push(b);
    }

    /// The median of A / B.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    /// What stands beside a ratio: the absolute medians, and how far the pairs were apart.
    pub(crate) fn in_words(&self, unit: &str, decimals: usize) -> String {
        let (a, b) = (median(self.a.iter().copied()), median(self.b.iter().copied()));
        let (lowest, highest) = extremes(self.ratios());
        let pairs = self.a.len();
        format!("{a:.decimals$} against {b:.decimals$} {unit}; {pairs} pairs from {lowest:.2} to {highest:.2}")
    }

    fn ratios(&self) -> impl Iterator<Item = f64> {
        self.a.iter().zip(&self.b).map(|(a, b)| a / b)
    }
}

/// The one in the middle.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    percentile(figures, 0.5)
}

/// The smallest figure that at least this share of all figures don't exceed.
///
/// # Panics
/// If there are no figures.
pub(crate) fn percentile(figures: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let rank = (1..=figures.len()).find(|rank| *rank as f64 >= share * figures.len() as f64);
    figures[rank.expect("there are figures") - 1]
}

/// The smallest and the largest.
pub(crate) fn extremes(figures: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    figures.into_iter().fold(none, |(lowest, highest), figure| (lowest.min(figure), highest.max(figure)))
}

#[cfg(test)]
mod tests {
    use super::{Pairs, percentile};

    #[test]
    fn a_ratio_is_the_median_of_the_pairs_ratios() {
        let mut pairs = Pairs::default();
        for (a, b) in [(1.0, 2.0), (9.0, 10.0), (60.0, 100.0)] {
            pairs.add(a, b);
        }
        assert!((pairs.ratio() - 0.6).abs() < 1e-9);
        assert_eq!(pairs.in_words("a second", 0), "9 against 10 a second; 3 pairs from 0.50 to 0.90");
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures = (1..=100).map(f64::from);
        assert_eq!(percentile(figures.clone(), 0.5), 50.0);
        assert_eq!(percentile(figures.clone(), 0.99), 99.0);
        assert_eq!(percentile(figures, 1.0), 100.0);
    }
}
