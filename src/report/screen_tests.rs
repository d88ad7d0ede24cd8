//! When the status line is there, and what comes before it goes.

use std::io::{Read as _, Seek as _};

use super::*;
use crate::core::progress::Phase;

const RUNNING: Progress = Progress {
    phase: Phase::Running,
    wanted: Some(1),
    active: 1,
    succeeded: 0,
    failed: 0,
    lines: 0,
};

struct Seen {
    screen: Screen,
    file: File,
    read: u64,
}

impl Seen {
    fn new(stdout: Stdout) -> Self {
        let file = tempfile::tempfile().unwrap();
        let face = Face {
            status_line: true,
            ..Face::default()
        };
        let screen = Screen::new(Some(file.try_clone().unwrap()), face, Instant::now());
        screen.lock().stdout = stdout;
        Self { screen, file, read: 0 }
    }

    /// What has come to the terminal since the last look; the line's own words are not minded.
    fn news(&mut self) -> String {
        let mut text = String::new();
        self.file.seek(std::io::SeekFrom::Start(self.read)).unwrap();
        self.file.read_to_string(&mut text).unwrap();
        self.read += text.len() as u64;
        text.replace("\r\x1b[2K", "<clear>").replace(", 0/1 done, 1 active", "")
    }

    fn write(&mut self, bytes: &str) {
        let file = self.file.try_clone().unwrap();
        self.screen
            .stdout(bytes.as_bytes(), || write_all(&mut &file, bytes.as_bytes()).unwrap());
    }

    async fn pass(&self, millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
        self.screen.draw();
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_before_log_bytes_and_comes_back_after_a_pause() {
    let mut seen = Seen::new(Stdout::Terminal);
    seen.screen.show(Some(RUNNING));
    seen.screen.draw();
    assert_eq!(seen.news(), "kjo: [0:00] running, 0 lines");
    seen.write("a\n");
    seen.pass(100).await;
    seen.write("b\n");
    seen.pass(999).await;
    assert_eq!(seen.news(), "<clear>a\nb\n", "while bytes flow it stays away");
    seen.pass(1).await;
    assert_eq!(seen.news(), "kjo: [0:01] running, 0 lines");
    seen.screen.show(None);
    assert_eq!(seen.news(), "<clear>");
    seen.pass(5000).await;
    assert_eq!((seen.news(), seen.screen.due()), (String::new(), None));
}

#[tokio::test(start_paused = true)]
async fn it_never_stands_behind_half_a_line() {
    let mut seen = Seen::new(Stdout::Terminal);
    seen.screen.show(Some(RUNNING));
    seen.write("10%");
    seen.pass(60_000).await;
    assert_eq!(seen.news(), "10%");
    seen.screen.say("kjo: a word\n", false);
    assert_eq!(
        seen.news(),
        "\nkjo: a word\nkjo: [1:00] running, 0 lines",
        "a line of its own"
    );
    seen.write(" 20%\n");
    assert_eq!(seen.news(), "<clear> 20%\n");

    let mut seen = Seen::new(Stdout::Piped);
    seen.screen.show(Some(RUNNING));
    seen.write("10%");
    seen.pass(1000).await;
    seen.screen.say("kjo: a word\n", false);
    assert_eq!(
        seen.news(),
        "10%kjo: a word\n",
        "what a pipe does with it is its own affair"
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_drawn_when_something_changes_and_ten_times_a_second_at_most() {
    let mut seen = Seen::new(Stdout::Unseen);
    seen.screen.show(Some(RUNNING));
    seen.screen.draw();
    seen.news();
    assert_eq!(seen.screen.due(), Some(Duration::from_secs(1)), "for the clock");
    for lines in 1..100 {
        seen.screen.show(Some(Progress { lines, ..RUNNING }));
        seen.pass(1).await;
    }
    assert_eq!(
        (seen.news(), seen.screen.due()),
        (String::new(), Some(Duration::from_millis(1)))
    );
    seen.pass(1).await;
    assert_eq!(seen.news(), "<clear>kjo: [0:00] running, 99 lines");
    seen.pass(100).await;
    assert_eq!(seen.news(), "", "nothing is new");
    seen.pass(800).await;
    assert_eq!(seen.news(), "<clear>kjo: [0:01] running, 99 lines");
    seen.write("in a file\n");
    assert_eq!(seen.news(), "in a file\n", "where it disturbs nothing it stays");
}

#[tokio::test(start_paused = true)]
async fn without_a_status_line_nothing_but_lines_is_written() {
    let mut seen = Seen::new(Stdout::Terminal);
    seen.screen.lock().status = None;
    seen.screen.show(Some(RUNNING));
    seen.pass(5000).await;
    seen.screen.say("kjo: a word\n", false);
    seen.write("half");
    seen.screen.say("kjo: a word\n", false);
    assert_eq!(
        (seen.news(), seen.screen.due()),
        ("kjo: a word\nhalfkjo: a word\n".to_owned(), None)
    );
}
