//! Secrets: they come from where secrets are kept, and stand in no file of the project.

use std::path::{Path, PathBuf};

use local::template::{TEXT, Template};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text of the project, with its path.
fn texts(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            let made = name == "target" || (name.starts_with('.') && !matches!(&*name, ".ci" | ".github" | ".cargo"));
            if !made && name != "node_modules" {
                texts(&path, found);
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
}

/// Runs of characters as keys have them: 32 or more, letters and digits mixed as chance mixes them.
fn keys(text: &str) -> Vec<&str> {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '=' | '_' | '-'));
    let by_chance = |run: &&str| {
        let turns = run.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
        run.len() >= 32 && turns.count() >= 6
    };
    runs.filter(by_chance).collect()
}

#[test]
fn a_key_is_known_when_it_is_seen() {
    assert_eq!(keys("secret: 'q7Zk3x9vB1mN5cT8aL2wYt6RfPdEs4Gh'").len(), 1);
    assert_eq!(keys("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567").len(), 1);
    assert!(keys("arn:aws:dynamodb, the_name_of_a_test_that_is_rather_long_2").is_empty());
}

#[test]
fn the_template_and_what_lies_beside_it_hold_no_key() {
    let mut beside = Vec::new();
    texts(&root().join("infra"), &mut beside);
    beside.retain(|(path, _)| {
        path.extension().is_some_and(|kind| ["md", "json", "toml", "yaml"].iter().any(|k| kind == *k))
    });
    assert!(beside.len() > 5);
    beside.push(("template.yaml".into(), TEXT.to_owned()));
    beside.push(("samconfig.toml".into(), std::fs::read_to_string(root().join("samconfig.toml")).unwrap()));
    for (path, text) in beside {
        assert_eq!(keys(&text), [""; 0], "{}", path.display());
    }
}

#[test]
fn a_function_is_told_where_its_secrets_are_and_none_of_them() {
    let template = Template::shipped().unwrap();
    for function in &template.functions {
        for (name, value) in &function.environment {
            let named = ["SECRET", "PASSWORD", "TOKEN", "PRIVATE"].iter().any(|word| name.contains(word));
            assert!(!named || (name == "SECRETS_ARN" && value.is_empty()), "{name} of {}", function.logical);
        }
    }
}

#[test]
fn no_file_holds_a_private_key_or_an_access_key_of_aws() {
    let mut all = Vec::new();
    texts(&root(), &mut all);
    assert!(all.len() > 300, "{}", all.len());
    // Written in two parts, for this file is among them.
    let private = concat!("PRIVATE", " KEY-----");
    for (path, text) in all {
        assert!(!text.contains(private), "{}", path.display());
        for (at, _) in text.match_indices(concat!("AKI", "A")) {
            let id: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
            let example = id.ends_with("EXAMPLE");
            assert!(id.len() != 20 || example, "{}: {id}", path.display());
        }
    }
}
