//! A manifest, and batches that are checked against it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neurotop::snapshot::{LayerShape, Manifest};

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let layers = manifest.layers.iter();
    let shapes: Vec<LayerShape> =
        layers.map(|layer| LayerShape { name: layer.name.clone(), neurons: layer.shape.clone() }).collect();
    assert_eq!(manifest.check(&shapes), Ok(()), "what the manifest declares fits it");
    let _ = manifest.check(&[]);
});
