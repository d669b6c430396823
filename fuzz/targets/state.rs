//! The progress of a run in a file, whose checksum is right: whatever it says, a run goes on from it or refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::cost::{Costs, LayerDefaults};
use neurotop::follow::Ledger;
use neurotop::report::Summary;
use neurotop::run::{Run, Settings};
use neurotop::state::{VERSION, decode, encode};
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
        name: "fuzz".into(),
        costs: Costs::default(),
        neurons: LayerDefaults::parse(&["Alpha".into()]),
        resets: LayerDefaults::parse(&["zero".into()]),
        stall_after: Duration::from_secs(1),
        live: true,
    });
    if run.resume(&progress, SystemTime::UNIX_EPOCH) {
        let _ = Summary::of(&run, SystemTime::UNIX_EPOCH);
    }
});
