//! Counting what a generation uses while it runs.
//!
//! What the model reports at the end of a whole answer is taken as it is. Where there is no such
//! report (a model that gives none, a creator who stops, a model that is stopped at its ceiling)
//! our own count stands: the model's tokenizer's where there is one, else the documented estimate.
//! Whatever counts, usage adds up to what is charged and never to
//! more than what was reserved.

use crate::ceiling::Ceiling;
use crate::counter::Counter;
use crate::joxcoder::{Batch, Ending};
use autocrea_protocol::Tokens;
use autocrea_protocol::counting::BYTES_PER_TOKEN;
use autocrea_protocol::generation::Usage;

/// No text has more bytes to a token than this on the average, long indentation included; beyond
/// it a model has certainly passed its ceiling, however few events it sent.
const MOST_BYTES_PER_TOKEN: i64 = 16;
/// So that the bound above means nothing for an answer of a few tokens.
const BYTES_OF_GRACE: i64 = 512;

/// The count of one generation.
#[derive(Debug)]
pub struct Meter {
    ceiling: Ceiling,
    counter: Counter,
    bytes: i64,
    pieces: i64,
    /// What was said, if it can be counted exactly; no longer than [`Meter::is_over`] lets it be.
    said: String,
    counted: Option<Tokens>,
}

impl Meter {
    /// Nothing has been said yet.
    #[must_use]
    pub const fn new(ceiling: Ceiling, counter: Counter) -> Self {
        Self { ceiling, counter, bytes: 0, pieces: 0, said: String::new(), counted: None }
    }

    /// Counts what was said.
    pub fn hear(&mut self, batch: &Batch) {
        let bytes = i64::try_from(batch.text.len()).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.counter.is_exact() {
            self.said.push_str(&batch.text);
        }
        self.pieces = self.pieces.saturating_add(i64::try_from(batch.pieces).unwrap_or(i64::MAX));
    }

