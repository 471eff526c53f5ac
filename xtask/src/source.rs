//! A rough reading of Rust source: enough for tidiness, no parser.

/// Lines of code with their number from 1, what follows `//` cut off. A `//` inside a string cuts too much, which can hide
/// a finding but never makes one up.
pub fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// Whether `word` stands in `line` with no identifier character on either side.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a file defines a function of this name.
pub fn defines_function(text: &str, name: &str) -> bool {
    let head = format!("fn {name}");
    code_lines(text).any(|(_, line)| has_word(line, &head))
}

/// The modules that a file declares for its tests only: `#[cfg(test)]`, then `mod name;`.
pub fn test_modules(text: &str) -> impl Iterator<Item = &str> {
    let pairs = text.lines().zip(text.lines().skip(1));
    let tests = pairs.filter(|(attribute, _)| attribute.trim() == "#[cfg(test)]");
    tests.filter_map(|(_, line)| line.trim().strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name))
}

/// A file without its inline test module, which by custom stands last.
pub fn without_tests(text: &str) -> &str {
    let start = text.find("#[cfg(test)]\nmod tests {");
    start.map_or(text, |start| &text[..start])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_ends() {
        assert!(has_word("use rand::Rng;", "rand"));
        assert!(!has_word("let operand = 1;", "rand"));
        assert!(!has_word("random()", "rand"));
    }

    #[test]
    fn comments_are_no_code() {
        let lines: Vec<_> = code_lines("a // b\n// c").collect();
        assert_eq!(lines, [(1, "a "), (2, "")]);
    }

    #[test]
    fn finds_functions_by_their_whole_name() {
        assert!(defines_function("    async fn kill_leader() {", "kill_leader"));
        assert!(!defines_function("fn kill_leader_twice() {}", "kill_leader"));
        assert!(!defines_function("// fn kill_leader()", "kill_leader"));
    }

    #[test]
    fn tells_tests_from_the_product() {
        let text = "#[cfg(test)]\nmod far;\nmod near;\n#[cfg(test)]\nmod tests {\n}";
        assert_eq!(test_modules(text).collect::<Vec<_>>(), ["far"]);
        assert_eq!(without_tests(text), "#[cfg(test)]\nmod far;\nmod near;\n");
    }
}
