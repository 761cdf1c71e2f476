//! The settings as a list to read.

use super::table::ALL;

/// The list that `--help` prints: each variable with its default, what it may be and what it is for.
pub fn help() -> String {
    let mut text = "Settings are environment variables; an empty one counts as unset.\n".to_owned();
    for setting in ALL {
        let (limits, what) = (setting.limits(), setting.what());
        let separator = if what.is_empty() { "" } else { "; " };
        let line = format!("\n  {}={}\n      {limits}{separator}{what}", setting.name(), setting.default());
        text.push_str(&line.replace('`', ""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same list as a table.
    fn table() -> String {
        let rows = ALL.iter().map(|setting| {
            let default = match setting.default() {
                "" => "unset".to_owned(),
                number if number.parse::<i64>().is_ok() => number.to_owned(),
                text => format!("`{text}`"),
            };
            format!("| `{}` | {} | {default} | {} |\n", setting.name(), setting.limits(), setting.what())
                .replace("|  |", "| |")
        });
        format!("| variable | unit, limits | default | what |\n| --- | --- | --- | --- |\n{}", rows.collect::<String>())
    }

    #[test]
    fn the_readme_has_the_table_of_the_settings() {
        let readme = include_str!("../../../../README.md");
        assert!(readme.contains(&format!("\n{}\n", table())), "the README's table must be:\n\n{}", table());
    }

    #[test]
    fn help_names_every_setting_with_its_default() {
        for setting in ALL {
            assert!(help().contains(&format!("  {}={}\n", setting.name(), setting.default())), "{}", setting.name());
        }
    }
}
