//! From text to logical lines: continuation, comments, and the number of the line where each starts.

/// A logical line, lower case, with where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub number: usize,
    /// As written (for suffixes), continuation lines joined.
    pub text: String,
    /// Whether it is a `*@` line.
    pub directive: bool,
}

/// The title and the logical lines up to `.end`.
pub(super) fn split(text: &str) -> (String, Vec<Line>) {
    let mut lines = text.lines().enumerate().map(|(k, line)| (k + 1, line));
    let title = lines
        .next()
        .map_or("", |l| l.1)
        .trim()
        .trim_start_matches('*')
        .trim();
    let mut found: Vec<Line> = Vec::new();
    for (number, line) in lines {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("*@") {
            found.push(Line {
                number,
                text: rest.trim().to_owned(),
                directive: true,
            });
            continue;
        }
        if line.is_empty() || line.starts_with('*') {
            continue;
        }
        let body = line.split(';').next().unwrap_or_default();
        let body = body.split(" $").next().unwrap_or_default().trim();
        if let Some(more) = body.strip_prefix('+')
            && let Some(last) = found.iter_mut().rev().find(|l| !l.directive)
        {
            last.text.push(' ');
            last.text.push_str(more);
            continue;
        }
        if body.is_empty() {
            continue;
        }
        if body.eq_ignore_ascii_case(".end") {
            break;
        }
        found.push(Line {
            number,
            text: body.to_owned(),
            directive: false,
        });
    }
    (title.to_owned(), found)
}

/// Words of a line: separated by blanks and commas; parentheses and `=` are words of their own; `{…}` and `'…'` stay whole.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted: Option<char> = None;
    for c in text.chars() {
        match quoted {
            Some(end) => {
                word.push(c);
                if c == end {
                    quoted = None;
                }
            }
            None => match c {
                '{' => {
                    word.push(c);
                    quoted = Some('}');
                }
                '\'' => {
                    word.push(c);
                    quoted = Some('\'');
                }
                ' ' | '\t' | ',' => {
                    words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)))
                }
                '(' | ')' | '=' => {
                    words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                    words.push(c.to_string());
                }
                _ => word.push(c),
            },
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_numbered() {
        let (title, lines) = split(
            "* a title\nR1 a 0 1k ; comment\n* no\n*@ chains 3\nV1 a 0\n+ pwl(0 1,\n+ 1n {2*x})\n.END\nrubbish",
        );
        assert_eq!(title, "a title");
        let flat: Vec<(usize, &str)> = lines.iter().map(|l| (l.number, l.text.as_str())).collect();
        assert_eq!(
            flat,
            [
                (2, "R1 a 0 1k"),
                (4, "chains 3"),
                (5, "V1 a 0  pwl(0 1,  1n {2*x})")
            ]
        );
        assert_eq!(
            words(&lines[2].text),
            ["V1", "a", "0", "pwl", "(", "0", "1", "1n", "{2*x}", ")"]
        );
    }
}
