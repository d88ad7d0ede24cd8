//! The documents as Markdown: their fenced blocks, headings and links.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A document.
pub(crate) struct Page {
    /// Its path in the repository.
    pub(crate) name: String,
    /// Its text without fenced blocks.
    prose: String,
    /// Its fenced blocks.
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block.
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    /// The number of its first line.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The folders that have documents.
const FOLDERS: [&str; 5] = ["", "docs", "airflow_plugin", "tests/cluster", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All of them.
pub(crate) fn all() -> Vec<Page> {
    let mut names: Vec<String> = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(root().join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "md") {
                let name = path.strip_prefix(root()).expect("below the root");
                names.push(name.to_str().expect("a name").to_owned());
            }
        }
    }
    names.sort();
    names.into_iter().map(Page::read).collect()
}

impl Page {
    fn read(name: String) -> Self {
        let text = fs::read_to_string(root().join(&name)).expect(&name);
        let (mut prose, mut blocks) = (String::new(), Vec::<Block>::new());
        let mut open: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            let fence: String = line.trim_start().chars().take_while(|c| *c == '`').collect();
            match (&open, fence.len() >= 3) {
                (None, true) => {
                    let language = line.trim().trim_start_matches('`').to_owned();
                    blocks.push(Block {
                        language,
                        line: number + 2,
                        text: String::new(),
                    });
                    open = Some(fence);
                }
                (Some(opened), true) if *opened == fence => open = None,
                (Some(_), _) => {
                    let block = blocks.last_mut().expect("the open one");
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, false) => {
                    prose.push_str(line);
                    prose.push('\n');
                }
            }
        }
        assert!(open.is_none(), "{name}: a fenced block is not closed");
        Self { name, prose, blocks }
    }

    /// Where its links lead.
    pub(crate) fn links(&self) -> Vec<String> {
        let prose = without_code(&self.prose);
        let targets = prose.split("](").skip(1);
        targets
            .map(|rest| rest.split(')').next().unwrap_or_default().trim().to_owned())
            .collect()
    }

    /// What a link may name behind `#`, as GitHub makes it.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        for heading in headings.map(|line| line.trim_start_matches('#').trim()) {
            let slug: String = heading
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            let before = anchors.iter().filter(|a| **a == slug).count();
            anchors.push(if before == 0 { slug } else { format!("{slug}-{before}") });
        }
        anchors
    }

    /// The file that a link of this page means.
    pub(crate) fn resolve(&self, target: &str) -> PathBuf {
        let folder = Path::new(&self.name).parent().unwrap_or(Path::new(""));
        let mut path = PathBuf::new();
        for part in folder.join(target).components() {
            if part == std::path::Component::ParentDir {
                assert!(path.pop(), "{}: {target} leaves the repository", self.name);
            } else {
                path.push(part);
            }
        }
        path
    }
}

/// The text with nothing in its spans of code: they hold no links, but links hold them.
fn without_code(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let parts: Vec<&str> = paragraph.split('`').collect();
        assert!(parts.len() % 2 == 1, "a backtick is alone in: {paragraph}");
        parts.into_iter().step_by(2).collect::<Vec<_>>().join("`")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Every relative link leads to a file of the repository, and to a heading that the file has.
#[test]
fn every_link_leads_somewhere() {
    let pages = all();
    let mut seen = 0;
    for page in &pages {
        for link in page.links() {
            if ["https://", "http://", "mailto:"]
                .iter()
                .any(|scheme| link.starts_with(scheme))
            {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() {
                PathBuf::from(&page.name)
            } else {
                page.resolve(file)
            };
            assert!(root().join(&path).exists(), "{}: {link} leads nowhere", page.name);
            if !anchor.is_empty() {
                let led = pages.iter().find(|p| Path::new(&p.name) == path);
                let anchors = led.map(Page::anchors).unwrap_or_default();
                assert!(
                    anchors.iter().any(|a| a == anchor),
                    "{}: {link}: no such heading, only {anchors:?}",
                    page.name
                );
            }
        }
    }
    assert!(seen > 50, "only {seen} links were seen");
}
