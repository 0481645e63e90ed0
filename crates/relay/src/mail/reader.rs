//! Whoever a mail is written to, as they are when it is written.

use super::news::News;
use crate::account;
use crate::db::{DbError, Tx};
use crate::lang::Lang;
use autocrea_protocol::{PlanId, Subscription, SubscriptionStatus, UnixMillis, UserId};

/// A reader.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Where they are written to; unknown if they have withdrawn it meanwhile.
    pub address: Option<String>,
    /// What they are called, if that can be said in a greeting.
    pub name: Option<String>,
    /// In which language.
    pub lang: Lang,
    /// Whether promotional mails are welcome.
    pub marketing: bool,
    /// When they came.
    pub created_at: UnixMillis,
    /// Whether they have ever begun a generation.
    pub has_generated: bool,
    /// What they pay for.
    pub subscription: Subscription,
}

impl Reader {
    /// Reads them; `None` if they are gone.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn of(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<Self>, DbError> {
        let found = tx.query_opt(
            "SELECT email, COALESCE(own_name, clerk_name), locale, marketing_emails, created_at,
                 last_generation_at
             FROM people WHERE id = ?1",
            &[user],
            |row| {
                Ok(Self {
                    address: row.get(0)?,
                    name: row.get::<Option<String>>(1)?.as_deref().and_then(first_name),
                    lang: Lang::from_tag(&row.get::<String>(2)?).unwrap_or_default(),
                    marketing: row.get(3)?,
                    created_at: row.get(4)?,
                    has_generated: row.get::<Option<UnixMillis>>(5)?.is_some(),
                    subscription: Subscription::none(),
                })
            },
        )?;
        let Some(mut reader) = found else { return Ok(None) };
        reader.subscription = account::subscription(tx, user)?;
        Ok(Some(reader))
    }

    /// The plan in force.
    #[must_use]
    pub const fn plan(&self) -> &PlanId {
        &self.subscription.plan_id
    }

    /// Whether the plan goes on by itself when its period ends.
    #[must_use]
    pub fn renews(&self) -> bool {
        let runs = matches!(
            self.subscription.status,
            Some(SubscriptionStatus::Active | SubscriptionStatus::Trialing)
        );
        self.plan().is_free() || (runs && !self.subscription.cancel_at_period_end)
    }

    /// Whether they would still want to be told; if not, why.
    ///
    /// # Errors
    /// Why not, in a few words.
    pub fn wants(&self, news: &News, due: UnixMillis, now: UnixMillis) -> Result<(), &'static str> {
        /// A suggestion that comes later than this is about nothing any more.
        const STALE_MILLIS: i64 = 7 * 24 * 3_600_000;
        if news.is_promotional() && !self.marketing {
            return Err("promotional mails are not welcome");
        }
        match news {
            News::Tokens { ends_at, .. } if *ends_at <= now => Err("its tokens have ended"),
            News::Upgrade if !self.plan().is_free() => Err("they pay already"),
            News::Upgrade if now.millis_since(due) > STALE_MILLIS => Err("too late"),
            News::Onboarding { day } => {
                let age = now.millis_since(self.created_at);
                if age >= day.due_between().1 {
                    return Err("too late");
                }
                if *day == super::news::Day::Seventh && !self.plan().is_free() {
                    return Err("they pay already");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The first word of a name, if it is one: whoever signs up with somebody else's address must not be
/// able to have a message of theirs sent to it.
fn first_name(name: &str) -> Option<String> {
    const LONGEST: usize = 40;
    let word = name.split_whitespace().next()?;
    let plain = word.chars().all(|it| it.is_alphabetic() || matches!(it, '-' | '\'' | '’' | '·'));
    let starts = word.chars().next().is_some_and(char::is_alphabetic);
    (plain && starts && word.chars().count() <= LONGEST).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::first_name;

    #[test]
    fn a_greeting_names_people_and_repeats_no_message() {
        assert_eq!(first_name("  Ana María López "), Some("Ana".to_owned()));
        assert_eq!(first_name("Jean-Luc"), Some("Jean-Luc".to_owned()));
        assert_eq!(first_name("Núria"), Some("Núria".to_owned()));
        assert_eq!(first_name("https://example.org/win"), None);
        assert_eq!(first_name("win.example.org"), None);
        assert_eq!(first_name("<b>Ana</b>"), None);
        assert_eq!(first_name(&"a".repeat(41)), None);
        assert_eq!(first_name(" "), None);
    }
}
