//! A customer's invoices, as a person is shown them.

use super::objects::Invoice;
use super::{Stripe, StripeFault};
use autocrea_protocol::UnixMillis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stripe_billing::invoice::ListInvoice;

/// One of `GET /api/user/invoices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceLine {
    /// As printed on it.
    pub number: Option<String>,
    /// When it was made.
    pub date: UnixMillis,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// Stripe's word.
    pub status: Option<String>,
    /// Stripe's page of it.
    pub hosted_url: Option<String>,
    /// The PDF.
    pub pdf_url: Option<String>,
}

impl Stripe {
    /// The customer's invoices, newest first; drafts are nobody's business yet.
    ///
    /// # Errors
    /// As every call.
    pub async fn invoices(&self, customer: &str) -> Result<Vec<InvoiceLine>, StripeFault> {
        let request = ListInvoice::new().customer(customer).limit(100);
        let line = |invoice: Invoice| {
            let theirs = invoice.customer.as_ref().is_none_or(|it| it.is(customer));
            let shown = theirs && invoice.status.as_deref() != Some("draft");
            shown.then(|| InvoiceLine {
                number: invoice.number,
                date: UnixMillis::from_secs(invoice.created),
                amount: invoice.total,
                currency: invoice.currency,
                status: invoice.status,
                hosted_url: invoice.hosted_invoice_url,
                pdf_url: invoice.invoice_pdf,
            })
        };
        let all = self.all("invoices", &request, line).await?;
        let mut lines: Vec<InvoiceLine> = all.into_iter().flatten().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.date));
        Ok(lines)
    }
}
