//! The tree of the layers by module path: which rows it has, given which of its nodes are open. And what the names of
//! layers share, which a list can leave out.

use super::columns::{LAYERS, Sort};
use crate::figures::LayerFigures;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What separates the modules of a path.
const SEPARATORS: [char; 2] = ['.', '/'];

/// What stands between modules in the label of a node.
const STEP: &str = " ▸ ";

/// Modules within modules that are shown as a tree; deeper ones are not taken apart.
const DEEPEST: usize = 32;

/// Whether a name is a path of modules.
pub fn has_modules(name: &str) -> bool {
    name.contains(SEPARATORS)
}

/// A row of the list of layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// How many nodes it is in.
    pub depth: usize,
    /// What it is called there; empty where that is the name of the layer.
    pub label: String,
    pub kind: RowKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKind {
    /// A layer, by its index.
    Layer(usize),
    Node(Node),
}

/// A module with several layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its whole path.
    pub path: String,
    pub is_open: bool,
    /// The layers within, by index.
    pub layers: Vec<usize>,
}

impl LayerRow {
    /// A layer in a list without a tree. Its label is its name, which is not copied: there may be very many.
    pub fn flat(at: usize) -> Self {
        Self { depth: 0, label: String::new(), kind: RowKind::Layer(at) }
    }

    /// How many bytes of the label are those at the end of all names, where these have `suffix` bytes in common.
    pub fn shared_suffix(&self, suffix: usize, layers: &[LayerFigures]) -> usize {
        let RowKind::Layer(at) = self.kind else { return 0 };
        let name = layers[at].name.as_str();
        let modules = name[name.len().saturating_sub(suffix)..].matches(SEPARATORS).count();
        match modules.checked_sub(1).and_then(|last| self.label.rmatch_indices(STEP).nth(last)) {
            Some((at, _)) => self.label.len() - at,
            None => 0,
        }
    }

    pub fn node(&self) -> Option<&Node> {
        match &self.kind {
            RowKind::Layer(_) => None,
            RowKind::Node(node) => Some(node),
        }
    }

    /// The layer, or those within.
    pub fn layers(&self) -> &[usize] {
        match &self.kind {
            RowKind::Layer(at) => std::slice::from_ref(at),
            RowKind::Node(node) => &node.layers,
        }
    }

    /// Whether it is a module that a layer of this name is in.
    pub fn is_around(&self, name: &str) -> bool {
        let rest = self.node().and_then(|node| name.strip_prefix(&node.path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATORS))
    }

    /// Its figures: those of the layer, or the sums of those within.
    pub fn figures<'a>(&self, layers: &'a [LayerFigures]) -> Cow<'a, LayerFigures> {
        match &self.kind {
            RowKind::Layer(at) => Cow::Borrowed(&layers[*at]),
            RowKind::Node(node) => Cow::Owned(sum(&node.path, &node.layers, layers)),
        }
    }
}

/// The sum of these layers.
pub fn sum(name: &str, members: &[usize], layers: &[LayerFigures]) -> LayerFigures {
    LayerFigures::sum_of(name, members.iter().map(|&at| &layers[at]))
}

/// How the tree is shown.
pub struct TreeShape<'a> {
    pub sort: Sort,
    /// The paths of the nodes that are open although they would not be by themselves, and the other way round.
    pub toggled: &'a HashSet<String>,
    /// Whether all nodes are open by themselves; otherwise only one that holds everything is.
    pub all_open: bool,
}

impl TreeShape<'_> {
    /// The rows of the tree of these layers, which are in the order of the model. Modules with one layer are none.
    pub fn rows(&self, members: &[usize], layers: &[LayerFigures]) -> Vec<LayerRow> {
        let mut rows = Vec::new();
        self.push(&mut rows, 0, 0, members, layers);
        rows
    }

    /// Adds the rows of the layers that are in the same module, whose path has `taken` bytes.
    fn push(
        &self,
        rows: &mut Vec<LayerRow>,
        depth: usize,
        taken: usize,
        members: &[usize],
        layers: &[LayerFigures],
    ) {
        let groups = groups(taken, members, layers);
        let is_alone = groups.len() == 1;
        let figures: Vec<Cow<'_, LayerFigures>> =
            groups.iter().map(|group| group_figures(group, layers)).collect();
        for at in LAYERS.order(&figures, self.sort) {
            let group = &groups[at];
            let name = layers[group[0]].name.as_str();
            if group.len() == 1 || depth >= DEEPEST {
                rows.extend(group.iter().map(|&at| leaf(depth, taken, at, layers)));
                continue;
            }
            let end = path_end(taken, group, layers);
            let is_open = (self.all_open || depth == 0 && is_alone) != self.toggled.contains(&name[..end]);
            let node = Node { path: name[..end].to_owned(), is_open, layers: group.clone() };
            rows.push(LayerRow { depth, label: label(&name[taken..end]), kind: RowKind::Node(node) });
            if is_open {
                self.push(rows, depth + 1, end, group, layers);
            }
        }
    }
}

