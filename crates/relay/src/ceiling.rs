//! What a generation may cost at most, before it is sent.
//!
//! One rule for `POST /api/tokens/validate`, which shows it, and for reserving, which holds it: the
//! estimated input plus the output wanted, the latter clamped to the plan's ceiling and to what is
//! left. With too little left for an answer worth having, the wish is refused.

use autocrea_protocol::Tokens;

/// Fewer tokens than this make no answer.
pub const LEAST_OUTPUT: Tokens = Tokens(256);

/// What would be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Estimated input.
    pub input: Tokens,
    /// The output that the model is allowed.
    pub output: Tokens,
    /// Whether there is enough.
    pub enough: bool,
}

impl Ceiling {
    /// `wanted` is the client's wish, if it has one; `most` the plan's; `available` what is left.
    ///
    /// A wish below [`LEAST_OUTPUT`] is kept as it is, yet [`LEAST_OUTPUT`] must be left for it.
    #[must_use]
    pub fn of(input: Tokens, wanted: Option<Tokens>, most: Tokens, available: Tokens) -> Self {
        let asked = wanted.unwrap_or(most).min(most);
        let left = available - input;
        let enough = left >= LEAST_OUTPUT;
        // Refused: the ceiling shown is what it would take.
        let output = if enough { asked.min(left) } else { asked };
        Self { input, output, enough }
    }

    /// Input and output together: the whole reserve.
    #[must_use]
    pub fn total(&self) -> Tokens {
        self.input + self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Tokens = Tokens(4_096);

    #[test]
    fn the_output_is_clamped_to_the_plan_and_to_what_is_left() {
        let plenty = Tokens(100_000);
        assert_eq!(Ceiling::of(Tokens(100), None, MOST, plenty).total(), Tokens(4_196));
        assert_eq!(Ceiling::of(Tokens(100), Some(Tokens(9_000)), MOST, plenty).output, MOST);
        let tight = Ceiling::of(Tokens(100), None, MOST, Tokens(1_000));
        assert_eq!((tight.total(), tight.enough), (Tokens(1_000), true));
    }

    #[test]
    fn with_under_256_left_for_output_it_is_refused() {
        assert!(Ceiling::of(Tokens(100), None, MOST, Tokens(356)).enough);
        let refused = Ceiling::of(Tokens(100), None, MOST, Tokens(355));
        assert!(!refused.enough);
        assert_eq!(refused.total(), Tokens(4_196));
    }

    #[test]
    fn a_small_wish_holds_no_more_than_itself_and_is_refused_where_any_other_is() {
        let small = Ceiling::of(Tokens(100), Some(Tokens(10)), MOST, Tokens(356));
        assert_eq!((small.total(), small.enough), (Tokens(110), true));
        assert!(!Ceiling::of(Tokens(100), Some(Tokens(10)), MOST, Tokens(355)).enough);
    }
}
