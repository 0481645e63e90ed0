// The official package goes through the sandbox's Stripe as a shop would, and says what is wrong.
// Usage: node read.mjs <base URL> <secret key> <monthly price> <bigger price>
// It writes samples.ts: every object as a literal of the package's own types, for tsc to judge.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import Stripe from 'stripe';

const [base, key, price, biggerPrice] = process.argv.slice(2);
const { hostname, port } = new URL(base);
const stripe = new Stripe(key, {
  apiVersion: '2026-09-30.endive',
  protocol: 'http',
  host: hostname,
  port: Number(port),
  maxNetworkRetries: 1,
  telemetry: false,
});

const customer = await stripe.customers.create(
  { email: 'ana@example.com', name: 'Ana', metadata: { userId: 'user_1' } },
  { idempotencyKey: 'customer-1' },
);
const again = await stripe.customers.create(
  { email: 'ana@example.com', name: 'Ana', metadata: { userId: 'user_1' } },
  { idempotencyKey: 'customer-1' },
);
assert.equal(again.id, customer.id);
await assert.rejects(
  stripe.customers.create({ email: 'eva@example.com' }, { idempotencyKey: 'customer-1' }),
  Stripe.errors.StripeIdempotencyError,
);
await assert.rejects(stripe.customers.retrieve('cus_nobody'), (error) => {
  assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
  assert.equal(error.statusCode, 404);
  assert.equal(error.code, 'resource_missing');
  assert.ok(error.requestId.startsWith('req_'));
  return true;
});
await assert.rejects(
  new Stripe('sk_test_other', { protocol: 'http', host: hostname, port: Number(port) }).prices.list(),
  Stripe.errors.StripeAuthenticationError,
);

const session = await stripe.checkout.sessions.create({
  mode: 'subscription',
  ui_mode: 'hosted_page',
  customer: customer.id,
  client_reference_id: 'user_1',
  metadata: { userId: 'user_1' },
  subscription_data: { metadata: { userId: 'user_1' } },
  line_items: [{ price, quantity: 1 }],
  allow_promotion_codes: true,
  locale: 'es',
  success_url: 'http://127.0.0.1/return/checkout?session_id={CHECKOUT_SESSION_ID}',
  cancel_url: 'http://127.0.0.1/return/checkout?cancelled=1',
});
assert.equal(session.status, 'open');
const paid = await fetch(session.url, {
  method: 'POST',
  redirect: 'manual',
  body: new URLSearchParams({ card: '4242 4242 4242 4242', name: 'Ana' }),
});
assert.equal(paid.status, 303);
assert.ok(paid.headers.get('location').endsWith(session.id));

const complete = await stripe.checkout.sessions.retrieve(session.id, {
  expand: ['line_items', 'subscription.latest_invoice.payments', 'customer'],
});
assert.equal(complete.payment_status, 'paid');
assert.equal(complete.line_items.data[0].price.id, price);
const { subscription } = complete;
assert.equal(subscription.latest_invoice.payments.data[0].status, 'paid');
assert.equal(subscription.metadata.userId, 'user_1');

const upgraded = await stripe.subscriptions.update(subscription.id, {
  items: [{ id: subscription.items.data[0].id, price: biggerPrice }],
  proration_behavior: 'always_invoice',
});
assert.equal(upgraded.items.data[0].price.id, biggerPrice);
assert.equal(upgraded.items.data[0].price.unit_amount_decimal.toString(), '7900');

const seen = [];
for await (const invoice of stripe.invoices.list({ customer: customer.id, limit: 1 })) {
  seen.push(invoice.billing_reason);
}
assert.deepEqual(seen, ['subscription_update', 'subscription_create']);

const charges = await stripe.charges.list({ customer: customer.id });
const refund = await stripe.refunds.create({ charge: charges.data[0].id, amount: 100 });
assert.equal(refund.status, 'succeeded');
const portal = await stripe.billingPortal.sessions.create({
  customer: customer.id,
  return_url: 'http://127.0.0.1/return/portal',
  flow_data: { type: 'subscription_update', subscription_update: { subscription: subscription.id } },
});
assert.equal(portal.flow.type, 'subscription_update');
const endpoint = await stripe.webhookEndpoints.create({
  url: 'http://127.0.0.1:9/hooks',
  enabled_events: ['invoice.paid'],
});
assert.ok(endpoint.secret.startsWith('whsec_'));
await stripe.webhookEndpoints.del(endpoint.id);

const events = await stripe.events.list({ types: ['invoice.paid', 'charge.refunded'] });
assert.equal(events.data.length, 4, "one of them is another customer's");
const payload = JSON.stringify(events.data[0]);
const header = stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_test' });
assert.equal(stripe.webhooks.constructEvent(payload, header, 'whsec_test').id, events.data[0].id);

// Every object as it is on the wire, as a literal of the package's types.
async function wire(path) {
  const answer = await fetch(`${base}/v1/${path}`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(answer.status, 200, path);
  return answer.json();
}
const byCustomer = `customer=${customer.id}`;
const first = async (path) => (await wire(path)).data[0];
const samples = [
  ['Customer', await wire(`customers/${customer.id}`)],
  ['Product', await first('products')],
  ['Price', await wire(`prices/${price}`)],
  ['Checkout.Session', await wire(`checkout/sessions/${session.id}`)],
  ['Subscription', await wire(`subscriptions/${subscription.id}`)],
  ['Invoice', await first(`invoices?${byCustomer}`)],
  ['InvoiceLineItem', (await first(`invoices?${byCustomer}`)).lines.data[0]],
  ['InvoicePayment', await first('invoice_payments')],
  ['Charge', await first(`charges?${byCustomer}`)],
  ['PaymentIntent', await first(`payment_intents?${byCustomer}`)],
  ['PaymentMethod', await first(`customers/${customer.id}/payment_methods`)],
  ['Refund', await first('refunds')],
  ['BillingPortal.Configuration', await first('billing_portal/configurations')],
  ['BillingPortal.Session', (await first('events?type=billing_portal.session.created')).data.object],
  ['WebhookEndpoint', endpoint],
];
for (const dispute of (await wire('disputes')).data) samples.push(['Dispute', dispute]);

/** JSON as TypeScript; decimals are strings on the wire and objects in the package. */
function literal(value, name = '') {
  if (name.endsWith('_decimal') && value !== null) return 'null as never';
  if (Array.isArray(value)) return `[${value.map((one) => literal(one)).join(', ')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).filter(([field]) => field !== 'lastResponse');
  return `{${fields.map(([field, one]) => `${JSON.stringify(field)}: ${literal(one, field)}`).join(',\n')}}`;
}
const lines = samples.map(
  ([type, value], index) => `export const sample${index}: Stripe.${type} = ${literal(value)};`,
);
writeFileSync('samples.ts', `import type Stripe from 'stripe';\n\n${lines.join('\n\n')}\n`);
