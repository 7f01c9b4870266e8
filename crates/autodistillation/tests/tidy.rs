//! The repository keeps to ARCHITECTURE.md and to the house style: dependencies, absences, files.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LONGEST_FILE: usize = 450;
const DRAWERS: [&str; 6] = ["base", "common", "helpers", "misc", "types", "utils"];
const FACADE: &str = "autodistillation";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

// What ARCHITECTURE.md says.

fn architecture() -> String {
    read(&root().join("ARCHITECTURE.md"))
}

type Edges = BTreeMap<String, BTreeSet<String>>;

fn drawn_edges(page: &str) -> Edges {
    let (_, block) = page.split_once("```arrows\n").expect("a block of arrows");
    let (block, _) = block.split_once("```").expect("the block's end");
    let edge = |line: &str| {
        let (from, to) = line.split_once("──▶").unwrap_or_else(|| panic!("`{line}` is no arrow"));
        let to = to.split(',').map(|name| name.trim().to_owned()).filter(|name| name != "nothing");
        (from.trim().to_owned(), to.collect())
    };
    block.lines().map(edge).collect()
}

/// Folder of a crate → what is never named in it.
fn stated_absences(page: &str) -> BTreeMap<String, Vec<String>> {
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `crates/"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [folder, .., absent] = cells.as_slice() else { panic!("`{row}` has no last column") };
        (folder.trim_end_matches('`').to_owned(), quoted(absent))
    })
    .collect()
}

// What the workspace is.

fn crates() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("Cargo.toml").is_file());
    let mut names: Vec<_> =
        folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Dependencies of a crate on others of the workspace, by folder, tests and build scripts included.
fn declared_edges(folder: &str) -> BTreeSet<String> {
    let mut table = String::new();
    let mut found = BTreeSet::new();
    for line in read(&root().join("crates").join(folder).join("Cargo.toml")).lines() {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
        }
        let name = match table.split_once("dependencies.") {
            Some((_, name)) => name,
            None if table.ends_with("dependencies") => line.split(['.', ' ', '=']).next().unwrap_or_default(),
            None => continue,
        };
        match name.strip_prefix("autodistillation-") {
            Some(folder) => found.insert(folder.to_owned()),
            None if name == FACADE => found.insert(FACADE.to_owned()),
            None => false,
        };
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn all_rust_files() -> Vec<PathBuf> {
    let parts = |name: String| {
        ["src", "tests", "examples", "benches"].map(|part| root().join("crates").join(&name).join(part))
    };
    crates().into_iter().flat_map(parts).flat_map(|folder| rust_files(&folder)).collect()
}

/// The sources of a crate as they are built for users: path and code, without comments and tests.
fn product_sources(folder: &str) -> Vec<(PathBuf, String)> {
    let files = rust_files(&root().join("crates").join(folder).join("src"));
    let read: Vec<_> = files.into_iter().map(|path| (read(&path), path)).collect();
    let tests: BTreeSet<PathBuf> = read.iter().flat_map(|(text, path)| test_modules(text, path)).collect();
    let is_test = |path: &Path| path.ancestors().any(|part| tests.contains(&part.with_extension("")));
    read.into_iter().filter(|(_, path)| !is_test(path)).map(|(text, path)| (path, product(&text))).collect()
}

/// The modules that a file declares for tests alone, as paths without extension.
fn test_modules(text: &str, path: &Path) -> Vec<PathBuf> {
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    pairs.filter_map(|pair| Some(folder.join(pair[1].strip_prefix("mod ")?.strip_suffix(';')?))).collect()
}

/// The code before the tests, which stand last in a file.
fn product(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut code = String::new();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        if line == "#[cfg(test)]" {
            if lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with(';')) {
                lines.next();
                continue;
            }
            break;
        }
        code.push_str(line);
        code.push('\n');
    }
    code
}

/// Whether code names a path such as `std::fs`, on its own or in a list such as `use std::{fs, io}`.
fn names(code: &str, path: &str) -> bool {
    if code.match_indices(path).any(|(at, _)| stands_alone(code, at, path.len())) {
        return true;
    }
    let Some((parent, last)) = path.rsplit_once("::") else { return false };
    let list = format!("{parent}::{{");
    code.match_indices(&list).any(|(at, _)| {
        let (items, _) = code[at + list.len()..].split_once(';').unwrap_or_default();
        items
            .match_indices(last)
            .any(|(at, _)| stands_alone(items, at, last.len()) && !items[..at].ends_with("::"))
    })
}

fn stands_alone(code: &str, at: usize, length: usize) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    !code[..at].ends_with(is_name) && !code[at + length..].starts_with(is_name)
}

/// Every text file of the repository, by `git`; outside of a checkout, what is in the crates.
fn repository_texts() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let files = match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split_terminator('\0').map(|name| root().join(name)).collect()
        }
        _ => all_rust_files(),
    };
    files
        .into_iter()
        .filter_map(|path| Some((fs::read_to_string(&path).ok()?, path)))
        .map(|(text, path)| (path, text))
        .collect()
}

#[test]
fn the_crates_depend_on_each_other_exactly_as_drawn() {
    let declared: Edges = crates().into_iter().map(|name| (name.clone(), declared_edges(&name))).collect();
    assert_eq!(declared, drawn_edges(&architecture()));
}

#[test]
fn no_crate_names_what_it_must_not_know() {
    let absences = stated_absences(&architecture());
    assert_eq!(absences.keys().cloned().collect::<Vec<_>>(), crates(), "one row for each crate");
    let mut problems = Vec::new();
    for (folder, absent) in &absences {
        assert!(!absent.is_empty(), "crates/{folder} has no absence");
        for (path, code) in product_sources(folder) {
            let named = absent.iter().filter(|name| names(&code, name));
            problems.extend(
                named.map(|name| format!("{} names `{name}`, which ARCHITECTURE.md keeps out", shown(&path))),
            );
        }
    }
    assert_none(&problems);
}

