//! The run that another one is compared with.

use super::{Figures, Part};
use std::collections::HashMap;

/// The figures of a run that another one is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    source: String,
    figures: Figures,
    /// Where each layer and each neuron class is, by its name.
    layers: HashMap<String, usize>,
    neurons: HashMap<String, usize>,
}

impl Baseline {
    /// Takes the figures of a run as a baseline; `source` is its directory or file, as the user named it.
    pub fn new(source: impl Into<String>, figures: Figures) -> Self {
        let (layers, neurons) = (places(&figures.layers), places(&figures.neurons));
        Self { source: source.into(), layers, neurons, figures }
    }

    /// Where it comes from, as the user named it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.figures.name
    }

    /// All of its figures.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Its total.
    pub fn total(&self) -> &Part {
        &self.figures.total
    }

    /// A neuron class, by its name.
    pub fn neuron(&self, name: &str) -> Option<&Part> {
        self.neurons.get(name).map(|&at| &self.figures.neurons[at])
    }

    /// A layer, by its name.
    pub fn layer(&self, name: &str) -> Option<&Part> {
        self.layers.get(name).map(|&at| &self.figures.layers[at])
    }
}

fn places(parts: &[Part]) -> HashMap<String, usize> {
    parts.iter().enumerate().map(|(at, part)| (part.name.clone(), at)).collect()
}
