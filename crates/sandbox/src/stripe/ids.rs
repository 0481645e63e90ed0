//! Ids in Stripe's form: a prefix that names the noun, then letters and digits that mean nothing.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new id such as `cus_9Zk3…`; `length` counts what follows the prefix.
pub(crate) fn fresh(prefix: &str, length: usize) -> String {
    let mut id = String::with_capacity(prefix.len() + length);
    id.push_str(prefix);
    let mut pool: u128 = 0;
    let mut left = 0;
    for _ in 0..length {
        if left == 0 {
            pool = rand::random();
            left = 20;
        }
        let index = usize::try_from(pool % 62).unwrap_or_default();
        id.push(char::from(ALPHABET[index]));
        pool /= 62;
        left -= 1;
    }
    id
}
