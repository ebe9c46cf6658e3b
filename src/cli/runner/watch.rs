//! What the threads of one attempt tell each other: what the command says, how far it is, and why it has to end.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::limits::{RUNNER_BATCH_LINES, RUNNER_ERROR_BYTES, RUNNER_LINES};

/// Lines of standard error that the error of a failed command quotes.
const TAIL: usize = 10;

/// Why an attempt has to end before it is done; the later ones count more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The runner ends, and its time of grace with it.
    Leave,
    /// The server wants it.
    Stop,
    /// The lease is gone: nobody takes a result.
    Lost,
    /// The runner ends at once.
    Now,
}

/// One attempt, as its threads see it.
#[derive(Debug)]
pub struct Watch {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug)]
struct State {
    order: Option<Order>,
    /// The lease counts until then, as far as is known here.
    lease: Instant,
    /// There is nothing more to report.
    done: bool,
    news: Report,
    /// Lines taken so far, and those left out since the bound was reached.
    taken: usize,
    left_out: usize,
    tail: VecDeque<String>,
}

/// What the server has not heard yet.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Report {
    /// 0 to 1.
    pub progress: Option<f64>,
    /// What goes with it.
    pub message: Option<String>,
    /// Of the log.
    pub lines: VecDeque<String>,
}

