//! What may be meant by a name that the format does not know, or that a manifest and a batch do not share.

use super::batch::is_known;
use super::bounded::shown;

/// The most names that are given of several.
pub(super) const NAMED: usize = 5;

/// Of so many members at the most it is looked for.
const LOOKED_AT: usize = 1000;

/// What people call the members of a batch, and the names that they have.
const PARTS: [(&str, &str); 11] = [
    ("post", "post"),
    ("mem", "post"),
    ("membrane", "post"),
    ("potential", "post"),
    ("potentials", "post"),
    ("v", "post"),
    ("vmem", "post"),
    ("pre", "pre"),
    ("changed", "changed"),
    ("changes", "changed"),
    ("shape", "shape"),
];

/// What people call the number of samples.
const SAMPLES: [&str; 6] = ["samples", "sample", "n_samples", "num_samples", "nsamples", "batch_size"];

/// What wrappers put before the names of modules: `DataParallel` and `torch.compile`.
const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];

/// The name that a member which is not read may have been meant to have.
pub(super) fn meant(member: &str) -> Option<String> {
    // Only one without the suffix is not read.
    if is_known(member) {
        return Some(format!("{member}.npy"));
    }
    if let Some(inner) = member.strip_suffix(".npy").filter(|inner| is_known(inner)) {
        return Some(inner.to_owned());
    }
    let word = member.to_lowercase();
    if SAMPLES.contains(&word.as_str()) {
        return Some("samples".to_owned());
    }
    if let Some(part) = part_of(&word) {
        return Some(format!("<layer>.{part}"));
    }
    let (layer, _) = member.rsplit_once(['.', '_', '-', '/', ' ', ':'])?;
    let part = part_of(&word[word.rfind(['.', '_', '-', '/', ' ', ':'])? + 1..])?;
    let name = format!("{layer}.{part}");
    is_known(&name).then_some(name)
}

fn part_of(word: &str) -> Option<&'static str> {
    PARTS.iter().find(|(said, _)| *said == word).map(|(_, part)| *part)
}

/// Of several members that are not read those whose names are known to be meant for another, in words.
pub(super) fn all_meant(members: &[String]) -> Option<String> {
    let hint =
        |member: &String| Some(format!("{} may be meant for {}", shown(member), shown(&meant(member)?)));
    let hints: Vec<String> = members.iter().take(LOOKED_AT).filter_map(hint).take(NAMED).collect();
    (!hints.is_empty()).then(|| hints.join(", "))
}

/// Whether two names may be those of one layer: without wrappers, or one of a part of the network alone.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    let (one, other) = (bare(one), bare(other));
    let is_within =
        |whole: &str, part: &str| whole.strip_suffix(part).is_some_and(|rest| rest.ends_with('.'));
    one == other || is_within(&one, &other) || is_within(&other, &one)
}

/// A layer's name in small letters, without what wrappers put before it.
fn bare(layer: &str) -> String {
    let parts = layer.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_named_in_another_way_are_known() {
        for (member, expected) in [
            ("lif.post", Some("lif.post.npy")),
            ("samples", Some("samples.npy")),
            ("lif.post.npy", Some("lif.post")),
            ("lif_post", Some("lif.post")),
            ("net.lif1-PRE", Some("net.lif1.pre")),
            ("lif.Post", Some("lif.post")),
            ("lif/post", Some("lif.post")),
            ("lif.mem", Some("lif.post")),
            ("lif.changes", Some("lif.changed")),
            ("post", Some("<layer>.post")),
            ("n_samples", Some("samples")),
            ("Samples", Some("samples")),
            ("lif.spikes", None),
            ("weights", None),
            ("", None),
            ("_post", None),
            (".hidden_post", None),
            ("\u{130}_post", Some("\u{130}.post")),
        ] {
            assert_eq!(meant(member).as_deref(), expected, "{member}");
        }
    }

    #[test]
    fn layers_are_alike_without_wrappers_and_within_others() {
        for (one, other, alike) in [
            ("lif", "module.lif", true),
            ("_orig_mod.net.lif", "net.lif", true),
            ("module._orig_mod.lif", "lif", true),
            ("net.module.lif", "net.lif", true),
            ("LIF", "lif", true),
            ("lif1", "net.lif1", true),
            ("lif1", "lif2", false),
            ("lif", "xlif", false),
        ] {
            assert_eq!(are_alike(one, other), alike, "{one} {other}");
            assert_eq!(are_alike(other, one), alike, "{other} {one}");
        }
    }
}