#[test]
fn clippy_forbids_the_functions_behind_each_absence() {
    let mut problems = Vec::new();
    for (folder, absent) in stated_absences(&architecture()) {
        let path = root().join("crates").join(&folder).join("clippy.toml");
        let settings = fs::read_to_string(&path).unwrap_or_default();
        let paths: Vec<_> = settings.split("path = \"").skip(1).collect();
        let unforbidden = absent.iter().filter(|name| name.starts_with("std::"));
        let unforbidden =
            unforbidden.filter(|name| !paths.iter().any(|path| path.starts_with(name.as_str())));
        problems.extend(unforbidden.map(|name| format!("{} does not forbid `{name}`", shown(&path))));
        let reasons = paths.iter().filter(|path| path.contains("reason = \"")).count();
        assert_eq!(reasons, paths.len(), "{}: a path has no reason", shown(&path));
    }
    assert_none(&problems);
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    let kept = |folder: &String| {
        let manifest = read(&root().join("crates").join(folder).join("Cargo.toml"));
        manifest.contains("[lints]\nworkspace = true")
    };
    let without = crates().into_iter().filter(|folder| !kept(folder));
    assert_none(&without.map(|folder| format!("crates/{folder} has lints of its own")).collect::<Vec<_>>());
}

#[test]
fn libraries_neither_print_nor_leave_work_for_later() {
    let macros = ["println!", "eprintln!", "print!", "eprint!", "dbg!", "todo!", "unimplemented!"];
    let mut problems = Vec::new();
    for folder in crates().iter().filter(|folder| *folder != "cli") {
        for (path, code) in product_sources(folder) {
            let used = macros
                .iter()
                .filter(|name| code.match_indices(**name).any(|(at, _)| stands_alone(&code, at, name.len())));
            problems.extend(used.map(|name| format!("{} has `{name}`", shown(&path))));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent = all_rust_files().into_iter().filter(|path| !read(path).starts_with("//! "));
    let problems: Vec<_> =
        silent.map(|path| format!("{} does not begin with `//! `", shown(&path))).collect();
    assert_none(&problems);
}

#[test]
fn no_file_is_a_drawer() {
    let mut problems = Vec::new();
    for path in all_rust_files() {
        let names = path.strip_prefix(root()).unwrap_or(&path).components();
        let names = names.map(|name| name.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned());
        problems.extend(
            names
                .filter(|name| DRAWERS.contains(&name.as_str()))
                .map(|name| format!("{}: `{name}` says nothing", shown(&path))),
        );
    }
    assert_none(&problems);
}

#[test]
fn files_are_short_enough_to_read() {
    let lengths = all_rust_files().into_iter().map(|path| (read(&path).lines().count(), path));
    let long = lengths.filter(|(lines, _)| *lines > LONGEST_FILE);
    let problems: Vec<_> = long
        .map(|(lines, path)| format!("{} has {lines} lines, over {LONGEST_FILE}", shown(&path)))
        .collect();
    assert_none(&problems);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let folders = ["root", "work", "home", "tmp"].map(|name| format!("/{name}/"));
    let begins = |text: &str| {
        text.chars().last().is_none_or(|last| !last.is_alphanumeric() && !"._-/$}".contains(last))
    };
    let mut problems = Vec::new();
    for (path, text) in repository_texts() {
        for (line, text) in text.lines().enumerate() {
            let places = folders.iter().flat_map(|folder| text.match_indices(folder));
            let named = places.filter(|(at, _)| begins(&text[..*at]));
            problems.extend(named.map(|(_, folder)| format!("{}:{} names {folder}", shown(&path), line + 1)));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_dependency_comes_from_the_public_registry() {
    let public = concat!("source = \"registry+", "https://github.com/rust-lang/crates.io-index\"");
    let lock = read(&root().join("Cargo.lock"));
    let others = lock.lines().filter(|line| line.starts_with("source = ") && *line != public);
    assert_none(&others.map(str::to_owned).collect::<Vec<_>>());
    let settings = [concat!("replace", "-with"), concat!("index", "-url"), concat!("registry", " = \"")];
    let mut problems = Vec::new();
    for (path, text) in repository_texts() {
        let used = settings.iter().filter(|setting| text.contains(**setting));
        problems.extend(used.map(|setting| format!("{} sets `{setting}`", shown(&path))));
    }
    assert_none(&problems);
}

#[test]
fn names_are_found_on_their_own_and_in_lists() {
    for code in ["std::fs::read(path)", "use std::fs;", "use std::{fs, io};", "use std::{io,\n    fs::File};"]
    {
        assert!(names(code, "std::fs"), "{code}");
    }
    for code in ["std::fsync()", "mystd::fs_()", "use std::{io, offset};", "use std::{io::fs};"] {
        assert!(!names(code, "std::fs"), "{code}");
    }
    assert!(names("Box<dyn Criterion>", "Criterion") && !names("CriterionConfig", "Criterion"));
}

#[test]
fn product_code_is_what_stands_before_the_tests() {
    let text = "//! Says.\n#[cfg(test)]\nmod reference;\nmod simd;\n/// Documents.\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
    assert_eq!(product(text), "mod simd;\nfn a() {}\n");
    assert_eq!(test_modules(text, Path::new("src/loss.rs")), [Path::new("src/loss/reference")]);
    assert_eq!(test_modules(text, Path::new("src/lib.rs")), [Path::new("src/reference")]);
}
