//! Draws the two pictures that the README shows.

use plotters::prelude::*;

use crate::figures::{extremes, median};
use crate::freshness::Freshness;
use crate::writers::Writers;

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Of both pictures.
const SIZE: (u32, u32) = (800, 360);
const FONT: &str = "sans-serif";
const TEXT: u32 = 15;
const TITLE: u32 = 19;

const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const ORANGE: RGBColor = RGBColor(0xe0, 0x7b, 0x1a);
const GREY: RGBColor = RGBColor(0x9a, 0xa0, 0xa6);
const INK: RGBColor = RGBColor(0x20, 0x24, 0x28);

/// The distribution of the time from a commit to the new answer.
///
/// # Panics
/// If it can't be drawn.
pub(crate) fn time_to_new_answer(freshness: &Freshness) {
    draw_freshness(freshness, &path("time-to-new-answer.svg")).unwrap_or_else(|error| panic!("a picture: {error}"));
}

/// What writers do in a second with each kind of capture.
///
/// # Panics
/// If it can't be drawn.
pub(crate) fn writers(writers: &Writers) {
    draw_writers(writers, &path("writers.svg")).unwrap_or_else(|error| panic!("a picture: {error}"));
}

fn path(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn draw_freshness(freshness: &Freshness, path: &str) -> Drawn {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (_, latest) = extremes(freshness.idle.iter().chain(&freshness.busy).copied());
    let (first, last) = (1.0, 10_f64.powf(latest.log10().ceil()).max(100.0));
    let mut chart = ChartBuilder::on(&area)
        .caption("From the commit of a change to the new answer", (FONT, TITLE, &INK))
        .margin(12)
        .margin_right(36)
        .x_label_area_size(30)
        .y_label_area_size(56)
        .build_cartesian_2d((first..last).log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .label_style((FONT, TEXT, &INK))
        .light_line_style(GREY.mix(0.15))
        .bold_line_style(GREY.mix(0.4))
        .y_labels(5)
        .x_label_formatter(&|milliseconds| format!("{milliseconds:.0} ms"))
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .y_desc("of the changes")
        .draw()?;
    for (name, took, colour) in [("idle", &freshness.idle, BLUE), ("with 32 readers", &freshness.busy, ORANGE)] {
        chart
            .draw_series(LineSeries::new(steps(took, first, last), colour.stroke_width(2)))?
            .label(format!("{name}: median {:.1} ms", median(took.iter().copied())))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .margin(20)
        .label_font((FONT, TEXT, &INK))
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

/// How many percent have been seen after each time, as a line of steps.
fn steps(took: &[f64], first: f64, last: f64) -> Vec<(f64, f64)> {
    let mut took = took.to_vec();
    took.sort_by(f64::total_cmp);
    let percent = |count: usize| 100.0 * count as f64 / took.len() as f64;
    let rises = took.iter().enumerate().flat_map(|(count, time)| {
        let time = time.max(first);
        [(time, percent(count)), (time, percent(count + 1))]
    });
    [(first, 0.0)].into_iter().chain(rises).chain([(last, 100.0)]).collect()
}

fn draw_writers(writers: &Writers, path: &str) -> Drawn {
    let bars = [
        ("no trigger", &writers.none, GREY),
        ("a trigger that inserts a constant row: the limit", &writers.constant, GREY),
        ("this system's capture, the whole pipeline running", &writers.ours, BLUE),
        ("a row-level pg_notify", &writers.notify, ORANGE),
    ];
    let (_, most) = extremes(bars.iter().flat_map(|(_, rates, _)| rates.iter().copied()));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("One-row updates a second by 64 writers", (FONT, TITLE, &INK))
        .margin(12)
        .margin_right(36)
        .x_label_area_size(30)
        .build_cartesian_2d(0.0..most, (bars.len() as f64)..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(WHITE)
        .bold_line_style(GREY.mix(0.4))
        .label_style((FONT, TEXT, &INK))
        .x_label_formatter(&|rate| format!("{rate:.0}"))
        .draw()?;
    let all = median(writers.none.iter().copied());
    for (place, (name, rates, colour)) in bars.into_iter().enumerate() {
        let (top, rate, (lowest, highest)) =
            (place as f64, median(rates.iter().copied()), extremes(rates.iter().copied()));
        let share = format!("{rate:.0} ({:.0} %)", 100.0 * rate / all);
        chart.draw_series([Rectangle::new([(0.0, top + 0.42), (rate, top + 0.9)], colour.filled())])?;
        chart.draw_series([PathElement::new([(lowest, top + 0.66), (highest, top + 0.66)], INK.stroke_width(2))])?;
        let style = (FONT, TEXT).into_font().color(&INK);
        chart.draw_series([Text::new(format!("{name}: {share}"), (0.0, top + 0.12), style)])?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{draw_freshness, draw_writers, steps};
    use crate::freshness::Freshness;
    use crate::writers::Writers;

    #[test]
    fn a_line_of_steps_rises_where_something_was_seen() {
        let line = [(1.0, 0.0), (2.0, 0.0), (2.0, 50.0), (4.0, 50.0), (4.0, 100.0), (10.0, 100.0)];
        assert_eq!(steps(&[4.0, 2.0], 1.0, 10.0), line);
    }

    #[test]
    fn both_pictures_are_drawn_and_say_what_was_measured() {
        let path = std::env::temp_dir().join(format!("cities-cache-{}.svg", std::process::id()));
        let (path, drawn) = (path.display().to_string(), || std::fs::read_to_string(&path).unwrap());
        draw_freshness(&Freshness { idle: vec![2.0, 3.0, 4.0], busy: vec![20.0, 30.0, 400.0] }, &path).unwrap();
        assert!(drawn().contains("with 32 readers: median 30.0 ms"));
        let rates = |rate: f64| vec![rate, rate * 0.9, rate * 1.1];
        let writers = Writers {
            none: rates(1_000.0),
            constant: rates(800.0),
            ours: rates(500.0),
            notify: rates(100.0),
            ..Writers::default()
        };
        draw_writers(&writers, &path).unwrap();
        assert!(drawn().contains("the whole pipeline running: 500 (50 %)"));
        std::fs::remove_file(&path).unwrap();
    }
}
