//! Configuration: files and the environment.

use hansard_runtime::config::{Key, Kind};
use hansard_runtime::fuzzing as runtime;

use crate::law::refused;
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 2] = [
    Target::new("config/file", files, file).shaped(Shape::Text(&WORDS)).allowed(64 << 10, 1_024),
    Target::new("config/environment", environments, environment).shaped(Shape::Text(&WORDS)).allowed(16 << 10, 128),
];

const WORDS: [&str; 10] =
    ["listen", "shards", "plain", "seeds", "HANSARD_", "'''", "\"\"\"", "[[a.b]]", "1979-05-27T07:32:00Z", "0x_"];

/// No secrets: those would be read from whatever file an input names.
const KEYS: [Key; 4] = [
    Key::new("listen", Kind::Text),
    Key::new("shards", Kind::Number),
    Key::new("plain", Kind::Flag),
    Key::new("seeds", Kind::List),
];

fn files() -> Vec<Vec<u8>> {
    let file = "# comment\nlisten = '127.0.0.1:7000'\nshards = 12\nplain = true\nseeds = ['a:1', \"b:2\"]\n";
    vec![file.into()]
}

/// What is read has known keys only, each once.
fn file(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Seen::Refused) };
    known_keys(input, runtime::config_file(&KEYS, text))
}

fn environments() -> Vec<Vec<u8>> {
    let lines =
        "HANSARD_LISTEN=127.0.0.1:7000\nHANSARD_SHARDS=12\nHANSARD_PLAIN=true\nHANSARD_SEEDS=a:1, b:2\nHOME=/\n";
    vec![lines.into()]
}

fn environment(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Seen::Refused) };
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    known_keys(input, runtime::config_environment(&KEYS, variables))
}

fn known_keys(input: &[u8], read: Result<Vec<String>, hansard_runtime::config::ConfigError>) -> Verdict {
    match read {
        Err(error) => refused(input, &error),
        Ok(names) => match names.iter().find(|name| KEYS.iter().all(|key| key.name != *name)) {
            Some(unknown) => Err(format!("{unknown:?} is no known key")),
            None => Ok(Seen::Taken),
        },
    }
}
