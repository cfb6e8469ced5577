//! What is asked of MySQL and Kafka, and what has come of it.

use tokio::sync::{Notify, watch};
use tokio::time::Interval;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    MySql,
    Kafka,
}

const ALL: [System; 2] = [System::MySql, System::Kafka];

/// What the questions to one system have come to.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Questions that were put so far.
    put: u64,
    /// How many were, when the last one was settled.
    settled: u64,
    /// Whether that one was answered.
    answered: bool,
    /// Whether the last one is not, or took a second attempt.
    doubted: bool,
}

impl Standing {
    /// Whether a question that was put after `since` of them was answered; `None` while that is not known.
    fn outcome_since(&self, since: u64) -> Option<bool> {
        (self.settled > since).then_some(self.answered)
    }
}

/// The questions to both.
#[derive(Default)]
pub(super) struct Questions {
    standing: watch::Sender<[Standing; 2]>,
    at_once: [Notify; 2],
}

impl Questions {
    /// Completes when the next question is due: by the clock, or because somebody wants to know.
    pub(super) async fn due(&self, system: System, tick: &mut Interval) {
        tokio::select! {
            _ = tick.tick() => {}
            () = self.at_once[system as usize].notified() => {}
        }
    }

    /// A question is put.
    pub(super) fn put(&self, system: System) {
        self.change(system, |standing| standing.put += 1);
    }

    /// It was not answered in time and is put again.
    pub(super) fn doubt(&self, system: System) {
        self.change(system, |standing| standing.doubted = true);
    }

    /// It was answered after all, or it was not.
    pub(super) fn settle(&self, system: System, answered: bool) {
        self.change(system, |standing| {
            *standing = Standing { settled: standing.put, answered, doubted: !answered, put: standing.put };
        });
    }

    fn change(&self, system: System, change: impl FnOnce(&mut Standing)) {
        self.standing.send_modify(|standing| change(&mut standing[system as usize]));
    }

    /// Puts a question to both at once; whether both answer it.
    pub(super) async fn ask_anew(&self) -> bool {
        let mut standing = self.standing.subscribe();
        let since = standing.borrow().map(|standing| standing.put);
        ALL.iter().for_each(|system| self.at_once[*system as usize].notify_one());
        let mut both = None;
        let known = standing.wait_for(|standing| {
            both = outcome(standing, since);
            both.is_some()
        });
        // Its sender is this value's own.
        let _ = known.await;
        both == Some(true)
    }

    /// Completes while one of them leaves a question unanswered.
    pub(super) async fn doubted(&self) {
        self.until(|standing| standing.iter().any(|standing| standing.doubted)).await;
    }

    /// Completes while neither does.
    pub(super) async fn trusted(&self) {
        self.until(|standing| standing.iter().all(|standing| !standing.doubted)).await;
    }

    async fn until(&self, is_so: impl Fn(&[Standing; 2]) -> bool) {
        let _ = self.standing.subscribe().wait_for(|standing| is_so(standing)).await;
    }
}

/// Whether both answered what was asked since; one that did not is enough.
fn outcome(standing: &[Standing; 2], since: [u64; 2]) -> Option<bool> {
    match [0, 1].map(|system| standing[system].outcome_since(since[system])) {
        [Some(false), _] | [_, Some(false)] => Some(false),
        [Some(true), Some(true)] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::System::{Kafka, MySql};
    use super::*;

    fn answer(questions: &Questions, system: System, answered: bool) {
        questions.put(system);
        questions.settle(system, answered);
    }

    #[tokio::test]
    async fn an_answer_to_an_earlier_question_says_nothing() {
        let questions = Arc::new(Questions::default());
        questions.put(Kafka);
        let asked = tokio::spawn({
            let questions = Arc::clone(&questions);
            async move { questions.ask_anew().await }
        });
        let mut never = tokio::time::interval_at(
            tokio::time::Instant::now() + Duration::from_secs(600),
            Duration::from_secs(600),
        );
        questions.due(Kafka, &mut never).await;
        questions.due(MySql, &mut never).await;
        questions.settle(Kafka, true);
        answer(&questions, MySql, true);
        tokio::task::yield_now().await;
        assert!(!asked.is_finished());
        answer(&questions, Kafka, true);
        assert!(asked.await.unwrap());
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_enough() {
        let questions = Arc::new(Questions::default());
        let asked = tokio::spawn({
            let questions = Arc::clone(&questions);
            async move { questions.ask_anew().await }
        });
        tokio::task::yield_now().await;
        answer(&questions, Kafka, false);
        assert!(!asked.await.unwrap());
    }

    #[tokio::test]
    async fn doubt_lasts_until_the_next_answer() {
        let questions = Questions::default();
        questions.trusted().await;
        questions.put(MySql);
        questions.doubt(MySql);
        questions.doubted().await;
        questions.settle(MySql, false);
        questions.doubted().await;
        answer(&questions, MySql, true);
        questions.trusted().await;
    }
}