    /// Whether nothing has been said.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the model has certainly said more than it was allowed. An event carries a token or
    /// more, so a model that obeys never sends more events than tokens; a server that cuts tokens
    /// into several events is told apart by the estimate, which must be over as well.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let most = self.ceiling.output.get();
        (self.pieces > most && self.estimate() > self.ceiling.output)
            || self.bytes > most.saturating_mul(MOST_BYTES_PER_TOKEN).saturating_add(BYTES_OF_GRACE)
    }

    /// Whether a whole answer is longer than was allowed: by the model's own count, where it gave
    /// one.
    #[must_use]
    pub fn went_over(&self, ending: &Ending) -> bool {
        let reported = ending.usage.output.map(Tokens);
        reported.map_or_else(|| self.is_over(), |output| output > self.ceiling.output)
    }

    /// What a whole answer used: the model's own counts where it gave them.
    pub async fn whole(&mut self, ending: &Ending) -> Usage {
        if ending.usage.output.is_none() {
            self.count().await;
        }
        let input = ending.usage.input.map_or(self.ceiling.input, Tokens);
        let output = ending.usage.output.map_or_else(|| self.own_output(), Tokens);
        self.bounded(input, output)
    }

    /// What an answer used that was stopped on the way. What a model has reported of its output by
    /// then is not its last word, so our own count stands.
    pub async fn stopped(&mut self, ending: &Ending) -> Usage {
        self.count().await;
        let input = ending.usage.input.filter(|input| *input > 0);
        self.bounded(input.map_or(self.ceiling.input, Tokens), self.own_output())
    }

    /// Counts exactly what was said, where that can be done.
    async fn count(&mut self) {
        if self.counter.is_exact() {
            self.counted = Some(self.counter.text(self.said.clone()).await);
        }
    }

    fn estimate(&self) -> Tokens {
        let per_token = i64::try_from(BYTES_PER_TOKEN).unwrap_or(1);
        Tokens(self.bytes.saturating_add(per_token - 1) / per_token)
    }

    fn own_output(&self) -> Tokens {
        self.counted.unwrap_or_else(|| self.estimate()).min(self.ceiling.output)
    }

    /// Within the reserve; where it is more than that, the output is what was allowed of it at most, and
    /// the input the rest.
    fn bounded(&self, input: Tokens, output: Tokens) -> Usage {
        let reserve = self.ceiling.total();
        let (input, output) = (input.at_least_zero().min(reserve), output.at_least_zero());
        if output <= reserve - input {
            return Usage { input_tokens: input, output_tokens: output };
        }
        let output = output.min(self.ceiling.output);
        Usage { input_tokens: input.min(reserve - output), output_tokens: output }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joxcoder::Reported;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    fn meter(max_output: i64) -> Meter {
        let ceiling = Ceiling { input: Tokens(10), output: Tokens(max_output), enough: true };
        Meter::new(ceiling, Counter::Estimate)
    }

    fn piece(text: &str) -> Batch {
        Batch { text: text.into(), pieces: 1 }
    }

    fn reported(input: Option<i64>, output: Option<i64>) -> Ending {
        Ending { usage: Reported { input, output }, ..Ending::default() }
    }

    #[tokio::test]
    async fn an_explicit_zero_is_charged_as_zero_and_silence_as_our_own_count() {
        let mut meter = meter(300);
        meter.hear(&piece("nueve bytes"));
        let zero = meter.whole(&reported(Some(0), Some(0))).await;
        assert_eq!(zero, Usage { input_tokens: Tokens(0), output_tokens: Tokens(0) });
        let own = meter.whole(&reported(None, None)).await;
        assert_eq!(own, Usage { input_tokens: Tokens(10), output_tokens: Tokens(4) });
    }

    #[tokio::test]
    async fn a_count_beyond_all_reason_costs_the_reserve_and_hides_no_output() {
        let mut meter = meter(300);
        meter.hear(&piece("hola"));
        for (given, kept) in
            [((10_000, 5), (305, 5)), ((10_000, 10_000), (10, 300)), ((5, 9_000), (5, 300))]
        {
            let usage = meter.whole(&reported(Some(given.0), Some(given.1))).await;
            let (input_tokens, output_tokens) = (Tokens(kept.0), Tokens(kept.1));
            assert_eq!(usage, Usage { input_tokens, output_tokens }, "{given:?}");
        }
    }

    #[test]
    fn a_model_that_obeys_is_never_stopped_whatever_its_tokens_look_like() {
        for text in ["x", "abc", "                "] {
            let mut meter = meter(256);
            (0..256).for_each(|_| meter.hear(&piece(text)));
            assert!(!meter.is_over(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_model_that_does_not_stop_is_over_in_small_pieces_and_in_large_ones() {
        let mut small = meter(256);
        (0..300).for_each(|_| small.hear(&piece("hola ")));
        assert!(small.is_over());
        let mut large = meter(256);
        (0..6).for_each(|_| large.hear(&piece(&"x".repeat(1000))));
        assert!(large.is_over());
        assert_eq!(large.stopped(&Ending::default()).await.output_tokens, Tokens(256));
    }

    #[test]
    fn a_whole_answer_went_over_by_the_models_count_or_else_by_ours() {
        let mut meter = meter(20);
        assert!(!meter.went_over(&reported(None, Some(20))));
        assert!(meter.went_over(&reported(None, Some(21))));
        (0..100).for_each(|_| meter.hear(&piece("hola ")));
        assert!(meter.went_over(&reported(None, None)));
        assert!(!meter.went_over(&reported(None, Some(20))));
    }

    proptest! {
        #[test]
        fn whatever_is_reported_no_more_than_the_reserve_is_used(
            input in proptest::option::of(any::<i64>()), output in proptest::option::of(any::<i64>()),
            said in 0_usize..3000, max_output in 1_i64..500,
        ) {
            let mut meter = meter(max_output);
            meter.hear(&piece(&"x".repeat(said)));
            let ending = reported(input, output);
            let whole = meter.whole(&ending).now_or_never().expect("an estimate is at once");
            let stopped = meter.stopped(&ending).now_or_never().expect("an estimate is at once");
            for usage in [whole, stopped] {
                prop_assert!(usage.input_tokens >= Tokens::ZERO && usage.output_tokens >= Tokens::ZERO);
                prop_assert!(usage.input_tokens + usage.output_tokens <= Tokens(10 + max_output));
            }
        }
    }
}
