//! A progress bar on standard error for anything that takes longer than two seconds, and the Ctrl-C flag.

use crate::study::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

/// Time before a bar appears.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where stages report how far they are.
#[derive(Debug)]
pub struct Terminal {
    quiet: bool,
    bar: Mutex<Option<Stage>>,
}

#[derive(Debug)]
struct Stage {
    started: Instant,
    bar: ProgressBar,
    shown: bool,
}

impl Terminal {
    /// A terminal that shows bars unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        Terminal {
            quiet,
            bar: Mutex::new(None),
        }
    }
}

impl Watch for Terminal {
    fn begin(&self, name: &str, total: u64) {
        if self.quiet {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{msg:32} [{bar:40}] {percent:>3} %  {eta:>4} left")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name.to_owned());
        self.end();
        if let Ok(mut slot) = self.bar.lock() {
            *slot = Some(Stage {
                started: Instant::now(),
                bar,
                shown: false,
            });
        }
    }

    fn advance(&self, units: u64) {
        let Ok(mut slot) = self.bar.lock() else {
            return;
        };
        if let Some(stage) = slot.as_mut() {
            stage.bar.inc(units);
            if !stage.shown && stage.started.elapsed() > PATIENCE {
                stage.shown = true;
                stage
                    .bar
                    .set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            }
        }
    }

    fn end(&self) {
        if let Ok(mut slot) = self.bar.lock()
            && let Some(stage) = slot.take()
        {
            stage.bar.finish_and_clear();
        }
    }
}

/// A flag that Ctrl-C raises; a second Ctrl-C ends the program at once.
pub fn interrupt_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    // A handler can be set only once per process; without one, Ctrl-C simply ends the program.
    let _ = ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    flag
}
