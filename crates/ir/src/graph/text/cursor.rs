//! A cursor over one line of text.

/// What is left of a line.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of a line; a comment at its end is cut off.
    pub(super) fn new(line: &'a str) -> Cursor<'a> {
        let (mut quoted, mut escaped) = (false, false);
        for (at, c) in line.char_indices() {
            match c {
                ';' if !quoted => return Cursor { rest: &line[..at] },
                '"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = quoted && c == '\\' && !escaped;
        }
        Cursor { rest: line }
    }

    /// Whether nothing but space is left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.trim_start().is_empty()
    }

    /// Nothing may be left.
    pub(super) fn done(&self) -> Result<(), String> {
        if self.is_done() { Ok(()) } else { Err(format!("unexpected {}", self.found())) }
    }

    /// Whether a mark stands next.
    pub(super) fn sees(&self, mark: &str) -> bool {
        self.rest.trim_start().starts_with(mark)
    }

    /// Steps over a mark, if it stands next.
    pub(super) fn take(&mut self, mark: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Steps over a mark.
    pub(super) fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(format!("expected {mark}, found {}", self.found())) }
    }

    /// A word of letters, digits and underscores; may be empty.
    pub(super) fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.run(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// A word that is there.
    pub(super) fn some_word(&mut self, what: &str) -> Result<&'a str, String> {
        match self.word() {
            "" => Err(format!("expected {what}, found {}", self.found())),
            word => Ok(word),
        }
    }

    /// A number.
    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        self.rest = self.rest.trim_start();
        let digits = self.run(|c| c.is_ascii_digit() || c == '-');
        digits.parse().map_err(|_| {
            if digits.is_empty() {
                format!("expected {what}, found {}", self.found())
            } else {
                format!("{digits} is no {what}")
            }
        })
    }

    /// A value as raw text: up to a comma or closing brace outside of brackets.
    pub(super) fn raw_value(&mut self) -> &'a str {
        let mut depth = 0usize;
        let end = self.rest.find(|c| {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == '}' || (c == ',' && depth == 0)
        });
        let (value, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        value.trim()
    }

    /// A name in quotes, if one stands next.
    pub(super) fn quoted(&mut self) -> Result<Option<String>, String> {
        if !self.take("\"") {
            return Ok(None);
        }
        let mut name = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Ok(Some(name));
                }
                '\\' => name.push(escaped(&mut chars)?),
                _ => name.push(c),
            }
        }
        Err("a name has no closing quote".to_string())
    }

    /// What stands next, for messages.
    pub(super) fn found(&self) -> String {
        match self.rest.trim_start() {
            "" => "the end of the line".to_string(),
            rest => format!("{:?}", rest.chars().take(20).collect::<String>()),
        }
    }

    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }
}

/// The character behind a backslash.
fn escaped(chars: &mut std::str::Chars) -> Result<char, String> {
    match chars.next() {
        Some(c @ ('"' | '\\')) => Ok(c),
        Some('u') => {
            let code = chars.as_str().strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (hex, rest) = code.ok_or("expected {..} behind \\u")?;
            let c = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
            *chars = rest.chars();
            c.ok_or_else(|| "\\u{..} is no character".to_string())
        }
        _ => Err("unknown escape in a name".to_string()),
    }
}