fn leaf(depth: usize, taken: usize, at: usize, layers: &[LayerFigures]) -> LayerRow {
    let name = layers[at].name.as_str();
    // A layer can be a module of other layers, too.
    let own = Some(label(&name[taken..])).filter(|own| !own.is_empty());
    let label = own.unwrap_or_else(|| name.rsplit(SEPARATORS).next().unwrap_or(name).to_owned());
    LayerRow { depth, label, kind: RowKind::Layer(at) }
}

fn label(path: &str) -> String {
    path.trim_start_matches(SEPARATORS).split(SEPARATORS).collect::<Vec<_>>().join(STEP)
}

fn group_figures<'a>(group: &[usize], layers: &'a [LayerFigures]) -> Cow<'a, LayerFigures> {
    match group {
        [alone] => Cow::Borrowed(&layers[*alone]),
        _ => Cow::Owned(sum(&layers[group[0]].name, group, layers)),
    }
}

/// The layers by the module that follows after `taken` bytes of their names, in the order of the first of each.
fn groups(taken: usize, members: &[usize], layers: &[LayerFigures]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for &at in members {
        let name = layers[at].name.as_str();
        let module = &name[taken..next_end(name, taken)];
        let place = *places.entry(module).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(at);
    }
    groups
}

/// Where the module that begins at `taken` ends: before the next separator, or with the name.
fn next_end(name: &str, taken: usize) -> usize {
    let rest = &name[taken..];
    let begun = rest.len() - rest.strip_prefix(SEPARATORS).unwrap_or(rest).len();
    rest[begun..].find(SEPARATORS).map_or(name.len(), |at| taken + begun + at)
}

/// Where the path that all of these layers share ends: modules with nothing but one module are one node.
fn path_end(taken: usize, group: &[usize], layers: &[LayerFigures]) -> usize {
    let first = layers[group[0]].name.as_str();
    let mut end = next_end(first, taken);
    loop {
        let next = next_end(first, end);
        let shared = |&at: &usize| {
            let name = layers[at].name.as_str();
            name.get(..next) == Some(&first[..next]) && next_end(name, end) == next
        };
        if next == end || next == first.len() || !group.iter().all(shared) {
            return end;
        }
        end = next;
    }
}

/// How many bytes at the beginning and at the end of all names of layers are the same modules; none of a single name.
pub fn shared_ends(layers: &[LayerFigures]) -> (usize, usize) {
    shared_parts(layers.iter().map(|layer| layer.name.as_str()), &SEPARATORS)
}

