//! How far an import has got, on stderr: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows progress while it lives.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    tenths_told: u64,
    quiet: bool,
}

impl Progress {
    /// Shows how many of `total` orders have been taken.
    #[must_use]
    pub fn on_stderr(total: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} orders {msg} {eta}");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, total, done: 0, tenths_told: 0, quiet: false }
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { bar: None, total: 0, done: 0, tenths_told: 0, quiet: true }
    }

    /// Tells that so many more orders have been taken, on this day of the log.
    pub fn advance(&mut self, orders: u64, day: &str) {
        self.done += orders;
        if let Some(bar) = &self.bar {
            bar.set_message(day.to_owned());
            bar.set_position(self.done);
        } else if let Some(tenths) = (self.done * 10).checked_div(self.total)
            && !self.quiet
            && tenths > self.tenths_told
        {
            self.tenths_told = tenths;
            // Nobody may be there to read it, which is no reason to stop.
            let _ = writeln!(stderr(), "{}/{} orders, {day}", self.done, self.total);
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
