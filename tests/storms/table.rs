//! What came of many runs, a line for each kind of fault.

use std::{collections::BTreeMap, fmt};

use crate::run::Report;

/// The sums.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<&'static str, Row>);

#[derive(Debug, Default, Clone, Copy)]
struct Row([u64; COLUMNS.len()]);

const COLUMNS: [&str; 9] = [
    "runs",
    "lines expected",
    "lost",
    "repeated",
    "wrong",
    "wrong code",
    "gaps told",
    "left behind",
    "reconnects",
];

impl Table {
    pub(crate) fn add(&mut self, report: &Report) {
        let row = self.0.entry(report.kind.name()).or_default();
        let found = &report.difference;
        row.add([
            1,
            found.expected,
            found.lost,
            found.repeated,
            found.wrong,
            u64::from(report.code != Some(report.expected_code)),
            report.gaps,
            report.left.len() as u64,
            report.reconnects,
        ]);
    }
}

impl Row {
    fn add(&mut self, more: [u64; COLUMNS.len()]) {
        self.0.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}", "kind")?;
        COLUMNS.iter().try_for_each(|name| write!(f, "  {name}"))?;
        writeln!(f)?;
        let mut all = Row::default();
        self.0.values().for_each(|row| all.add(row.0));
        for (kind, row) in self.0.iter().chain([(&"all", &all)]) {
            write!(f, "{kind:<12}")?;
            for (name, sum) in COLUMNS.iter().zip(row.0) {
                write!(f, "  {sum:>width$}", width = name.len())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
