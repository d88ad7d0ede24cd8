//! What the line says in terminals of some widths.

use super::*;

const RUNNING: Progress = Progress {
    phase: Phase::Running,
    wanted: Some(1),
    active: 1,
    succeeded: 0,
    failed: 0,
    lines: 1234,
};

/// What is to be seen after this, on a terminal of this width.
fn drawn(columns: u16, progress: &Progress, seconds: u64) -> String {
    console::set_colors_enabled(false);
    let pen = Pen::of_width(columns);
    let mut line = StatusLine::new(pen.clone());
    line.draw(progress, Duration::from_secs(seconds));
    pen.take()
}

#[test]
fn every_phase() {
    use Phase::{Creating, Deleting, Draining, Looking, NoNode, NoPod, OutOfReach, Running, Starting, Suspended};
    let phases = [
        Creating, Looking, Suspended, NoPod, NoNode, Starting, Running, OutOfReach, Draining, Deleting,
    ];
    let shown: Vec<String> = phases
        .into_iter()
        .map(|phase| drawn(80, &Progress { phase, ..RUNNING }, 12))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    kjo: [0:12] creating the Job
    kjo: [0:12] looking for the Job
    kjo: [0:12] suspended or queued, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] waiting for a pod, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] waiting for a node, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] starting, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] running, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] API server out of reach, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] reading logs, 0/1 done, 1 active, 1234 lines
    kjo: [0:12] deleting the Job, 0/1 done, 1 active, 1234 lines
    ");
}

#[test]
fn completions_make_a_bar_and_narrow_terminals_show_less() {
    let many = Progress {
        wanted: Some(8),
        active: 2,
        succeeded: 3,
        failed: 1,
        lines: 1,
        ..RUNNING
    };
    let queue = Progress { wanted: None, ..many };
    let shown: Vec<String> = [120, 80, 60, 40, 30, 20, 10]
        .into_iter()
        .map(|columns| drawn(columns, &many, 3723))
        .chain([drawn(80, &queue, 59)])
        .collect();
    for (line, columns) in shown.iter().zip([120, 80, 60, 40, 30, 20]) {
        assert!(
            line.len() + usize::from(SPARE) <= columns,
            "{line:?} on {columns} columns"
        );
    }
    insta::assert_snapshot!(shown.join("\n"), @r"
    kjo: [1:02:03] ###----- 3/8 running, 1 failed, 2 active, 1 line
    kjo: [1:02:03] ###----- 3/8 running, 1 failed, 2 active, 1 line
    kjo: [1:02:03] ###----- 3/8 running, 1 failed, 2 active
    kjo: [1:02:03] ###----- 3/8 running
    kjo: [1:02:03] 3/8 running
    kjo: [1:02:03] 3/
    kjo: [1
    kjo: [0:59] running, 3 done, 1 failed, 2 active, 1 line
    ");
}

#[test]
fn a_line_is_cleared_in_one_row_or_in_all_that_it_has_become() {
    let pen = Pen::of_width(80);
    let mut line = StatusLine::new(pen.clone());
    line.draw(&RUNNING, Duration::ZERO);
    pen.take();
    line.clear();
    assert_eq!(pen.take(), "\r\x1b[2K");
    line.clear();
    assert_eq!(pen.take(), "", "it is not there");
    line.draw(&RUNNING, Duration::ZERO);
    pen.take();
    // The user has made the window narrower, and the terminal has wrapped the line.
    pen.with(|ink| ink.columns = Some(30));
    line.clear();
    assert_eq!(pen.take(), "\r\x1b[2K\x1b[A\x1b[2K");
}
