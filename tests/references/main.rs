//! What the documents and the comments refer to exists: files, tests, headings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What people read.
const DOCUMENTS: [&str; 5] =
    ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/protocol.md", "docs/protocol-tests.md"];

/// Where the README promises to end.
const README_LINES_MAX: usize = 250;

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 3] = ["target", ".git", ".local"];

/// A name with one of these endings is a file's.
const ENDINGS: [&str; 9] = [".rs", ".sql", ".lua", ".md", ".toml", ".yml", ".conf", ".svg", ".csv"];

/// Short names that `docs/protocol-tests.md` gives to crates.
const CRATES: [(&str, &str); 4] = [
    ("worker/", "crates/pg-notify-worker/"),
    ("consumer/", "crates/kafka-consumer/"),
    ("api/", "crates/api/"),
    ("common/", "crates/common/"),
];

/// How comments cite the protocol.
const CITATION: &str = "docs/protocol.md, \"";

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("it is a folder of the repository").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file and folder of the repository, by its path from the root.
fn tree() -> BTreeSet<String> {
    fn add(folder: &Path, root: &Path, tree: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("it can be read")) {
            let path = entry.path();
            let name = entry.file_name();
            // `app` leads back to the root.
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) || FOREIGN.iter().any(|foreign| name == *foreign) {
                continue;
            }
            let from_root = path.strip_prefix(root).expect("it is below the root");
            tree.insert(from_root.to_str().expect("names are ASCII").to_owned());
            if path.is_dir() {
                add(&path, root, tree);
            }
        }
    }
    let (root, mut tree) = (root(), BTreeSet::new());
    add(&root, &root, &mut tree);
    tree
}

/// The words between backticks, each to its first blank; fenced blocks are commands and pictures.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    let prose = document.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    });
    let words = prose.flat_map(|line| line.split('`').skip(1).step_by(2));
    words.filter_map(|words| words.split(' ').next()).filter(|word| !word.is_empty())
}

/// Whether a word names a file of ours, or a folder of the root.
fn names_a_file(word: &str, tree: &BTreeSet<String>) -> bool {
    let is_plain = word.chars().all(|char| char.is_ascii_alphanumeric() || "/._-".contains(char));
    let first = word.split('/').next().expect("there is one");
    let is_below_the_root = word.contains('/') && tree.contains(first) && !word.starts_with(".local");
    is_plain
        && !word.starts_with(['/', '-'])
        && (is_below_the_root || ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

/// The one file that a word means: its path from the root, or the end of it.
fn exists(word: &str, tree: &BTreeSet<String>) -> bool {
    let word = word.trim_end_matches('/');
    tree.iter().any(|path| path == word || path.strip_suffix(word).is_some_and(|rest| rest.ends_with('/')))
}

/// Spells out a short name of a crate.
fn spelled_out(word: &str) -> String {
    let is_short = |(short, _): &&(&str, &str)| word.starts_with(short);
    CRATES.iter().find(is_short).map_or_else(|| word.to_owned(), |(short, long)| word.replacen(short, long, 1))
}

#[test]
fn every_file_that_a_document_names_exists() {
    let tree = tree();
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let words = quoted(&text).map(|word| word.trim_end_matches([':', ',']));
        missing.extend(
            words
                .filter(|word| names_a_file(word, &tree) && !exists(word, &tree) && !exists(&spelled_out(word), &tree))
                .map(|word| format!("{document}: {word}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_between_documents_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let folder = Path::new(document).parent().expect("a document is in a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { PathBuf::from(document) } else { folder.join(file) };
            let Ok(target) = fs::read_to_string(root().join(&target)) else {
                broken.push(format!("{document}: {link}"));
                continue;
            };
            if !heading.is_empty() && !headings(&target).any(|title| anchor(title) == heading) {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn headings(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
}

/// How GitHub spells a heading in a link.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase().replace(' ', "-");
    heading.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect()
}

#[test]
fn every_test_that_the_map_names_exists() {
    let mut missing = Vec::new();
    for row in read("docs/protocol-tests.md").lines().filter(|line| line.starts_with("| ")) {
        let mut file = String::new();
        for word in quoted(row) {
            if word.ends_with(".rs") {
                file = read(&spelled_out(word));
            } else if word.matches('_').count() > 1 && !file.is_empty() && !file.contains(&format!("fn {word}(")) {
                missing.push(word.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_heading_of_the_protocol_that_a_comment_cites_exists() {
    let protocol = read("docs/protocol.md");
    let titles: BTreeSet<_> = headings(&protocol).collect();
    let mut wrong = Vec::new();
    for path in
        tree().into_iter().filter(|path| path.ends_with(".rs") || path.ends_with(".sql") || path.ends_with(".lua"))
    {
        // This file spells the citation out without a heading.
        if path == "tests/references/main.rs" {
            continue;
        }
        for (at, line) in read(&path).lines().enumerate() {
            if line.contains("DESIGN") {
                wrong.push(format!("{path}:{}: nobody who reads this has a DESIGN", at + 1));
            }
            for cited in line.split(CITATION).skip(1).filter_map(|rest| rest.split('"').next()) {
                if !titles.contains(cited) {
                    wrong.push(format!("{path}:{}: {cited}", at + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "{lines} lines");
}
