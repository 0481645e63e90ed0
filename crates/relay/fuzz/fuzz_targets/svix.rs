#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| autocrea_relay_fuzz::svix(data));
