//! An invoice as a page and as a small PDF; a receipt as a page.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::layout::{answer, notice, page};
use super::words::Tongue;
use crate::page::escape;
use crate::stripe::desk::Desk;
use crate::stripe::invoice::Invoice;

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let tongue = Tongue::of(None, &headers);
    match desk.peek(|books| books.invoices.get(&id).cloned()) {
        Some(invoice) => answer(StatusCode::OK, invoice_page(&invoice, tongue)),
        None => missing(tongue),
    }
}

pub(super) async fn receipt(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let tongue = Tongue::of(None, &headers);
    let Some(charge) = desk.peek(|books| books.charges.get(&id).cloned()) else {
        return missing(tongue);
    };
    let title = tongue.say("Recibo", "Receipt");
    let text = format!(
        "{} · {}",
        tongue.money(charge.amount, &charge.currency),
        tongue.day(charge.created)
    );
    answer(StatusCode::OK, notice(tongue, title, &text, None))
}

fn missing(tongue: Tongue) -> Response {
    let title = tongue.say("No existe", "Not found");
    let text = tongue
        .say("Este sandbox no conoce ese documento.", "This sandbox does not know that document.");
    answer(StatusCode::NOT_FOUND, notice(tongue, title, text, None))
}

fn invoice_page(invoice: &Invoice, tongue: Tongue) -> String {
    let lines: String = invoice
        .lines
        .iter()
        .map(|line| {
            format!(
                "<tr><td>{}<br><small>{} – {}</small></td><td>{}</td></tr>",
                escape(&line.description),
                tongue.day(line.start),
                tongue.day(line.end),
                tongue.money(line.amount, &line.currency)
            )
        })
        .collect();
    let number = invoice.number.as_deref().unwrap_or(&invoice.id);
    let body = format!(
        "<main class=\"single\"><div class=\"panel\"><h1>{title} {number}</h1>\
         <p class=\"muted\">{day} · {status}</p><table><tbody>{lines}\
         <tr><th>{due}</th><td><b>{amount}</b></td></tr></tbody></table>\
         <p><a href=\"/i/{id}/pdf\">PDF</a></p></div></main>",
        title = tongue.say("Factura", "Invoice"),
        number = escape(number),
        day = tongue.day(invoice.created),
        status = invoice.status.word(),
        due = tongue.say("Total", "Amount due"),
        amount = tongue.money(invoice.amount_due, &invoice.currency),
        id = escape(&invoice.id),
    );
    page(tongue, number, &body)
}

pub(super) async fn pdf(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(invoice) = desk.peek(|books| books.invoices.get(&id).cloned()) else {
        return missing(Tongue::of(None, &headers));
    };
    let number = invoice.number.clone().unwrap_or_else(|| invoice.id.clone());
    let mut text = vec![format!("AUTOCREA sandbox - invoice {number}"), String::new()];
    for line in &invoice.lines {
        let amount = Tongue::En.money(line.amount, &line.currency).replace('−', "-");
        text.push(format!("{}   {amount}", line.description.replace('×', "x")));
    }
    text.push(String::new());
    text.push(format!("Amount due: {}", Tongue::En.money(invoice.amount_due, &invoice.currency)));
    let disposition = format!("inline; filename=\"Invoice-{number}.pdf\"");
    let kind = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (kind, pdf_of(&text)).into_response()
}

/// One page of text, as the smallest PDF that every reader opens.
fn pdf_of(lines: &[String]) -> Vec<u8> {
    let mut content = String::from("BT /F1 12 Tf 56 780 Td 18 TL\n");
    for line in lines {
        let safe: String = line
            .chars()
            .filter(|letter| letter.is_ascii() && !letter.is_ascii_control())
            .flat_map(|letter| {
                let escaped = matches!(letter, '(' | ')' | '\\').then_some('\\');
                escaped.into_iter().chain(std::iter::once(letter))
            })
            .collect();
        writeln!(content, "({safe}) Tj T*").ok();
    }
    content.push_str("ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(file.len());
        writeln!(file, "{} 0 obj\n{object}\nendobj", index + 1).ok();
    }
    let table = file.len();
    writeln!(file, "xref\n0 {}\n0000000000 65535 f ", objects.len() + 1).ok();
    for place in places {
        writeln!(file, "{place:010} 00000 n ").ok();
    }
    write!(
        file,
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    )
    .ok();
    file.into_bytes()
}
