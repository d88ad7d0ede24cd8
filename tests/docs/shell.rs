//! Enough of a shell's grammar to find the commands in a document.

/// The commands of a script, each as its words, those within `$(…)` too. Redirections, comments and the lines
/// of here-documents are none.
pub(crate) fn commands(script: &str) -> Vec<Vec<String>> {
    let mut reader = Reader {
        rest: script.chars().peekable(),
        word: None,
        words: Vec::new(),
        redirected: false,
        here: false,
        ends: Vec::new(),
        found: Vec::new(),
    };
    reader.read();
    reader.found
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    word: Option<String>,
    words: Vec<String>,
    /// The next word is a file, or the end of a here-document.
    redirected: bool,
    here: bool,
    ends: Vec<String>,
    found: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(c) = self.rest.next() {
            match c {
                '\n' => {
                    self.end_command();
                    self.skip_documents();
                }
                ' ' | '\t' => self.end_word(),
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                ';' | '|' | '&' | '(' | ')' => self.end_command(),
                '<' | '>' => self.redirect(c),
                '\\' => {
                    if let Some(next) = self.rest.next().filter(|next| *next != '\n') {
                        self.push(next);
                    }
                }
                '\'' => {
                    self.push_str("");
                    while let Some(inside) = self.rest.next().filter(|c| *c != '\'') {
                        self.push(inside);
                    }
                }
                '"' => self.quoted(),
                '$' => self.dollar(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn push_str(&mut self, text: &str) {
        self.word.get_or_insert_default().push_str(text);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.here) {
            self.ends.push(word);
        } else if !std::mem::take(&mut self.redirected) {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.found.push(std::mem::take(&mut self.words));
        }
    }

    fn redirect(&mut self, first: char) {
        // The number of the file that is redirected.
        if self
            .word
            .as_ref()
            .is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word();
        let mut all = String::from(first);
        while let Some(next) = self.rest.next_if(|c| "<>&-".contains(*c)) {
            all.push(next);
        }
        match all.as_str() {
            "<<" | "<<-" => self.here = true,
            _ => self.redirected = true,
        }
        while self.rest.next_if(|c| *c == ' ').is_some() {}
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.ends) {
            while self.rest.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.rest.next().filter(|c| *c != '\n') {
                    line.push(c);
                }
                if line.trim() == end {
                    break;
                }
            }
        }
    }

    fn quoted(&mut self) {
        self.push_str("");
        while let Some(c) = self.rest.next().filter(|c| *c != '"') {
            match c {
                '\\' => {
                    if let Some(next) = self.rest.next() {
                        self.push(next);
                    }
                }
                '$' => self.dollar(),
                c => self.push(c),
            }
        }
    }

    /// A variable stands for itself; what is in `$(…)` is read as a script.
    fn dollar(&mut self) {
        self.push('$');
        if self.rest.next_if_eq(&'(').is_none() {
            return;
        }
        let (mut inside, mut depth) = (String::new(), 1);
        for c in self.rest.by_ref() {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if depth == 0 {
                break;
            }
            inside.push(c);
        }
        self.found.extend(commands(&inside));
    }
}

#[test]
fn commands_are_found_as_a_shell_finds_them() {
    let found = |script: &str| -> Vec<String> { commands(script).iter().map(|words| words.join("·")).collect() };
    assert_eq!(found("a 'b  c' \"d $E\" # f\n\ng\\ h"), ["a·b  c·d $E", "g h"]);
    assert_eq!(found("a > out 2>&1 < in && b | c; (d) & e"), ["a", "b", "c", "d", "e"]);
    assert_eq!(found("a \\\n  --b '' \"\""), ["a·--b··"]);
    assert_eq!(found("x=\"$(a 'b' | c)\" d"), ["a·b", "c", "x=$·d"]);
    assert_eq!(found("cat > f <<END\na b\nEND\nc"), ["cat", "c"]);
    assert_eq!(
        found("case $x in\n 1 | 2) a ;;\nesac"),
        ["case·$x·in", "1", "2", "a", "esac"]
    );
}