impl Watch {
    /// With a lease.
    pub fn new(lease: Duration) -> Watch {
        Watch {
            state: Mutex::new(State {
                order: None,
                lease: Instant::now() + lease,
                done: false,
                news: Report::default(),
                taken: 0,
                left_out: 0,
                tail: VecDeque::new(),
            }),
            bell: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the attempt end.
    pub fn order(&self, order: Order) {
        let mut state = self.state();
        state.order = state.order.max(Some(order));
        self.bell.notify_all();
    }

    /// Whether it has to end, and why. A lease that ran out is lost.
    pub fn ordered(&self) -> Option<Order> {
        let mut state = self.state();
        if Instant::now() > state.lease {
            state.order = state.order.max(Some(Order::Lost));
        }
        state.order
    }

    /// Whether nobody waits for a result any more.
    pub fn is_lost(&self) -> bool {
        self.ordered() >= Some(Order::Lost)
    }

    /// The lease counts from then for this long.
    pub fn renew(&self, from: Instant, lease: Duration) {
        self.state().lease = from + lease;
    }

    /// The result is with the server, or will never be.
    pub fn finish(&self) {
        self.state().done = true;
        self.bell.notify_all();
    }

    /// Wakes who waits: something outside has changed.
    pub fn ring(&self) {
        let _held = self.state();
        self.bell.notify_all();
    }

    /// Waits until there is an order, `other` holds, or the time is over.
    pub fn pause(&self, most: Duration, other: impl Fn() -> bool) {
        let idle = |state: &mut State| state.order.is_none() && !other();
        let _ = self.bell.wait_timeout_while(self.state(), most, idle);
    }

    /// Waits until there is much to report, the attempt is over, or the time is. Whether it is over.
    pub fn wait_for_news(&self, most: Duration) -> bool {
        let idle = |state: &mut State| !state.done && state.news.lines.len() < RUNNER_BATCH_LINES;
        let waited = self.bell.wait_timeout_while(self.state(), most, idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.done
    }

    /// Waits until the attempt is over, or the time is. Whether it is over.
    pub fn wait_for_end(&self, most: Duration) -> bool {
        let waited = self.bell.wait_timeout_while(self.state(), most, |state| !state.done);
        waited.unwrap_or_else(PoisonError::into_inner).0.done
    }

    /// A line for the log; those past the bound are counted only.
    pub fn line(&self, line: String, is_error: bool) {
        let mut state = self.state();
        if is_error {
            state.tail.push_back(line.clone());
            while state.tail.len() > TAIL {
                state.tail.pop_front();
            }
        }
        if state.taken >= RUNNER_LINES {
            state.left_out += 1;
            return;
        }
        state.taken += 1;
        state.news.lines.push_back(line);
        if state.news.lines.len() == RUNNER_BATCH_LINES {
            self.bell.notify_all();
        }
    }

    /// How far it is.
    pub fn progress(&self, progress: f64, message: Option<String>) {
        let mut state = self.state();
        state.news.progress = Some(progress);
        state.news.message = message;
    }

    /// What the server has not heard yet, as much as goes into one request.
    pub fn news(&self) -> Report {
        let mut state = self.state();
        let many = state.news.lines.len().min(RUNNER_BATCH_LINES);
        Report {
            progress: state.news.progress.take(),
            message: state.news.message.take(),
            lines: state.news.lines.drain(..many).collect(),
        }
    }

    /// It has not heard it: what is newer counts.
    pub fn put_back(&self, report: Report) {
        let mut state = self.state();
        for line in report.lines.into_iter().rev() {
            state.news.lines.push_front(line);
        }
        if state.news.progress.is_none() {
            state.news.progress = report.progress;
            state.news.message = report.message;
        }
    }

    /// The last lines for the log; one that says how many are missing is among them.
    pub fn last_news(&self) -> Option<VecDeque<String>> {
        let left_out = std::mem::take(&mut self.state().left_out);
        let mut lines = self.news().lines;
        if left_out > 0 {
            lines.push_back(format!("{left_out} more lines are left out"));
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// The last lines of standard error.
    pub fn tail(&self) -> String {
        let state = self.state();
        let mut text = String::new();
        for line in state.tail.iter().rev() {
            if text.len() + line.len() > RUNNER_ERROR_BYTES {
                break;
            }
            text = if text.is_empty() { line.clone() } else { format!("{line}\n{text}") };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_stronger_order_counts() {
        let watch = Watch::new(LONG);
        assert_eq!(watch.ordered(), None);
        for (given, expected) in [
            (Order::Leave, Order::Leave),
            (Order::Lost, Order::Lost),
            (Order::Stop, Order::Lost),
            (Order::Now, Order::Now),
        ] {
            watch.order(given);
            assert_eq!(watch.ordered(), Some(expected));
        }
    }

    #[test]
    fn a_lease_runs_out() {
        let watch = Watch::new(Duration::ZERO);
        let begin = Instant::now();
        watch.renew(begin, LONG);
        assert!(!watch.is_lost());
        watch.renew(begin, Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        assert!(watch.is_lost());
        watch.renew(begin, LONG);
        assert!(watch.is_lost(), "what is lost stays lost");
    }

    #[test]
    fn lines_are_bounded() {
        let watch = Watch::new(LONG);
        for number in 0..RUNNER_LINES + 7 {
            watch.line(format!("{number}"), true);
        }
        let mut heard = Vec::new();
        while let Some(lines) = watch.last_news() {
            assert!(lines.len() <= RUNNER_BATCH_LINES + 1);
            heard.extend(lines);
        }
        assert_eq!(heard.len(), RUNNER_LINES + 1);
        assert!(heard.contains(&"7 more lines are left out".to_owned()));
        assert!(watch.tail().ends_with(&format!("\n{}", RUNNER_LINES + 6)));
        assert_eq!(watch.tail().lines().count(), TAIL);
    }

    #[test]
    fn what_was_not_heard_is_said_again() {
        let watch = Watch::new(LONG);
        watch.line("a".to_owned(), false);
        watch.progress(0.1, Some("one".to_owned()));
        let first = watch.news();
        assert_eq!(first.progress, Some(0.1));
        watch.line("b".to_owned(), false);
        watch.put_back(first.clone());
        let again = watch.news();
        assert_eq!(
            (again.progress, Vec::from(again.lines)),
            (Some(0.1), vec!["a".to_owned(), "b".to_owned()])
        );
        watch.progress(0.2, None);
        watch.put_back(first);
        assert_eq!(watch.news().progress, Some(0.2));
    }
}