/// The same of any names, whose parts end at these separators.
pub fn shared_parts<'a>(names: impl Iterator<Item = &'a str> + Clone, separators: &[char]) -> (usize, usize) {
    let mut others = names.clone();
    let Some(first) = others.next() else { return (0, 0) };
    let (mut prefix, mut suffix) = (first.len(), first.len());
    for name in others {
        let same = |pair: &(char, char)| pair.0 == pair.1;
        let len = |(character, _): (char, char)| character.len_utf8();
        prefix = prefix.min(first.chars().zip(name.chars()).take_while(same).map(len).sum());
        suffix = suffix.min(first.chars().rev().zip(name.chars().rev()).take_while(same).map(len).sum());
        if prefix == 0 && suffix == 0 {
            break;
        }
    }
    if names.clone().nth(1).is_none() {
        return (0, 0);
    }
    // What differs has at least one character, whatever the two ends share.
    let shortest = names.map(str::len).min().unwrap_or(0);
    let prefix = &first.as_bytes()[..prefix.min(shortest.saturating_sub(1))];
    let is_separator = |&byte: &u8| separators.contains(&char::from(byte));
    let prefix = prefix.iter().rposition(is_separator).map_or(0, |at| at + 1);
    let ends = &first[first.len() - suffix..];
    let suffix = ends.find(separators).map_or(0, |at| ends.len() - at);
    (prefix, if prefix + suffix < shortest { suffix } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(names: &[&str]) -> Vec<LayerFigures> {
        names
            .iter()
            .enumerate()
            .map(|(at, name)| LayerFigures {
                index: Some(at),
                name: (*name).into(),
                ..LayerFigures::default()
            })
            .collect()
    }

    fn drawn(names: &[&str], toggled: &[&str], sort: Sort) -> Vec<String> {
        let layers = named(names);
        let toggled = toggled.iter().map(|path| (*path).to_owned()).collect();
        let members: Vec<usize> = (0..layers.len()).collect();
        let rows = TreeShape { sort, toggled: &toggled, all_open: false }.rows(&members, &layers);
        let mark = |row: &LayerRow| row.node().map_or("", |node| if node.is_open { "v " } else { "> " });
        rows.iter().map(|row| format!("{}{}{}", "  ".repeat(row.depth), mark(row), row.label)).collect()
    }

    const RESNET: [&str; 7] = [
        "net.backbone.stages.0.conv.lif",
        "net.backbone.stages.0.down",
        "net.backbone.stages.10.lif",
        "net.backbone.stages.10.head.a",
        "net.backbone.stages.2.lif",
        "net.backbone.stages.2.out.lif",
        "net.head.lif",
    ];

    #[test]
    fn what_holds_everything_is_open_and_modules_of_one_module_are_one_node() {
        assert_eq!(drawn(&RESNET, &[], Sort::default()), ["v net", "  > backbone ▸ stages", "  head ▸ lif"]);
        assert_eq!(drawn(&RESNET, &["net"], Sort::default()), ["> net"]);
        let toggled = ["net.backbone.stages", "net.backbone.stages.10"];
        assert_eq!(
            drawn(&RESNET, &toggled, Sort::default()),
            [
                "v net",
                "  v backbone ▸ stages",
                "    > 0",
                "    v 10",
                "      lif",
                "      head ▸ a",
                "    > 2",
                "  head ▸ lif",
            ]
        );
    }

    #[test]
    fn names_are_in_the_order_in_which_people_count() {
        let sort = Sort { column: Some(0), descending: false };
        let rows = drawn(&RESNET, &["net.backbone.stages"], sort);
        assert_eq!(rows[2..5], ["    > 0", "    > 2", "    > 10"]);
    }

    #[test]
    fn a_label_shares_the_modules_that_all_names_end_with() {
        let layers = named(&["net.0.conv.lif", "net.1.conv.lif", "net.2.lif"]);
        let rows = TreeShape { sort: Sort::default(), toggled: &HashSet::new(), all_open: true };
        let rows = rows.rows(&[0, 1, 2], &layers);
        let shared: Vec<usize> = rows.iter().map(|row| row.shared_suffix(4, &layers)).collect();
        let lif = " ▸ lif".len();
        assert_eq!(shared, [0, lif, lif, lif]);
        assert_eq!(rows[1].shared_suffix(0, &layers), 0);
    }

    #[test]
    fn a_layer_can_be_a_module_of_others_and_modules_can_be_interrupted() {
        let names = ["a", "b", "a.b", "a.c", "b.x"];
        assert_eq!(
            drawn(&names, &["a", "b"], Sort::default()),
            ["v a", "  a", "  b", "  c", "v b", "  b", "  x"]
        );
        assert_eq!(drawn(&["lif1", "lif2"], &[], Sort::default()), ["lif1", "lif2"]);
        assert_eq!(drawn(&["", ".", "..", "a..b"], &[], Sort::default()).len(), 3);
    }

    #[test]
    fn what_names_share_is_whole_modules_and_never_all_of_a_name() {
        for (names, shared) in [
            (&["net.block1.lif", "net.block2.lif"][..], (4, 4)),
            (&["lif1", "lif2"], (0, 0)),
            (&["net.lif", "net.lif.lif"], (4, 0)),
            (&["a.lif"], (0, 0)),
            (&[], (0, 0)),
            (&["é.a.é", "é.b.é"], (3, 3)),
            (&["a.a", "a.a.a"], (2, 0)),
        ] {
            assert_eq!(shared_ends(&named(names)), shared, "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn every_layer_is_in_the_open_tree_once(names in prop::collection::hash_set("[ab./é]{0,6}", 0..12)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let layers = named(&names);
            let members: Vec<usize> = (0..layers.len()).collect();
            let rows = TreeShape { sort: Sort::default(), toggled: &HashSet::new(), all_open: true }
                .rows(&members, &layers);
            let mut seen: Vec<usize> = rows
                .iter()
                .filter_map(|row| if let RowKind::Layer(at) = row.kind { Some(at) } else { None })
                .collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, members);
            prop_assert!(rows.iter().filter_map(LayerRow::node).all(|node| node.layers.len() > 1));
            let (prefix, suffix) = shared_ends(&layers);
            for layer in &layers {
                prop_assert!(layers.len() < 2 || prefix + suffix < layer.name.len() || layer.name.is_empty());
            }
        }
    }
}
