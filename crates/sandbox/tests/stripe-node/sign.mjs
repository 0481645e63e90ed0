// Signs what comes on standard input as Stripe does, with the official package.
// Usage: node sign.mjs <secret> <unix seconds> < payload
import { readFileSync } from 'node:fs';
import Stripe from 'stripe';

const [secret, timestamp] = process.argv.slice(2);
const payload = readFileSync(0, 'utf8');
const stripe = new Stripe('sk_test_unused');
process.stdout.write(
  stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: Number(timestamp) }),
);
