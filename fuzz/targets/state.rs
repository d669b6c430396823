//! The progress of a run in a file, whose checksum is right: whatever it says, a run resumes from it or refuses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::figures::Summary;
use neurotop::follow::Ledger;
use neurotop::run::prices::LayerDefaults;
use neurotop::run::state::{VERSION, decode, encode};
use neurotop::run::{Run, Settings};
use std::time::{Duration, Instant, SystemTime};

fuzz_target!(|body: &[u8]| {
    let mut file = b"neurotop state\r\n".to_vec();
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&(body.len() as u64).to_le_bytes());
    file.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    file.extend_from_slice(body);
    let Ok(progress) = decode(&file) else { return };
    let again = encode(&progress).map(|bytes| decode(&bytes));
    assert_eq!(again.expect("it can be written"), Ok(progress.clone()), "what is written is read again");
    let ledger = Ledger::restore(Duration::from_secs(1), &progress.counted, Instant::now());
    let (kept, account) = (ledger.counted(), ledger.account());
    assert_eq!((kept.len(), kept.lost().len()), (progress.counted.len(), progress.counted.lost().len()));
    assert_eq!(account.seen, account.counted + account.waiting + account.set_aside);
    let mut run = Run::new(Settings {
        neurons: LayerDefaults::parse(&["Alpha".into()]),
        resets: LayerDefaults::parse(&["zero".into()]),
        live: true,
        ..Settings::new("fuzz")
    });
    run.resume(&progress, SystemTime::UNIX_EPOCH);
    let _ = Summary::new(&run, SystemTime::UNIX_EPOCH);
});
